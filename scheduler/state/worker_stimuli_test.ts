import { assert, assertEquals } from "@std/assert";
import type { Key } from "../../messages/common.ts";
import type { WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import { Serialized } from "../../protocol/serialized.ts";
import { A, ALICE, B, keys, SchedulerFixture, status } from "../../testing/scheduler_fixture.ts";
import { taskErred, taskFinished, updateGraph } from "../../testing/scheduler_simulation.ts";

function started(...graph: Parameters<typeof updateGraph>): SchedulerFixture {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.addWorker(B, 1, "paused");
  fixture.client(ALICE, updateGraph(...graph));
  return fixture;
}

function task(fixture: SchedulerFixture, key: string) {
  const ts = fixture.state.tasks.get(key as Key);
  assert(ts !== undefined);
  return ts;
}

function commands(fixture: SchedulerFixture, worker: typeof A) {
  return fixture.state.takeOutbox().toWorker.get(worker) ?? [];
}

Deno.test("A result of an earlier run starts the task anew on its worker, and is dropped on another", () => {
  const fixture = started([["x"]]);
  const { runId } = task(fixture, "x");
  assertEquals(fixture.worker(A, taskFinished("x", runId - 1)), [`${A} free-keys x`, `${A} compute-task x`]);
  assertEquals(task(fixture, "x").runId, runId + 1);
  assertEquals(fixture.worker(B, taskFinished("x", runId)), [`${B} free-keys x`]);
  assertEquals(fixture.stateOf("x"), "processing");
});

Deno.test("A result that is there already makes its worker another holder", () => {
  const fixture = started([["x"]]);
  const { runId } = task(fixture, "x");
  fixture.finish("x");
  assertEquals(fixture.worker(B, taskFinished("x", runId)), []);
  assertEquals(fixture.state.whoHas(keys("x")).get("x" as Key), [A, B]);
  assertEquals(fixture.worker(B, taskFinished("x", runId + 7)), [`${B} free-keys x`]);
});

Deno.test("A result of a task that is not running is dropped", () => {
  const fixture = started([["x"]]);
  const { runId } = task(fixture, "x");
  fixture.fail("x");
  assertEquals(fixture.worker(A, taskFinished("x", runId)), [`${A} free-keys x`]);
  assertEquals(fixture.worker(A, taskFinished("no", 1)), [`${A} free-keys no`]);
  assertEquals(fixture.stateOf("x"), "erred");
});

Deno.test("A result says what its task took, and how large it is, whatever else it says", () => {
  const fixture = started([["x"], ["y"]]);
  const finished = taskFinished("x", task(fixture, "x").runId);
  assert(finished.op === "task-finished");
  fixture.worker(A, {
    ...finished,
    nbytes: -5,
    startstops: [{ action: "transfer", start: 0, stop: 50 }, { action: "compute", start: 1, stop: 3 }],
  });
  assertEquals([task(fixture, "x").nbytes, task(fixture, "y").group.prefix.duration], [0, 2]);
});

Deno.test("An error fails a task of this run alone, with what the worker said of it", () => {
  const fixture = started([["x"], ["y", ["x"]]]);
  const { runId } = task(fixture, "x");
  assertEquals(fixture.worker(B, taskErred("x", runId)), []);
  assertEquals(fixture.worker(A, taskErred("x", runId - 1)), [`${A} free-keys x`, `${A} compute-task x`]);
  const exception = new Serialized({ text: "boom" }, []);
  const erred = { ...taskErred("x", task(fixture, "x").runId), exception, traceback: "trace" };
  fixture.state.handleWorkerMessage(A, erred as WorkerStreamMessage, fixture.now++);
  const reports = fixture.state.takeOutbox().toClient.get(ALICE) ?? [];
  assertEquals(
    reports,
    keys("x", "y").map((key) => ({ op: "task-erred", key, exception, traceback: "trace" })),
  );
  assertEquals(task(fixture, "y").failure?.culprit, "x" as Key);
  assertEquals(task(fixture, "x").erredOn, [A]);
  fixture.state.retry(keys("x"), fixture.now++);
  assertEquals(commands(fixture, A).map(({ op }) => op), ["free-keys", "compute-task"]);
  assertEquals(task(fixture, "x").erredOn, null);
});

Deno.test("An error without exception and traceback is one all the same", () => {
  const fixture = started([["x"]]);
  const { exception: _, traceback: __, ...erred } = taskErred("x", task(fixture, "x").runId) as
    & WorkerStreamMessage
    & Record<"exception" | "traceback", unknown>;
  fixture.worker(A, erred as WorkerStreamMessage);
  const { failure } = task(fixture, "x");
  assertEquals(
    failure,
    { culprit: "x" as Key, exception: null, traceback: null } as unknown as typeof failure,
  );
});

Deno.test("Copies are noted of results that are there, and given back otherwise", () => {
  const fixture = started([["x"], ["y"]]);
  fixture.finish("x", 100);
  fixture.state.handleWorkerMessage(
    B,
    { op: "add-keys", keys: keys("x", "y", "no"), stimulus_id: "copied" },
    fixture.now++,
  );
  assertEquals(commands(fixture, B), [
    { op: "remove-replicas", keys: keys("y", "no"), stimulus_id: "copied" },
  ]);
  assertEquals(fixture.state.hasWhat([B]).get(B), keys("x"));
  assertEquals(fixture.state.workers.get(B)?.nbytes, 100);
  fixture.worker(B, { op: "add-keys", keys: keys("x"), stimulus_id: "again" });
  assertEquals(fixture.state.workers.get(B)?.nbytes, 100);
});

Deno.test("A result whose last copy is gone is computed again, one with another copy is not", () => {
  const fixture = started([["x"]]);
  fixture.finish("x", 100);
  fixture.worker(B, { op: "add-keys", keys: keys("x"), stimulus_id: "copied" });
  const gone = { op: "release-worker-data", key: "x" as Key, stimulus_id: "gone" } as const;
  assertEquals(fixture.worker(A, gone), []);
  assertEquals([fixture.stateOf("x"), fixture.state.workers.get(A)?.nbytes], ["memory", 0]);
  assertEquals(fixture.worker(A, gone), [], "it had none");
  assertEquals(fixture.worker(B, gone), [`${A} compute-task x`, "alice lost-data x"]);
});

Deno.test("A task is placed anew when its worker asks for that, and for no other worker", () => {
  const fixture = started([["x"]]);
  const reschedule = { op: "reschedule", key: "x" as Key, stimulus_id: "s" } as const;
  assertEquals(fixture.worker(B, reschedule), []);
  assertEquals(fixture.worker(A, { ...reschedule, key: "no" as Key }), []);
  assertEquals(fixture.worker(A, reschedule), [`${A} free-keys x`, `${A} compute-task x`]);
});

Deno.test("A task that leaves its thread makes room for another, once, and teaches what it took", () => {
  const fixture = started([["x"], ["y"], ["z"]]);
  const ws = fixture.state.workers.get(A);
  assert(ws !== undefined);
  const left = (key: string, runId: number, compute_duration: number | null): WorkerStreamMessage => ({
    op: "long-running",
    key: key as Key,
    run_id: runId,
    compute_duration,
    stimulus_id: "s",
  });
  const { runId } = task(fixture, "x");
  const occupied = fixture.state.totalOccupancy;
  for (const wrong of [left("x", runId + 1, 1), left("no", 1, 1)]) fixture.worker(A, wrong);
  fixture.worker(B, left("x", runId, 1));
  assertEquals([ws.longRunning.size, ws.busy, fixture.state.totalOccupancy], [
    0,
    ws.processing.size,
    occupied,
  ]);
  fixture.worker(A, left("x", runId, 2));
  assertEquals([ws.longRunning.size, task(fixture, "x").group.prefix.duration], [1, 2]);
  const { busy } = ws;
  fixture.worker(A, left("x", runId, null));
  assertEquals([ws.longRunning.size, ws.busy, task(fixture, "x").group.prefix.duration], [1, busy, 2]);
  fixture.finish("x");
  assertEquals(ws.longRunning.size, 0);
});

Deno.test("A worker that asks who holds keys is told of those that are known, and to free the others", () => {
  const fixture = started([["x"], ["y"]]);
  fixture.finish("x");
  const ask = (...names: string[]) => {
    const message = { op: "request-refresh-who-has", keys: keys(...names), stimulus_id: "s" } as const;
    fixture.state.handleWorkerMessage(B, message, fixture.now++);
    return commands(fixture, B).map((one) =>
      one.op === "refresh-who-has" ? { ...one, who_has: { ...one.who_has } } : one
    );
  };
  assertEquals(ask("x", "no", "y"), [
    { op: "free-keys", keys: keys("no"), stimulus_id: "s" },
    { op: "refresh-who-has", who_has: { x: [A], y: [] }, stimulus_id: "s" },
  ]);
  assertEquals(ask("no").map(({ op }) => op), ["free-keys"]);
});

Deno.test("The cause of a message is what it says, if that is a short text, else its operation", () => {
  const causes = ["s".repeat(256), "s".repeat(257), 5].map((stimulus_id) => {
    const fixture = started([["x"]]);
    const message = { op: "reschedule", key: "x" as Key, stimulus_id } as unknown as WorkerStreamMessage;
    fixture.worker(A, message);
    return fixture.state.story("x").at(-1)?.stimulusId;
  });
  assertEquals(causes, ["s".repeat(256), "reschedule", "reschedule"]);
});

Deno.test("A worker that lacks results is said to lack them, and they are no longer expected of it", () => {
  const fixture = started([["x"]]);
  fixture.finish("x");
  fixture.worker(B, { op: "add-keys", keys: keys("x"), stimulus_id: "copied" });
  fixture.state.takeEvents();
  fixture.state.handle([{ op: "lacking", worker: A, keys: keys("x", "no") }], fixture.now++);
  assertEquals(fixture.state.takeEvents(), [{ event: "worker-lacking", worker: A, count: 2 }]);
  assertEquals(fixture.state.whoHas(keys("x")).get("x" as Key), [B]);
  fixture.removeWorker(A);
  fixture.state.takeEvents();
  fixture.state.handle([{ op: "lacking", worker: A, keys: keys("x") }], fixture.now++);
  assertEquals(fixture.state.takeEvents(), []);
});

Deno.test("A worker that is about to leave gets no tasks", () => {
  const fixture = started([["x"]]);
  fixture.worker(A, status("closing_gracefully"));
  fixture.client(ALICE, updateGraph([["y"]]));
  assertEquals([fixture.stateOf("x"), fixture.stateOf("y")], ["processing", "no-worker"]);
});
