import { assertEquals } from "@std/assert";
import type { Address, Key } from "../../messages/common.ts";
import {
  A,
  ALICE,
  B,
  BOB,
  keys,
  METRICS,
  SchedulerFixture,
  status,
} from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

const C = "tls://10.0.0.2:1003" as Address;

function bandwidth(total: number): typeof METRICS {
  return { ...METRICS, bandwidth: { ...METRICS.bandwidth, total } };
}

Deno.test("A worker that joins is told of, and found by address, name and host until it leaves", () => {
  const fixture = new SchedulerFixture();
  fixture.state.takeEvents();
  fixture.addWorker(B, 2, "running", "bee");
  fixture.addWorker(C, 3, "paused", "sea");
  const { machine } = fixture.state;
  assertEquals(fixture.state.takeEvents(), [
    { event: "worker-added", worker: B, name: "bee" },
    { event: "worker-added", worker: C, name: "sea" },
  ]);
  const named = (): Record<string, string[]> =>
    Object.fromEntries(
      [...machine.workersByName].map(([name, all]) => [name, [...all].map((ws) => ws.name)]),
    );
  assertEquals(named(), {
    [B]: ["bee"],
    "10.0.0.2:1002": ["bee"],
    bee: ["bee"],
    "10.0.0.2": ["bee", "sea"],
    [C]: ["sea"],
    "10.0.0.2:1003": ["sea"],
    sea: ["sea"],
  });
  const [pool] = machine.pools;
  assertEquals([pool?.nthreads, pool?.running.size, pool?.workers.length], [5, 1, 2]);
  fixture.removeWorker(B);
  assertEquals(Object.keys(named()), ["10.0.0.2", C, "10.0.0.2:1003", "sea"]);
  assertEquals([pool?.nthreads, pool?.running.size, pool?.idle.size, pool?.notFull.size], [3, 0, 0, 0]);
});

Deno.test("A worker that leaves is told to close unless it is known to, and others are told that it left", () => {
  for (const close of [true, false]) {
    const fixture = new SchedulerFixture();
    fixture.addWorker(A);
    fixture.addWorker(B);
    fixture.state.removeWorker(A, { now: fixture.now++, close });
    const { toWorker } = fixture.state.takeOutbox();
    const farewell = [{ op: "close", reason: "scheduler-remove-worker" }] as const;
    assertEquals(toWorker.get(A), close ? [...farewell] : undefined);
    const [told] = toWorker.get(B) ?? [];
    assertEquals(told?.op === "remove-worker" && told.worker, A);
  }
});

Deno.test("A worker that leaves takes results, values and tasks with it, and it is told which", () => {
  const fixture = new SchedulerFixture({ allowedFailures: 1 });
  fixture.addWorker(A, 4, "running", "ay");
  fixture.client(ALICE, updateGraph([["x"], ["kept"], ["busy", [], "g"]]));
  fixture.finish("x");
  fixture.finish("kept");
  const value = { who_has: { v: [A] }, nbytes: { v: 8 }, client: ALICE } as const;
  fixture.client(ALICE, { op: "update-data", ...value });
  fixture.addWorker(B);
  fixture.worker(B, { op: "add-keys", keys: keys("kept"), stimulus_id: "copy" });
  fixture.state.takeEvents();
  assertEquals(fixture.state.removeWorker(A, { now: 5000 }), {
    recomputed: keys("x"),
    lost: keys("v"),
    givenUp: [],
  });
  assertEquals(fixture.state.takeEvents()[0], {
    event: "worker-removed",
    worker: A,
    name: "ay",
    stimulusId: "remove-worker-5000",
    loss: { recomputed: keys("x"), lost: keys("v"), givenUp: [] },
  });
  assertEquals(["x", "kept", "busy", "v"].map((key) => fixture.stateOf(key)).includes("unknown"), true);
  assertEquals([fixture.stateOf("kept"), fixture.stateOf("v")], ["memory", "unknown"]);
  assertEquals(fixture.state.tasks.get("busy" as Key)?.suspicious, 1);
  const holder = fixture.state.tasks.get("busy" as Key)?.processingOn?.address ?? A;
  fixture.state.takeOutbox();
  const { givenUp } = fixture.state.removeWorker(holder, { now: 5001 }) ?? { givenUp: [] };
  assertEquals(givenUp.filter(({ key }) => key === "busy"), [{ key: "busy" as Key, deaths: 2 }]);
});

