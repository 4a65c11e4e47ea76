/**
 * How a task goes from one state to another. A transition changes the machine, recommends further transitions
 * and adds instructions. One that is not in the table goes by way of `released`. Mirrors `_transition_*` of
 * distributed/worker_state_machine.py; each function names the difference if there is one.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Key } from "../../messages/common.ts";
import type { TaskFinished } from "../../messages/worker_scheduler.ts";
import type { Machine } from "./machine.ts";
import type { ExecuteFailure, ExecuteSuccess } from "./stimulus.ts";
import { InvalidTransition } from "./story.ts";
import { State, type TaskState } from "./task_state.ts";

/** What comes with a recommendation: how the task ended. */
export type Payload = ExecuteSuccess | ExecuteFailure | null;
type Transition = (m: Machine, ts: TaskState, payload: Payload) => void;

const NO_KEYS: readonly Key[] = [];
const NO_METADATA: Readonly<Record<string, unknown>> = {};
// Pickle of the string "object": what is said of the type of a result that another worker computed.
const UNKNOWN_TYPE: Uint8Array = Uint8Array.of(0x80, 4, 0x8c, 6, 0x6f, 0x62, 0x6a, 0x65, 0x63, 0x74, 0x2e);

/**
 * Makes all recommended transitions, and those that they recommend, until there are none. Ours: what was
 * released on the way, and a task that was not released waits for, is gathered again; in Dask that task would
 * wait for ever.
 */
export function runTransitions(m: Machine): void { // hot: per task
  makeTransitions(m);
  if (m.releasedNeeded.length === 0) return;
  for (let ts = m.releasedNeeded.pop(); ts !== undefined; ts = m.releasedNeeded.pop()) {
    if ((ts.state === State.RELEASED || ts.state === State.CANCELLED) && isNeeded(ts)) {
      m.recommend(ts, State.FETCH);
    }
  }
  makeTransitions(m);
}

function isNeeded(ts: TaskState): boolean {
  for (const waiter of ts.waiters) if (waiter.state === State.WAITING) return true;
  return false;
}

function makeTransitions(m: Machine): void {
  for (let ts = m.pending.pop(); ts !== undefined; ts = m.pending.pop()) {
    const finish = ts.recommended;
    if (finish === State.NONE) continue; // it was taken by a transition by way of released
    const payload = takeRecommendation(ts);
    transition(m, ts, finish, payload);
  }
}

function takeRecommendation(ts: TaskState): Payload {
  const payload = ts.payload;
  ts.recommended = State.NONE;
  ts.payload = null;
  return payload;
}

function transition(m: Machine, ts: TaskState, finish: State, payload: Payload): void {
  const start = ts.state;
  if (start === finish) return;
  if (++m.transitionCounter >= m.transitionCounterMax) {
    throw new InvalidTransition(ts.key, start, finish, m.story, "too many transitions, this may be a loop");
  }
  const direct = TABLE[start * WIDTH + finish];
  if (direct !== undefined) direct(m, ts, payload);
  else if (start !== State.RELEASED && finish !== State.RELEASED) viaReleased(m, ts, finish, payload);
  else throw new InvalidTransition(ts.key, start, finish, m.story);
  m.story.record(ts.key, "transition", start, finish, ts.state, m.stimulusId, m.now);
}

function viaReleased(m: Machine, ts: TaskState, finish: State, payload: Payload): void {
  transition(m, ts, State.RELEASED, null);
  while (ts.recommended !== State.NONE) {
    const next = ts.recommended;
    const nextPayload = takeRecommendation(ts);
    // The purpose of this path is to get to `finish`, not to forget.
    if (next !== State.FORGOTTEN) transition(m, ts, next, nextPayload);
  }
  transition(m, ts, finish, payload);
}

/**
 * Whether its end is a part of the running stimulus and was not looked at yet: that goes before other wishes.
 */
function isEnding(ts: TaskState): boolean {
  return ts.done && ts.recommended !== State.NONE;
}

