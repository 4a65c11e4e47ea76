import { assert, assertEquals } from "@std/assert";
import type { Key } from "../../messages/common.ts";
import { A, ALICE, B, keys, METRICS, SchedulerFixture, status } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

Deno.test("SchedulerState takes default durations by the function part of the key", () => {
  const fixture = new SchedulerFixture({ defaultTaskDurations: { load: 7 } });
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["load-1", [], "f"], ["other-1", [], "g"]]));
  assertEquals(fixture.state.totalOccupancy, 7.5);
});

Deno.test("SchedulerState does not ask for a result that no client wants", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 1, "paused");
  fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]]]));
  fixture.client(ALICE, { op: "client-releases-keys", keys: keys("x") });
  fixture.state.handleWorkerMessage(A, status("running"), fixture.now++);
  const [, compute] = fixture.state.takeOutbox().toWorker.get(A) ?? [];
  assert(compute?.op === "compute-task" && compute.inline_result === false);
});

Deno.test("SchedulerState tells a worker where the dependencies of a task are, and how large", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.addWorker(B);
  fixture.client(ALICE, updateGraph([["x"], ["__proto__"]]));
  fixture.finish("x", 1000);
  fixture.finish("__proto__", 9);
  fixture.state.handleClientMessage(ALICE, updateGraph([["z", ["x", "__proto__"]]]), fixture.now++);
  const { toWorker } = fixture.state.takeOutbox();
  const compute = toWorker.get(A)?.find((message) => message.op === "compute-task");
  assert(compute?.op === "compute-task", "z goes where the larger one is");
  assertEquals(Object.entries(compute.who_has), [["x", [A]], ["__proto__", [B]]]);
  assertEquals(Object.entries(compute.nbytes), [["x", 1000], ["__proto__", 9]]);
});

function manyTasks(count: number): ReturnType<typeof updateGraph> {
  return updateGraph(Array.from({ length: count }, (_, i) => [`t-${i}`] as const));
}

Deno.test("SchedulerState sends tasks of unknown duration by Dask's rule, and many once they are known to be short", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 2);
  fixture.client(ALICE, manyTasks(1000));
  const worker = fixture.state.workers.get(A);
  assertEquals(worker?.processing.size, 3, "ceil(1.1 * 2)");
  fixture.finish("t-0", 8, 0.01);
  assertEquals(worker?.processing.size, 20, "2 threads * 0.1 s / 10 ms");
  fixture.finish("t-1", 8, 0);
  fixture.finish("t-2", 8, 0);
  assertEquals(worker?.processing.size, 80, "the average is 2.5 ms");
  for (let i = 3; i < 20; i++) fixture.finish(`t-${i}`, 8, 0);
  assertEquals(worker?.processing.size, 512, "never more than 256 a thread");
});

Deno.test("SchedulerState sends long tasks one by one, and short ones beside a long one for the other threads", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 2);
  fixture.client(ALICE, manyTasks(100));
  fixture.finish("t-0", 8, 5);
  assertEquals(fixture.state.workers.get(A)?.processing.size, 3);
  assertEquals(fixture.state.queuedCount, 96);

  const mixed = new SchedulerFixture({ defaultTaskDurations: { short: 0.01, long: 10 } });
  mixed.addWorker(A, 2);
  mixed.client(ALICE, updateGraph([["long-1", [], "long"]]));
  mixed.client(
    ALICE,
    updateGraph(Array.from({ length: 100 }, (_, i) => [`short-${i}`, [], "short"] as const)),
  );
  assertEquals(mixed.state.workers.get(A)?.processing.size, 11, "one, and 0.1 s for the other thread");
});

Deno.test("SchedulerState sends nothing to a paused worker, and what waited when it resumes", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 1, "init");
  fixture.client(ALICE, updateGraph([["x"]]));
  assertEquals(fixture.stateOf("x"), "no-worker");
  assertEquals(fixture.worker(A, status("running")), [`${A} register-functions f`, `${A} compute-task x`]);
  fixture.worker(A, status("paused"));
  assertEquals(fixture.client(ALICE, updateGraph([["y"]])), []);
  assertEquals(fixture.worker(A, status("running")), [`${A} compute-task y`]);
});

Deno.test("SchedulerState runs restricted tasks by address, name, host, host and port, or waits for such a worker", () => {
  for (const wanted of [B, "bee", "10.0.0.2", "10.0.0.2:1002"]) {
    const fixture = new SchedulerFixture();
    fixture.addWorker(A);
    fixture.client(ALICE, updateGraph([["x"]], { workers: [wanted] }));
    assertEquals(fixture.stateOf("x"), "no-worker", wanted);
    fixture.client(ALICE, updateGraph([["y"]], { workers: [wanted], allow_other_workers: true }));
    assertEquals(fixture.state.tasks.get("y" as Key)?.processingOn?.address, A, wanted);
    fixture.addWorker(B, 1, "running", "bee");
    assertEquals(fixture.state.tasks.get("x" as Key)?.processingOn?.address, B, wanted);
  }
});

Deno.test("SchedulerState takes a task that runs longer than expected for a long one", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]]));
  fixture.state.heartbeat(A, METRICS, { x: 30, unknown: 1 }, 5);
  assertEquals(fixture.state.totalOccupancy, 60);
});

Deno.test("SchedulerState sends no more to a worker whose short tasks turn out to be long", () => {
  const fixture = new SchedulerFixture({ defaultTaskDurations: { t: 0.001 } });
  fixture.addWorker(A);
  fixture.addWorker(B);
  fixture.client(ALICE, manyTasks(150));
  const loads = () => [A, B].map((address) => fixture.state.workers.get(address)?.processing.size);
  assertEquals([...loads(), fixture.state.queuedCount], [75, 75, 0]);
  fixture.finish("t-0", 8, 10);
  fixture.client(ALICE, updateGraph(Array.from({ length: 10 }, (_, i) => [`more-${i}`] as const)));
  assertEquals([...loads(), fixture.state.queuedCount], [74, 75, 10]);
});

Deno.test("SchedulerState looks through a long list of workers once, and not with each task, nor sends it along", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 1, "running", "first");
  let reads = 0;
  const names = new Proxy(Array.from({ length: 5000 }, (_, i) => `w${i}`).concat("first"), {
    get(target, name): unknown {
      if (/^\d+$/.test(String(name))) reads++;
      return Reflect.get(target, name);
    },
  });
  const graph = { ...manyTasks(50), annotations: { workers: names, priority: 3 } };
  fixture.state.handleClientMessage(ALICE, graph, fixture.now++);
  const sent = fixture.state.takeOutbox().toWorker.get(A)?.filter((message) => message.op === "compute-task");
  assertEquals(sent?.map(({ annotations }) => annotations), Array(50).fill({ priority: 3 }));
  assert(reads <= 2 * names.length, `${reads} names were read`);
});
