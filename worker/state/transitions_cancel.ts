/**
 * Steps of tasks that were not wanted any more while something went on with them, and perhaps are again.
 * Mirrors `_transition_*` of distributed/worker_state_machine.py; each function names the difference if there
 * is one.
 *
 * @module
 */

import type { WorkerMachine } from "./machine.ts";
import { assertTask, type Payload, State, type TaskState } from "./task_state.ts";
import { sendTaskFinished, toMemory } from "./transitions_execute.ts";
import { sendAddKeys } from "./transitions_gather.ts";
import { toCancelled, toReleased } from "./transitions_release.ts";

/** What went on has ended, and nothing is kept of it. */
export function cancelledReleased(m: WorkerMachine, ts: TaskState): void {
  if (ts.done) toReleased(m, ts);
}

/** It is wanted from a peer: a transfer goes on as if nothing had happened, an execution is waited for. */
export function cancelledFetch(m: WorkerMachine, ts: TaskState): void {
  if (ts.previous === State.FLIGHT) {
    if (ts.done) m.recommend(ts, State.RELEASED);
    else restore(m, ts, State.FLIGHT);
    return;
  }
  assertTask(!ts.done, ts, "is to be fetched at the end of its execution");
  ts.next = State.FETCH;
  m.setState(ts, State.RESUMED);
}

/** It is to be computed: an execution goes on as if nothing had happened, a transfer is waited for. */
export function cancelledWaiting(m: WorkerMachine, ts: TaskState): void {
  assertTask(!ts.done, ts, "is to wait at the end of what was cancelled");
  if (ts.previous === State.EXECUTING) {
    restore(m, ts, State.EXECUTING);
    return;
  }
  ts.next = State.WAITING;
  m.setState(ts, State.RESUMED);
}

/** The scheduler expects what it asked for last, which is not what just ended. */
export function resumedMemory(m: WorkerMachine, ts: TaskState, payload: Payload): void {
  assertTask(ts.done, ts, "is in memory before what went on has ended");
  const expected = ts.next;
  ts.previous = State.NONE;
  ts.next = State.NONE;
  toMemory(m, ts);
  if (expected === State.FETCH) sendAddKeys(m, ts);
  else sendTaskFinished(m, ts, payload);
}

/** What went on came to nothing: begins with what is wanted, without telling the scheduler. */
export function resumedNext(m: WorkerMachine, ts: TaskState): void {
  assertTask(ts.done, ts, "goes on before what was cancelled has ended");
  const { next } = ts;
  ts.done = false;
  restore(m, ts, State.RELEASED);
  m.recommend(ts, next);
}

/** It is wanted from a peer. */
export function resumedFetch(m: WorkerMachine, ts: TaskState): void {
  if (ts.previous !== State.FLIGHT) return; // it is resumed towards fetch already
  if (ts.done) resumedNext(m, ts);
  else restore(m, ts, State.FLIGHT);
}

/** It is not wanted after all. */
export function resumedReleased(m: WorkerMachine, ts: TaskState): void {
  assertTask(!ts.done, ts, "is released at the end of what was cancelled");
  ts.next = State.NONE;
  toCancelled(m, ts);
}

/** Forgets that the task was cancelled to begin with. */
function restore(m: WorkerMachine, ts: TaskState, state: State): void {
  assertTask(ts.previous !== State.NONE, ts, "was not cancelled");
  m.setState(ts, state);
  ts.previous = State.NONE;
  ts.next = State.NONE;
}