function toFetch(m: Machine, ts: TaskState): void {
  if (ts.whoHas.size === 0) {
    m.recommend(ts, State.MISSING);
    return;
  }
  m.setState(ts, State.FETCH);
  ts.done = false;
  for (const worker of ts.whoHas) m.addNeeded(ts, worker);
}

function toMissing(m: Machine, ts: TaskState): void {
  m.setState(ts, State.MISSING);
  m.missing.add(ts);
  ts.done = false;
}

function toReleased(m: Machine, ts: TaskState): void {
  m.purge(ts);
  for (const dependency of ts.dependencies) {
    if (dependency.waiters.size > 0 || isEnding(dependency)) continue;
    if (dependency.state !== State.MEMORY && !dependency.isProcessing()) {
      m.recommend(dependency, State.RELEASED);
    }
  }
  m.setState(ts, State.RELEASED);
  if (ts.waiters.size > 0) m.releasedNeeded.push(ts);
  if (ts.dependents.size === 0) m.recommend(ts, State.FORGOTTEN);
}

function missingWaiting(m: Machine, ts: TaskState): void {
  m.purge(ts);
  releasedWaiting(m, ts);
}

function missingFetch(m: Machine, ts: TaskState): void {
  if (ts.whoHas.size === 0) return;
  m.missing.delete(ts);
  toFetch(m, ts);
}

function releasedWaiting(m: Machine, ts: TaskState): void {
  for (const dependency of ts.dependencies) {
    if (dependency.state === State.MEMORY) continue;
    ts.addWaitingFor(dependency);
    // One in fetch may just have lost its last holder, and is recommended to be missing.
    if (dependency.state !== State.FETCH && !isEnding(dependency)) m.recommend(dependency, State.FETCH);
  }
  if (ts.waitingForData.size === 0) m.recommend(ts, State.READY);
  m.setState(ts, State.WAITING);
}

function releasedForgotten(m: Machine, ts: TaskState): void {
  assert(ts.dependents.size === 0, () => `Task "${ts.key}" is forgotten before its dependents`);
  m.purge(ts);
  for (const dependency of ts.dependencies) {
    dependency.removeDependent(ts);
    if (dependency.state === State.RELEASED && dependency.dependents.size === 0) {
      m.recommend(dependency, State.FORGOTTEN);
    }
  }
  m.forget(ts);
}

function waitingReady(m: Machine, ts: TaskState): void {
  assert(ts.waitingForData.size === 0, () => `Task "${ts.key}" is ready before its dependencies`);
  if (ts.resources !== null) {
    m.recommend(ts, State.CONSTRAINED);
    return;
  }
  m.setState(ts, State.READY);
  m.ready.add(ts);
  m.ensureComputing();
}

function waitingConstrained(m: Machine, ts: TaskState): void {
  m.setState(ts, State.CONSTRAINED);
  m.constrained.add(ts);
  m.ensureComputing();
}

function readyExecuting(m: Machine, ts: TaskState): void {
  const runSpec = ts.runSpec;
  assert(runSpec !== null, () => `Task "${ts.key}" is ready and has nothing to run`);
  m.setState(ts, State.EXECUTING);
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
  for (const ts of tasks) keys.push(ts.key);
  return keys;
}

/** Ours: a task that was handed to a thread came back before it began. */
function executingReady(m: Machine, ts: TaskState): void {
  let complete = true;
  for (const dependency of ts.dependencies) {
    if (dependency.state === State.MEMORY) continue;
    complete = false;
    break;
  }
  if (complete) {
    m.setState(ts, State.WAITING);
    waitingReady(m, ts);
  } else {
    m.setState(ts, State.RELEASED);
    m.ensureComputing();
    m.recommend(ts, State.WAITING);
  }
}

function executingMemory(m: Machine, ts: TaskState, payload: Payload): void {
  toMemory(m, ts);
  sendTaskFinished(m, ts, payload);
}

function flightMemory(m: Machine, ts: TaskState): void {
  toMemory(m, ts);
  sendAddKeys(m, ts);
}

/**
 * A value came without a request to a peer. Its sender tells the scheduler (`_transition_released_memory`).
 */
