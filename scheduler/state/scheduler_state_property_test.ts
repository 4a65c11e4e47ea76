import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Key } from "../../messages/common.ts";
import {
  type GraphRowSpec,
  type SimulatedClient,
  SimulatedCluster,
  type SimulatedWorker,
  updateGraph,
} from "../../testing/scheduler_simulation.ts";
import { SchedulerDriver } from "../../testing/scheduler_driver.ts";

const SEED = 20260801;

/** A task that a babbling worker makes up. */
const EMPTY_TASK = {
  op: "compute-task",
  key: "" as Key,
  run_id: 0,
  priority: [0],
  stimulus_id: "",
  who_has: {},
  nbytes: {},
  run_spec: ["" as never, new Uint8Array(), []],
  resource_restrictions: null,
  actor: false,
  annotations: {},
  span_id: null,
} as const satisfies Parameters<SimulatedWorker["read"]>[0];

/** One step of a run: what happens, and numbers that pick to whom. */
type Step = readonly [kind: number, first: number, second: number];

const steps = fc.array(fc.tuple(fc.nat(99), fc.nat(1000), fc.nat(1000)), { minLength: 20, maxLength: 160 });

Deno.test("SchedulerState keeps its invariants and brings every task to an end, whatever happens", () => {
  check(500, (run) => simulate(run, {}));
});

Deno.test("SchedulerState does so without queuing", () => {
  check(150, (run) => simulate(run, { workerSaturation: Infinity }));
});

Deno.test("SchedulerState does so with Dask's rule for full workers", () => {
  check(150, (run) => simulate(run, { workerQueueTime: 0, allowedFailures: 0 }));
});

Deno.test("SchedulerState ignores messages that make no sense", () => {
  check(300, babble);
});

function check(numRuns: number, property: (run: readonly Step[]) => void): void {
  fc.assert(fc.property(steps, property), { seed: SEED, numRuns });
}

/** A cluster in which anything may happen, then peace. */
function simulate(run: readonly Step[], options: ConstructorParameters<typeof SchedulerDriver>[0]): void {
  const scheduler = new SchedulerDriver({ ...options, validate: true, transitionCounterMax: 100_000 });
  const cluster = new SimulatedCluster(scheduler);
  cluster.addWorker(1);
  cluster.addWorker(2);
  cluster.addClient("client-0");
  const keys: string[] = [];
  for (let link = 0; link < 6; link++) cluster.deliver(link);
  for (const step of run) {
    act(cluster, keys, step);
    scheduler.validateState();
  }
  makePeace(cluster);
  checkEnd(cluster);
  checkNothingIsLeft(cluster);
}

function act(cluster: SimulatedCluster, keys: string[], [kind, first, second]: Step): void {
  const workers = [...cluster.workers.values()];
  const clients = [...cluster.clients.values()];
  const worker = workers[first % Math.max(workers.length, 1)];
  const client = clients[first % Math.max(clients.length, 1)];
  if (kind < 40) { for (let i = 0; i <= second % 16; i++) cluster.deliver(first + i); }
  else if (kind < 65 && worker !== undefined) workerActs(worker, kind, second);
  else if (kind < 90 && client !== undefined) clientActs(cluster, client, keys, kind, second);
  else if (kind < 93 && workers.length < 5) cluster.addWorker(1 + second % 3);
  else if (kind < 96 && worker !== undefined) cluster.removeWorker(worker, second % 2 === 0);
  else if (kind < 98 && clients.length < 3) cluster.addClient(`client-${cluster.now}`);
  else if (kind === 98 && client !== undefined) cluster.removeClient(client);
  else cluster.retry(keys.slice(-10) as Key[]);
}

function workerActs(worker: SimulatedWorker, kind: number, second: number): void {
  if (kind < 58) { for (let i = 0; i <= second % 4; i++) worker.run(second, "ok", second); }
  else if (kind < 62) worker.run(second, "error");
  else if (kind < 63) worker.run(second, "reschedule");
  else if (kind < 64) worker.run(second, "long-running");
  else {
    const status = second % 2 === 0 ? "paused" : "running";
    worker.sent.push({ op: "worker-status-change", status, stimulus_id: "status" });
  }
}

function clientActs(
  cluster: SimulatedCluster,
  client: SimulatedClient,
  keys: string[],
  kind: number,
  second: number,
): void {
  const wanted = [...client.keys.keys()];
  const some = wanted.filter((_, i) => (second >> (i % 8)) & 1).slice(0, 4);
  if (kind < 78) {
    submit(cluster, client, keys, second);
  } else if (kind < 85) {
    for (const key of some) client.keys.delete(key);
    client.sent.push({ op: "client-releases-keys", keys: some });
  } else if (kind < 87) {
    client.sent.push({
      op: "cancel-keys",
      keys: some,
      force: second % 2 === 0,
      reason: "why not",
      msg: null,
    });
  } else {
    const first = second % Math.max(keys.length, 1);
    const desired = keys.slice(first, first + 3) as Key[];
    for (const key of desired) if (!client.keys.has(key)) client.keys.set(key, "pending");
    client.sent.push({ op: "client-desires-keys", keys: desired });
  }
}

/**
 * A graph of new tasks, and sometimes one that is known, on tasks that are known, unknown, or in the same
 * graph.
 */
