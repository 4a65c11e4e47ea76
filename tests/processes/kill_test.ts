/** Real processes that are killed, stopped, and told to end in the middle of work. */

import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { Client, type Future, KilledWorker, Scheduler, SchedulerClosed } from "../../mod.ts";
import { Certificates, ProcessCluster, startWorkerProcess } from "../../testing/clusters/process_cluster.ts";

const LAYER = 1000;

/** Of a layer's inputs: task i takes i, and one that comes much later. Layers 1 and 2. */
const PARTNER: readonly ((i: number) => number)[] = [(i) => LAYER - 1 - i, (i) => (i + LAYER / 2) % LAYER];

/**
 * Three layers of tasks, each of which needs two of the layer above; results are too large to ride along. The
 * last layer waits for `gate`, too, so that the results of the second pile up.
 */
function layers(client: Client, gate: Future<unknown>): Future<{ sum: number }>[] {
  const begin = async (i: number): Promise<{ sum: number; pad: Uint8Array }> => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    return { sum: i, pad: new Uint8Array(1500) };
  };
  const add = (
    left: { sum: number },
    right: { sum: number },
    _gate: unknown,
  ): { sum: number; pad: Uint8Array } => ({ sum: left.sum + right.sum, pad: new Uint8Array(1500) });
  const first = client.map(begin, Array(LAYER).keys());
  const second = client.map(add, first, partners(first, 1), first);
  const third = client.map(add, second, partners(second, 2), second.map(() => gate));
  return [...first, ...second, ...third];
}

function partners<T>(items: readonly T[], layer: 1 | 2): T[] {
  return items.map((_, i) => items[PARTNER[layer - 1]?.(i) ?? -1] as T);
}

function expected(): number[] {
  const add = (items: readonly number[], layer: 1 | 2) => {
    const others = partners(items, layer);
    return items.map((x, i) => x + (others[i] ?? NaN));
  };
  const first = [...Array(LAYER).keys()];
  const second = add(first, 1);
  return [...first, ...second, ...add(second, 2)];
}

/** Number of ended tasks, and of those that only `worker` holds and that a task which has not ended needs. */
async function progress(
  client: Client,
  futures: readonly Future<unknown>[],
  worker: string,
): Promise<{ done: number; precious: number }> {
  const whoHas = await client.whoHas(futures);
  const holders = futures.map((future) => whoHas[future.key] ?? []);
  // Partners are mutual.
  const dependents = (i: number): number[] => {
    const layer = Math.floor(i / LAYER) + 1;
    const partner = PARTNER[layer - 1]?.(i % LAYER);
    return partner === undefined ? [] : [i + LAYER, layer * LAYER + partner];
  };
  let precious = 0;
  holders.forEach((held, i) => {
    if (held.length === 1 && held[0] === worker && dependents(i).some((j) => holders[j]?.length === 0)) {
      precious++;
    }
  });
  return { done: holders.filter((held) => held.length > 0).length, precious };
}

Deno.test("A worker that is killed amidst 3,000 dependent tasks costs time, and no result", async () => {
  await using cluster = await ProcessCluster.start(3);
  const { client, workers: [victim], scheduler } = cluster;
  const address = await cluster.workerAddress(0);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const gate = client.with({ workers: ["w1"] }).submit(async (port: number) => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    return await conn.read(new Uint8Array(1)); // until the other end closes
  }, listener.addr.port);
  const held = await Promise.race([listener.accept(), gate.result()]);
  assert(held !== null && typeof held !== "number");
  const futures = layers(client, gate);
  let state = { done: 0, precious: 0 };
  while (state.done < 0.4 * futures.length) state = await progress(client, futures, address);
  victim?.kill("SIGKILL");
  assert(state.done <= 0.7 * futures.length, `${state.done} tasks had ended`);
  assert(state.precious >= 100, `it held ${state.precious} results that others need`);
  held.close();
  const results = await client.gather(futures);
  assertEquals(results.map(({ sum }) => sum), expected());
  await scheduler.line(/Remove worker addr: (\S+) name: w0/);
  await scheduler.line(
    /WARNING - Removing worker '\S+' caused the cluster to lose already computed task\(s\)/,
  );
});

