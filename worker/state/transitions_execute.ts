/**
 * Steps of tasks that are computed here. Mirrors `_transition_*` of distributed/worker_state_machine.py; each
 * function names the difference if there is one.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Key } from "../../messages/common.ts";
import type { TaskFinished } from "../../messages/worker_scheduler.ts";
import type { WorkerMachine } from "./machine.ts";
import { assertTask, type Payload, State, type TaskState } from "./task_state.ts";
import { isEnding, toCancelled, toReleased } from "./transitions_release.ts";

const NO_KEYS: readonly Key[] = [];
const NO_METADATA: Readonly<Record<string, unknown>> = {};
// Pickle of the string "object": what is said of the type of a result that another worker computed.
const UNKNOWN_TYPE: Uint8Array = Uint8Array.of(0x80, 4, 0x8c, 6, 0x6f, 0x62, 0x6a, 0x65, 0x63, 0x74, 0x2e);

/** Waits for the dependencies that are not here. */
export function releasedWaiting(m: WorkerMachine, ts: TaskState): void { // hot: per task
  for (const dependency of ts.dependencies) {
    if (dependency.state === State.MEMORY) continue;
    ts.addWaitingFor(dependency);
    // One in fetch may just have lost its last holder, and is recommended to be missing.
    if (dependency.state !== State.FETCH && !isEnding(dependency)) m.recommend(dependency, State.FETCH);
  }
  if (ts.waitingForData.size === 0) m.recommend(ts, State.READY);
  m.setState(ts, State.WAITING);
}

/** Puts it among the tasks to be run. */
export function waitingReady(m: WorkerMachine, ts: TaskState): void { // hot: per task
  assertTask(ts.waitingForData.size === 0, ts, "is ready before its dependencies");
  if (ts.resources !== null) {
    m.recommend(ts, State.CONSTRAINED);
    return;
  }
  m.setState(ts, State.READY);
  m.ready.add(ts);
  m.ensureComputing();
}

/** Puts it among the tasks to be run that need abstract resources. */
export function waitingConstrained(m: WorkerMachine, ts: TaskState): void {
  assertTask(ts.resources !== null, ts, "needs no resources");
  m.setState(ts, State.CONSTRAINED);
  m.constrained.add(ts);
  m.ensureComputing();
}

/** Hands it to the executor. */
export function readyExecuting(m: WorkerMachine, ts: TaskState): void { // hot: per task
  const runSpec = ts.runSpec;
  assertTask(runSpec !== null, ts, "is ready and has nothing to run");
  assertTask(m.executing.has(ts), ts, "is to be run without a slot");
  assertTask(ts.executingRunId === null, ts, "is run twice at a time");
  m.setState(ts, State.EXECUTING);
  ts.executingRunId = ts.runId;
  ts.executingSince = m.now;
  m.instructions.push({
    op: "execute",
    key: ts.key,
    run_id: ts.runId,
    run_spec: runSpec,
    dependencies: keysOf(ts.dependencies),
    inline_result: ts.inlineResult,
  });
}

function keysOf(tasks: ReadonlySet<TaskState>): readonly Key[] {
  if (tasks.size === 0) return NO_KEYS;
  const keys: Key[] = [];
  for (const ts of tasks) {
    assert(ts.state === State.MEMORY, () => `The executor is to be given "${ts.key}", which is not here`);
    keys.push(ts.key);
  }
  return keys;
}

/** Ours: a task that was handed to the executor came back before it began. */
export function executingReady(m: WorkerMachine, ts: TaskState): void {
  assertTask(!m.executing.has(ts), ts, "is ready, and the executor has it");
  if (isComplete(ts)) {
    m.setState(ts, State.WAITING);
    waitingReady(m, ts);
  } else {
    m.setState(ts, State.RELEASED);
    m.ensureComputing();
    m.recommend(ts, State.WAITING);
  }
}

function isComplete(ts: TaskState): boolean {
  for (const dependency of ts.dependencies) if (dependency.state !== State.MEMORY) return false;
  return true;
}

/** Keeps its result. */
export function executingMemory(m: WorkerMachine, ts: TaskState, payload: Payload): void { // hot: per task
  assertTask(ts.done, ts, "is in memory before it has ended");
  toMemory(m, ts);
  sendTaskFinished(m, ts, payload);
}

/** Asks the scheduler to place it anew. */
export function executingRescheduled(m: WorkerMachine, ts: TaskState): void {
  assertTask(ts.done, ts, "is placed anew before it has ended");
  m.instructions.push({ op: "reschedule", key: ts.key, stimulus_id: m.stimulusId });
  toReleased(m, ts);
}

/** Tells of its failure. */
export function executingError(m: WorkerMachine, ts: TaskState, payload: Payload): void {
  assertTask(payload !== null && payload.op === "execute-failure", ts, "fails without an error");
  m.setState(ts, State.ERROR);
  ts.runSpec = null;
  m.instructions.push({
    op: "task-erred",
    status: "error",
    key: ts.key,
    run_id: payload.run_id,
    exception: payload.exception,
    traceback: payload.traceback,
    exception_text: payload.exception_text,
    traceback_text: payload.traceback_text,
    thread: payload.thread,
    startstops: ts.startstops,
    stimulus_id: m.stimulusId,
  });
}

/**
 * A task that has begun can't be stopped, so this waits for its end. Ours: the executor is asked to give it
 * back.
 */
export function executingReleased(m: WorkerMachine, ts: TaskState): void {
  assertTask(m.executing.has(ts), ts, "is executing, and the executor does not have it");
  ts.previous = State.EXECUTING;
  toCancelled(m, ts);
  m.instructions.push({ op: "withdraw", key: ts.key });
}

/** Notes that the result is here. */
export function toMemory(m: WorkerMachine, ts: TaskState): void { // hot: per task
  assert(ts.nbytes >= 0, () => `Result of task "${ts.key}" has no size`);
  m.setState(ts, State.MEMORY);
  m.nbytes += ts.nbytes;
  ts.runSpec = null; // the arguments are not needed any more
  for (const dependent of ts.dependents) {
    dependent.removeWaitingFor(ts);
    if (dependent.state === State.WAITING && dependent.waitingForData.size === 0) {
      m.recommend(dependent, State.READY);
    }
  }
}

/** Tells the scheduler that the result of `ts` is here. */
export function sendTaskFinished(m: WorkerMachine, ts: TaskState, payload: Payload): void { // hot: per task
  assertTask(ts.state === State.MEMORY, ts, "is said to be finished, and its result is not here");
  const success = payload !== null && payload.op === "execute-success" ? payload : null;
  const message: { -readonly [Field in keyof TaskFinished]: TaskFinished[Field] } = {
    op: "task-finished",
    status: "OK",
    key: ts.key,
    run_id: success === null ? ts.runId : success.run_id,
    nbytes: ts.nbytes,
    type: ts.type ?? UNKNOWN_TYPE,
    typename: ts.type === null ? "object" : ts.typename,
    metadata: NO_METADATA,
    thread: ts.thread,
    startstops: ts.startstops,
    stimulus_id: m.stimulusId,
  };
  if (ts.inlineResult && success?.result !== undefined) message.result = success.result;
  m.instructions.push(message);
}