function submit(cluster: SimulatedCluster, client: SimulatedClient, keys: string[], random: number): void {
  const specs: GraphRowSpec[] = [];
  const size = 1 + random % 9;
  for (let i = 0; i < size; i++) {
    const key = random % 13 === 0 && i === 0 && keys.length > 0
      ? keys[random % keys.length] ?? ""
      : `t-${keys.length}`;
    const dependencies = new Set<string>();
    const count = (random >> i) % 3;
    for (let j = 0; j < count; j++) {
      const offset = 1 + (random * (i + 1) + j * 7) % 12;
      const other = keys[keys.length - offset];
      if (other !== undefined && other !== key) dependencies.add(other);
    }
    if (random % 29 === 3 && i === 1) dependencies.add("nobody-knows-it");
    if (random % 23 === 5 && i === 1) dependencies.add(`t-${keys.length + 1}`); // maybe a cycle
    specs.push([key, [...dependencies], random % 2 === 0 ? "f" : `g${i % 3}`]);
    keys.push(key);
  }
  const addresses = [...cluster.workers.keys()];
  const workers = random % 17 === 0 ? { workers: [addresses[0] ?? "nowhere"] } : {};
  const annotations = { ...workers, allow_other_workers: random % 2 === 0, retries: random % 3 };
  for (const [key] of specs) client.keys.set(key as Key, "pending");
  client.sent.push(updateGraph(random % 2 === 0 ? specs : specs.toReversed(), annotations));
}

/** Everything is delivered; whoever is paused goes on; there is a worker for every task. */
function makePeace(cluster: SimulatedCluster): void {
  for (const worker of cluster.workers.values()) {
    worker.sent.push({ op: "worker-status-change", status: "running", stimulus_id: "peace" });
  }
  cluster.addWorker(2);
  cluster.settle();
  cluster.scheduler.validateState();
}

/** Every client knows the truth about every task that it wants. */
function checkEnd(cluster: SimulatedCluster): void {
  for (const client of cluster.clients.values()) {
    for (const [key, status] of client.keys) {
      const ts = cluster.scheduler.tasks.get(key);
      const restricted = ts?.stateName === "no-worker" || ts?.stateName === "waiting";
      if (status === "pending") {
        assert(
          ts !== undefined && restricted && waitsForNoWorker(cluster, key),
          `${key} hangs: ${ts?.stateName}`,
        );
      } else if (status === "finished") {
        assertEquals(ts?.stateName, "memory", `${key} is finished for ${client.id}`);
        const holders = [...ts?.whoHas ?? []];
        assert(
          holders.some((ws) => cluster.workers.get(ws.address)?.data.has(key)),
          `${key} is finished, and nobody has it`,
        );
      } else if (status === "error") {
        assertEquals(ts?.stateName, "erred", `${key} failed for ${client.id}`);
      }
    }
  }
}

/** A task restricted to workers that are gone waits, and so do those that depend on it. */
function waitsForNoWorker(cluster: SimulatedCluster, key: Key): boolean {
  const ts = cluster.scheduler.tasks.get(key);
  if (ts === undefined) return false;
  if (ts.stateName === "no-worker") return ts.restrictions !== null;
  return [...ts.waitingOn].some((dts) => waitsForNoWorker(cluster, dts.key));
}

/** When all clients are gone, nothing is left anywhere. */
function checkNothingIsLeft(cluster: SimulatedCluster): void {
  for (const client of [...cluster.clients.values()]) cluster.removeClient(client);
  cluster.settle();
  cluster.scheduler.validateState();
  assertEquals(cluster.scheduler.tasks.size, 0);
  assertEquals(cluster.scheduler.groups.size, 0);
  for (const worker of cluster.workers.values()) {
    assertEquals(
      [...worker.data, ...worker.tasks.keys(), ...worker.functions],
      [],
      `${worker.address} is clean`,
    );
  }
}

/** Messages of workers and clients that follow no rule at all. */
function babble(run: readonly Step[]): void {
  const scheduler = new SchedulerDriver({ validate: true });
  const cluster = new SimulatedCluster(scheduler);
  const client = cluster.addClient("client-0");
  const workers = [cluster.addWorker(1), cluster.addWorker(2), cluster.addWorker(1)];
  for (let i = 0; i < workers.length * 2 + 2; i++) cluster.deliver(i);
  const keys: string[] = [];
  for (const [kind, first, second] of run) {
    const worker = workers[first % workers.length];
    assert(worker !== undefined);
    const key = `t-${second % 12}` as Key;
    const run_id = first % 40;
    const stimulus_id = "babble";
    if (kind < 20) submit(cluster, client, keys, second);
    else if (kind < 40) worker.run(second, "ok", first);
    else if (kind < 55) worker.sent.push({ op: "add-keys", keys: [key, "never" as Key], stimulus_id });
    else if (kind < 65) worker.sent.push({ op: "release-worker-data", key, stimulus_id });
    else if (kind < 70) worker.sent.push({ op: "reschedule", key, stimulus_id });
    else if (kind < 75) {
      worker.sent.push({ op: "long-running", key, run_id, compute_duration: null, stimulus_id });
    } else if (kind < 80) worker.sent.push({ op: "request-refresh-who-has", keys: [key], stimulus_id });
    else if (kind < 90) {
      worker.tasks.set(key, {
        ...(worker.tasks.get(key) ?? EMPTY_TASK),
        key,
        run_id,
        run_spec: ["f", new Uint8Array(), []] as unknown as typeof EMPTY_TASK.run_spec,
      });
      worker.run(worker.tasks.size - 1, second % 2 === 0 ? "ok" : "error", second);
    } else client.sent.push({ op: "client-releases-keys", keys: [key] });
    for (let i = 0; i < workers.length * 2 + 2; i++) cluster.deliver(i);
    scheduler.validateState();
  }
}