Deno.test("Heartbeats teach the bandwidth, each worker's as one among all", () => {
  const fixture = new SchedulerFixture({ bandwidth: 100 });
  const { machine } = fixture.state;
  fixture.addWorker(A);
  fixture.state.heartbeat(A, bandwidth(300), {}, fixture.now++);
  assertEquals(machine.bandwidth, 300);
  fixture.addWorker(B);
  fixture.state.heartbeat(A, bandwidth(100), {}, fixture.now++);
  assertEquals(machine.bandwidth, 200);
  for (const none of [0, -5, 1e15, NaN]) fixture.state.heartbeat(A, bandwidth(none), {}, fixture.now++);
  assertEquals(machine.bandwidth, 200);
  assertEquals(new SchedulerFixture().state.machine.bandwidth, 100e6);
});

Deno.test("Heartbeats of a worker tell when it was seen, and how long its tasks run", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]]));
  const strange = { x: "long", y: 5 } as unknown as Record<string, number>;
  const reply = fixture.state.heartbeat(A, METRICS, strange, 7000);
  assertEquals(reply, { status: "OK", time: 7000, "heartbeat-interval": 0.5 });
  const ws = fixture.state.workers.get(A);
  assertEquals([ws?.lastSeen, ws?.metrics], [7000, METRICS]);
  assertEquals(fixture.state.totalOccupancy, 0.5, "nothing is known of x");
  fixture.state.heartbeat(A, METRICS, { x: 2 }, 7001);
  assertEquals(fixture.state.totalOccupancy, 4);
});

Deno.test("A worker that joins gets the tasks that waited for one such as it, the most urgent first", () => {
  const fixture = new SchedulerFixture();
  const only = (name: string) => ({ workers: [name] });
  fixture.client(ALICE, updateGraph([["late"]], only("bee")));
  fixture.client(ALICE, updateGraph([["urgent"]], { ...only("bee"), priority: 1 }));
  fixture.client(ALICE, updateGraph([["other"]], only("sea")));
  fixture.client(ALICE, updateGraph([["loose"]], { ...only("sea"), allow_other_workers: true }));
  const states = () => ["late", "urgent", "other", "loose"].map((key) => fixture.stateOf(key));
  assertEquals(states(), ["no-worker", "no-worker", "no-worker", "no-worker"]);
  assertEquals(fixture.state.queuedCount, 4);
  fixture.addWorker(B, 1, "running", "bee");
  const sent = fixture.flush().filter((line) => line.includes("compute-task"));
  assertEquals(sent, [`${B} compute-task urgent`, `${B} compute-task late`, `${B} compute-task loose`]);
  assertEquals(states(), ["processing", "processing", "no-worker", "processing"]);
});

Deno.test("A worker that changes its status to the one that it has changes nothing", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]], { workers: ["nobody"] }));
  const transitions = fixture.state.transitionCount;
  assertEquals(fixture.worker(A, status("running")), []);
  assertEquals(fixture.state.transitionCount, transitions);
  fixture.worker(A, status("paused"));
  const [pool] = fixture.state.machine.pools;
  assertEquals([pool?.running.size, pool?.idle.size, fixture.state.workers.get(A)?.status], [0, 0, "paused"]);
});

Deno.test("A client's name is taken while it is connected, and its tasks are forgotten with it", () => {
  const fixture = new SchedulerFixture();
  assertEquals(fixture.state.addClient(ALICE, 1), 'Cannot register client "alice": it is connected');
  fixture.state.takeEvents();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"], ["shared"]]));
  fixture.client(BOB, { op: "client-desires-keys", keys: keys("shared") });
  fixture.state.removeClient(ALICE, 2000);
  assertEquals(fixture.state.hasClient(ALICE), false);
  assertEquals([fixture.stateOf("x"), fixture.stateOf("shared")], ["unknown", "processing"]);
  assertEquals(fixture.state.takeEvents().map(({ event }) => event), ["worker-added", "client-removed"]);
  fixture.state.removeClient(ALICE, 2001);
  assertEquals(fixture.state.takeEvents(), []);
  assertEquals(fixture.state.addClient(ALICE, 2002), "OK");
  fixture.client(ALICE, { op: "close-client" });
  assertEquals(fixture.state.takeEvents().map(({ event }) => event), ["client-added", "client-removed"]);
});