function receiveData(m: Machine, ts: TaskState): void {
  const { nbytes } = ts;
  m.purge(ts);
  ts.nbytes = nbytes;
  toMemory(m, ts);
}

/** The scheduler expects what it asked for last, which is not what just ended. */
function resumedMemory(m: Machine, ts: TaskState, payload: Payload): void {
  const expected = ts.next;
  ts.previous = State.NONE;
  ts.next = State.NONE;
  toMemory(m, ts);
  if (expected === State.FETCH) sendAddKeys(m, ts);
  else sendTaskFinished(m, ts, payload);
}

function toMemory(m: Machine, ts: TaskState): void {
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

function sendAddKeys(m: Machine, ts: TaskState): void {
  // Dask sends a message per key.
  if (m.addedKeys === null) {
    m.addedKeys = [];
    m.instructions.push({ op: "add-keys", keys: m.addedKeys, stimulus_id: m.stimulusId });
  }
  m.addedKeys.push(ts.key);
}

/** Tells the scheduler that the result of `ts` is here. */
export function sendTaskFinished(m: Machine, ts: TaskState, payload: Payload): void {
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

/** Ours: dependents that were about to run wait again. Dask's assertions fail there. */
function memoryReleased(m: Machine, ts: TaskState): void {
  m.nbytes -= ts.nbytes;
  toReleased(m, ts);
  m.instructions.push({ op: "release-worker-data", key: ts.key, stimulus_id: m.stimulusId });
  for (const dependent of ts.dependents) {
    if (dependent.isReady()) {
      m.ready.remove(dependent);
      m.constrained.remove(dependent);
      m.setState(dependent, State.WAITING);
    }
    if (dependent.state === State.WAITING) dependent.addWaitingFor(ts);
  }
  if (ts.waiters.size > 0) m.releasedNeeded.push(ts);
}

function executingRescheduled(m: Machine, ts: TaskState): void {
  m.instructions.push({ op: "reschedule", key: ts.key, stimulus_id: m.stimulusId });
  toReleased(m, ts);
}

function executingError(m: Machine, ts: TaskState, payload: Payload): void {
  assert(
    payload !== null && payload.op === "execute-failure",
    () => `Task "${ts.key}" fails without an error`,
  );
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
 * A thread that has begun can't be stopped, so this waits for its end. Ours: the shell tries to take it back.
 */
function executingReleased(m: Machine, ts: TaskState): void {
  ts.previous = State.EXECUTING;
  toCancelled(m, ts);
  m.instructions.push({ op: "withdraw", key: ts.key });
}

function flightReleased(m: Machine, ts: TaskState): void {
  assert(!ts.done, () => `Task "${ts.key}" is released at the end of its transfer`);
  ts.previous = State.FLIGHT;
  toCancelled(m, ts);
}

function toCancelled(m: Machine, ts: TaskState): void {
  m.setState(ts, State.CANCELLED);
  if (ts.waiters.size > 0) m.releasedNeeded.push(ts);
}

/** Until its transfer ends this is of no effect. */
function flightFetch(m: Machine, ts: TaskState): void {
  if (ts.done) toFetch(m, ts);
}

function cancelledReleased(m: Machine, ts: TaskState): void {
  if (!ts.done) return;
  toReleased(m, ts);
}

function cancelledFetch(m: Machine, ts: TaskState): void {
  if (ts.previous === State.FLIGHT) {
    if (ts.done) m.recommend(ts, State.RELEASED);
    else restore(m, ts, State.FLIGHT);
    return;
  }
  assert(!ts.done, () => `Task "${ts.key}" is to be fetched at the end of its execution`);
  ts.next = State.FETCH;
  m.setState(ts, State.RESUMED);
}

function cancelledWaiting(m: Machine, ts: TaskState): void {
  assert(!ts.done, () => `Task "${ts.key}" is to wait at the end of what was cancelled`);
  if (ts.previous === State.EXECUTING) {
    restore(m, ts, State.EXECUTING);
    return;
  }
  ts.next = State.WAITING;
  m.setState(ts, State.RESUMED);
}

/** Forgets that the task was cancelled to begin with. */
function restore(m: Machine, ts: TaskState, state: State): void {
  m.setState(ts, state);
  ts.previous = State.NONE;
  ts.next = State.NONE;
}

/** What went on came to nothing: begins with what is wanted, without telling the scheduler. */
function resumedNext(m: Machine, ts: TaskState): void {
  assert(ts.done, () => `Task "${ts.key}" goes on before what was cancelled has ended`);
  const { next } = ts;
  ts.done = false;
  restore(m, ts, State.RELEASED);
  m.recommend(ts, next);
}

function resumedFetch(m: Machine, ts: TaskState): void {
  if (ts.previous !== State.FLIGHT) return; // it is resumed towards fetch already
  if (ts.done) resumedNext(m, ts);
  else restore(m, ts, State.FLIGHT);
}

function resumedReleased(m: Machine, ts: TaskState): void {
  assert(!ts.done, () => `Task "${ts.key}" is released at the end of what was cancelled`);
  ts.next = State.NONE;
  toCancelled(m, ts);
}

const WIDTH = 16;
const TABLE: readonly (Transition | undefined)[] = buildTable([
  [State.CANCELLED, State.ERROR, cancelledReleased],
  [State.CANCELLED, State.FETCH, cancelledFetch],
  [State.CANCELLED, State.MEMORY, cancelledReleased],
  [State.CANCELLED, State.RELEASED, cancelledReleased],
  [State.CANCELLED, State.RESCHEDULED, cancelledReleased],
  [State.CANCELLED, State.WAITING, cancelledWaiting],
  [State.RESUMED, State.ERROR, resumedNext],
  [State.RESUMED, State.FETCH, resumedFetch],
  [State.RESUMED, State.MEMORY, resumedMemory],
  [State.RESUMED, State.RELEASED, resumedReleased],
  [State.RESUMED, State.RESCHEDULED, resumedNext],
  [State.CONSTRAINED, State.EXECUTING, readyExecuting],
  [State.CONSTRAINED, State.RELEASED, toReleased],
  [State.ERROR, State.RELEASED, toReleased],
  [State.EXECUTING, State.ERROR, executingError],
  [State.EXECUTING, State.MEMORY, executingMemory],
  [State.EXECUTING, State.READY, executingReady],
  [State.EXECUTING, State.RELEASED, executingReleased],
  [State.EXECUTING, State.RESCHEDULED, executingRescheduled],
  [State.FETCH, State.MEMORY, receiveData],
  [State.FETCH, State.MISSING, toMissing],
  [State.FETCH, State.RELEASED, toReleased],
  [State.FLIGHT, State.FETCH, flightFetch],
  [State.FLIGHT, State.MEMORY, flightMemory],
  [State.FLIGHT, State.MISSING, toMissing],
  [State.FLIGHT, State.RELEASED, flightReleased],
  [State.MEMORY, State.RELEASED, memoryReleased],
  [State.MISSING, State.FETCH, missingFetch],
  [State.MISSING, State.MEMORY, receiveData],
  [State.MISSING, State.RELEASED, toReleased],
  [State.MISSING, State.WAITING, missingWaiting],
  [State.READY, State.EXECUTING, readyExecuting],
  [State.READY, State.RELEASED, toReleased],
  [State.RELEASED, State.FETCH, toFetch],
  [State.RELEASED, State.FORGOTTEN, releasedForgotten],
  [State.RELEASED, State.MEMORY, receiveData],
  [State.RELEASED, State.MISSING, toMissing],
  [State.RELEASED, State.WAITING, releasedWaiting],
  [State.WAITING, State.CONSTRAINED, waitingConstrained],
  [State.WAITING, State.READY, waitingReady],
  [State.WAITING, State.RELEASED, toReleased],
]);

function buildTable(rows: readonly (readonly [State, State, Transition])[]): (Transition | undefined)[] {
  const table = new Array<Transition | undefined>(WIDTH * WIDTH).fill(undefined);
  for (const [start, finish, run] of rows) table[start * WIDTH + finish] = run;
  return table;
}