Deno.test("A scheduler that is killed: clients say so, workers end with exit code 0", async () => {
  await using cluster = await ProcessCluster.start(2);
  const { client, workers, scheduler } = cluster;
  const hanging = client.submit(() => new Promise<number>(() => {}));
  await client.submit(() => 1).result();
  scheduler.kill("SIGKILL");
  const error = await assertRejects(() => hanging.result());
  assertInstanceOf(error, SchedulerClosed);
  assertMatch(error.message, /Lost the scheduler at "tls:/);
  for (const worker of workers) {
    const { code } = await worker.ended;
    assertEquals(code, 0, worker.stderr);
    assertMatch(worker.stderr, /Connection to scheduler broken\. Closing/);
  }
});

Deno.test("A task that kills its workers fails as KilledWorker and names the last one", async () => {
  await using certificates = await Certificates.make();
  const { security } = certificates;
  await using scheduler = await Scheduler.start({
    host: "127.0.0.1",
    port: 0,
    security,
    allowedFailures: 1,
    validate: true,
  });
  await using stack = new AsyncDisposableStack();
  const victims = new Map<string, () => void>();
  for (const name of ["w0", "w1"]) {
    const process = stack.use(await startWorkerProcess(scheduler.address, certificates, "--name", name));
    const [, address = ""] = process.stderr.match(/Start worker at:\s+(\S+)/) ?? [];
    victims.set(String(process.pid), () => {
      lastKilled = address;
      process.kill("SIGKILL");
    });
  }
  let lastKilled = "";
  await using client = await Client.connect(scheduler.address, { security });
  await client.waitForWorkers(2);
  // The task says by a port where it runs, and is killed for it.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const deadly = client.submit(async (port: number) => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await conn.write(new TextEncoder().encode(`${Deno.pid}`));
    await new Promise(() => {});
  }, listener.addr.port);
  const dependent = client.submit((x: unknown) => x, deadly);
  for (let i = 0; i < 2; i++) {
    using conn = await listener.accept();
    const buffer = new Uint8Array(20);
    const length = await conn.read(buffer) ?? 0;
    victims.get(new TextDecoder().decode(buffer.subarray(0, length)))?.();
  }
  const error = await assertRejects(() => dependent.result());
  assertInstanceOf(error, KilledWorker);
  assertMatch(
    error.message,
    /^Attempted to run task ".+" on 2 workers, but all of them died while running it/,
  );
  assert(error.message.includes(lastKilled) && lastKilled !== "", error.message);
  // The cluster is well.
  stack.use(await startWorkerProcess(scheduler.address, certificates));
  assertEquals(await client.submit(() => "well").result(), "well");
});

Deno.test("A worker that stands still is removed after its time-to-live, and ends when it wakes", async () => {
  await using certificates = await Certificates.make();
  const { security } = certificates;
  await using scheduler = await Scheduler.start({
    host: "127.0.0.1",
    port: 0,
    security,
    workerTtl: 1000, // but not less than ten heartbeats
    validate: true,
  });
  await using frozen = await startWorkerProcess(scheduler.address, certificates);
  await using well = await startWorkerProcess(scheduler.address, certificates);
  await using client = await Client.connect(scheduler.address, { security });
  await client.waitForWorkers(2);
  frozen.kill("SIGSTOP");
  const pids = await client.gather(
    client.map((_: number) => Deno.pid, Array.from({ length: 20 }, (_, i) => i)),
  );
  assertEquals(new Set(pids), new Set([well.pid]));
  assertEquals((await client.schedulerInfo()).n_workers, 1);
  frozen.kill("SIGCONT");
  assertEquals((await frozen.ended).code, 0, frozen.stderr);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`A worker that gets ${signal} hands its results over and exits with 0`, async () => {
    await using cluster = await ProcessCluster.start(2);
    const { client, workers: [leaving], scheduler } = cluster;
    const futures = client.map((i: number) => `${i} ${Deno.pid} ${"x".repeat(2000)}`, Array(100).keys());
    const before = await client.gather(futures);
    assert(before.some((text) => text.includes(` ${leaving?.pid} `)));
    leaving?.kill(signal);
    assertEquals((await leaving?.ended)?.code, 0, leaving?.stderr);
    assertMatch(leaving?.stderr ?? "", new RegExp(`Received signal ${signal}\n.*Closing worker gracefully`));
    assertEquals(await client.gather(futures), before);
    await scheduler.line(/Retiring worker \S+; \d+ keys are being moved away\./);
    await scheduler.line(/Retired worker /);
    assert(!scheduler.stderr.includes("caused the cluster to lose"), scheduler.stderr);
  });
}

Deno.test("A second signal ends a worker that can't hand its results over", async () => {
  await using cluster = await ProcessCluster.start(2);
  const { client, workers: [leaving, receiver], scheduler } = cluster;
  assert(leaving !== undefined && receiver !== undefined);
  await client.gather(client.map((i: number) => `${i} ${"x".repeat(2000)}`, Array(50).keys()));
  receiver.kill("SIGSTOP"); // takes nothing
  const held = client.with({ workers: ["w0"] }).submit(() => "x".repeat(2000));
  assertEquals((await held.result()).length, 2000);
  leaving.kill("SIGTERM");
  await scheduler.line(/Retiring worker \S+; \d+ keys are being moved away\./);
  leaving.kill("SIGTERM");
  assertEquals((await leaving.ended).code, 0, leaving.stderr);
  assert(!leaving.stderr.includes("took longer"), leaving.stderr);
});
