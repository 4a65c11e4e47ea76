import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/assert.ts";
import type { Key } from "../../messages/common.ts";
import { Serialized } from "../../protocol/serialized.ts";
import { A, ALICE, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { taskFinished, updateGraph } from "../../testing/scheduler_simulation.ts";
import { wantTask } from "./graph.ts";
import { Pool } from "./pool.ts";
import { State, type TaskState } from "./task_state.ts";
import { fillSlots, runTransitions } from "./transitions.ts";
import { WorkerState } from "./worker_state.ts";

const PICKLE = new Serialized({ serializer: "pickle" }, [new Uint8Array([0x80, 5, 0x2e])]);
const PYTHON = "tls://10.0.0.9:9009" as typeof A;

/** A task for workers of Python, which no client of this package can submit yet. */
function submitOpaque(fixture: SchedulerFixture, key: string): TaskState {
  const { machine } = fixture.state;
  machine.begin("submit-opaque", fixture.now++);
  const ts = machine.addTask(key as Key, PICKLE, machine.groups.ofName(key as Key), [0, 0, 0], {});
  const alice = machine.clients.get(ALICE);
  assert(alice !== undefined);
  wantTask(alice, ts);
  machine.recommendations.add(ts, State.WAITING);
  runTransitions(machine);
  fillSlots(machine);
  return ts;
}

/** Registers a worker of Python, as `addWorker` does with one of Deno. */
function addPythonWorker(fixture: SchedulerFixture): WorkerState {
  const { machine } = fixture.state;
  const info = { address: PYTHON, status: "paused", nthreads: 3, name: PYTHON, memory_limit: null } as const;
  const ws = new WorkerState(info, machine.pool("python"), fixture.now++);
  machine.workers.set(PYTHON, ws);
  ws.pool.add(ws);
  return ws;
}

Deno.test("A task waits for a worker of its runtime, however idle others are", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 4);
  const ts = submitOpaque(fixture, "load-1");
  assertEquals([ts.stateName, fixture.flush()], ["queued", []]);
  assertEquals([fixture.state.queuedCount, fixture.state.isIdle], [1, false]);
  assertEquals(fixture.client(ALICE, updateGraph([["x"]])), [
    `${A} register-functions f`,
    `${A} compute-task x`,
  ]);
  fixture.state.validateState();
});

Deno.test("An opaque task reaches a worker of its runtime untouched, without a function", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 4);
  const ts = submitOpaque(fixture, "load-1");
  addPythonWorker(fixture);
  fixture.worker(PYTHON, { op: "worker-status-change", status: "running", stimulus_id: "resumed" });
  assertEquals([ts.stateName, ts.processingOn?.address], ["processing", PYTHON]);
  fixture.state.validateState();
  const other = submitOpaque(fixture, "load-2");
  fixture.state.tick(fixture.now++);
  const [command] = fixture.state.takeOutbox().toWorker.get(PYTHON) ?? [];
  assert(command?.op === "compute-task" && other.processingOn?.address === PYTHON);
  assertStrictEquals(command.run_spec, PICKLE);
  fixture.worker(PYTHON, taskFinished("load-1", ts.runId));
  fixture.worker(PYTHON, taskFinished("load-2", other.runId));
  assertEquals([ts.stateName, ts.group.prefix.name, fixture.state.totalNthreads], ["memory", "load", 7]);
  fixture.state.validateState();
});

Deno.test("Pools count only their own workers, and keep no others", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 4);
  const ws = addPythonWorker(fixture);
  const { machine } = fixture.state;
  assertEquals(machine.pools.map(({ runtime, nthreads }) => [runtime, nthreads]), [["deno", 4], [
    "python",
    3,
  ]]);
  assertThrows(() => machine.pool("deno").add(ws), AssertionError, "of another pool");
  ws.pool.running.add(ws);
  assertThrows(() => ws.pool.remove(ws), AssertionError, "takes tasks");
  assertStrictEquals(machine.pool("deno"), machine.pool("deno"));
  assertEquals(new Pool("deno").workers, []);
});
