import { assertEquals } from "@std/assert";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import { A, ALICE, B, BOB, keys, METRICS, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

const NOBODY = "tls://10.0.0.9:9" as Address;

/** Two workers, of which A holds x and runs z, and B runs y; Bob wants x, too. */
function busyCluster(): SchedulerFixture {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 2, "running", "ay");
  fixture.state.addWorker({
    address: B,
    status: "running",
    nthreads: 3,
    name: "bee",
    memory_limit: 1000,
    resources: { GPU: 2 },
    local_directory: "/tmp/b",
    services: { dashboard: 8787 },
    nanny: "tls://10.0.0.2:1" as Address,
    metrics: METRICS,
  }, fixture.now = 2000);
  fixture.client(ALICE, updateGraph([["x"]], { workers: [A], retries: 2, priority: 5 }));
  fixture.finish("x", 100);
  fixture.client(BOB, { op: "client-desires-keys", keys: keys("x") });
  fixture.client(ALICE, updateGraph([["y", ["x"], "g"]], { workers: [B] }));
  fixture.client(ALICE, updateGraph([["z", ["x"], "g"]], { workers: [A] }));
  return fixture;
}

Deno.test("SchedulerState tells readers what workers hold and do", () => {
  const { state } = busyCluster();
  assertEquals([state.workerCount, state.totalNthreads, state.totalMemory], [2, 5, 1000]);
  assertEquals(state.ncores(), new Map([[A, 2], [B, 3]]));
  assertEquals([state.hasWorker(A), state.hasWorker(NOBODY)], [true, false]);
  assertEquals([state.hasClient(ALICE), state.hasClient("eve" as ClientId)], [true, false]);
  assertEquals(state.whoHas(), new Map(Object.entries({ x: [A], y: [], z: [] })) as Map<Key, Address[]>);
  assertEquals(state.whoHas(keys("x", "no")), new Map([["x" as Key, [A]], ["no" as Key, []]]));
  assertEquals(state.whoHas(null).size, 3);
  assertEquals(state.hasWhat(), new Map([[A, keys("x")], [B, []]]));
  assertEquals(state.hasWhat([A, NOBODY]), new Map([[A, keys("x")], [NOBODY, []]]));
  assertEquals(state.processing(), new Map([[A, keys("z")], [B, keys("y")]]));
  assertEquals(state.processing([B, NOBODY]), new Map([[B, keys("y")], [NOBODY, []]]));
});

Deno.test("SchedulerState.workerFacts tells what workers said of themselves, of as many as asked for", () => {
  const { state } = busyCluster();
  const [a, b] = state.workerFacts();
  assertEquals(a, {
    address: A,
    name: "ay",
    host: "10.0.0.1",
    nthreads: 2,
    memoryLimit: null,
    lastSeen: a?.lastSeen ?? 0,
    status: "running",
    metrics: null,
    resources: {},
    localDirectory: "",
    services: {},
    nanny: null,
  });
  assertEquals(b, {
    address: B,
    name: "bee",
    host: "10.0.0.2",
    nthreads: 3,
    memoryLimit: 1000,
    lastSeen: 2000,
    status: "running",
    metrics: METRICS,
    resources: { GPU: 2 },
    localDirectory: "/tmp/b",
    services: { dashboard: 8787 },
    nanny: "tls://10.0.0.2:1" as Address,
  });
  const counts = [0, 1, 2, 3].map((most) => [...state.workerFacts(most)].length);
  assertEquals(counts, [0, 1, 2, 2]);
});

Deno.test("SchedulerState.snapshot copies everything as plain data", () => {
  const { state } = busyCluster();
  const { tasks, workers, clients, transitions } = state.snapshot();
  assertEquals(tasks[0], {
    key: "x" as Key,
    state: "memory",
    priority: [-5, 1, 0],
    dependencies: [],
    whoWants: [ALICE, BOB],
    whoHas: [A],
    processingOn: null,
    runId: 1,
    nbytes: 100,
    retries: 2,
    suspicious: 0,
  });
  assertEquals(tasks[1], {
    key: "y" as Key,
    state: "processing",
    priority: [0, 2, 0],
    dependencies: keys("x"),
    whoWants: [ALICE],
    whoHas: [],
    processingOn: B,
    runId: 2,
    nbytes: -1,
    retries: 0,
    suspicious: 0,
  });
  assertEquals(
    workers.map(({ address, processing, hasWhat, nbytes }) => [address, processing, hasWhat, nbytes]),
    [[A, keys("z"), keys("x"), 100], [B, keys("y"), [], 0]],
  );
  assertEquals(clients, [{ client: ALICE, wants: keys("x", "y", "z") }, { client: BOB, wants: keys("x") }]);
  assertEquals([transitions, state.transitionCount], [7, 7]);
});

Deno.test("SchedulerState.prefixStates counts tasks by the names of their functions", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["inc-1", [], "f"], ["inc-2", [], "g"], ["add-1", ["inc-1"], "h"]]));
  fixture.finish("inc-1");
  const none = { released: 0, waiting: 0, "no-worker": 0, queued: 0, processing: 0, memory: 0, erred: 0 };
  assertEquals(fixture.state.prefixStates(), {
    inc: { ...none, memory: 1, processing: 1 },
    add: { ...none, processing: 1 },
  });
});

Deno.test("SchedulerState.heartbeatInterval grows with the workers, so that they send 200 a second together", () => {
  const fixture = new SchedulerFixture();
  const found: Record<number, number> = {};
  for (let count = 0; count <= 400; count++) {
    if ([0, 10, 11, 49, 50, 199, 200, 400].includes(count)) found[count] = fixture.state.heartbeatInterval;
    fixture.state.addWorker({
      address: `tls://10.1.0.1:${count + 1}` as Address,
      status: "paused",
      nthreads: 1,
      name: `w${count}`,
      memory_limit: null,
    }, fixture.now);
  }
  assertEquals(found, { 0: 0.5, 10: 0.5, 11: 1, 49: 1, 50: 2, 199: 2, 200: 2, 400: 3 });
});
