/**
 * What the ends of executions mean: they change what is known, and recommend transitions.
 * Mirrors `_handle_*` of distributed/worker_state_machine.py.
 *
 * @module
 */

import { AssertionError } from "../../internal/assert.ts";
import type { Key } from "../../messages/common.ts";
import type { WorkerMachine } from "./machine.ts";
import type { ExecuteFailure, ExecuteReschedule, ExecuteSuccess, ExecutionWithdrawn } from "./stimulus.ts";
import { assertTask, State, type TaskState } from "./task_state.ts";

/** A task has ended: `seconds` after it began, if that is known. */
function executionDone(m: WorkerMachine, ts: TaskState, seconds: number | undefined): void { // hot: per task
  ts.done = true;
  m.executedCount++;
  if (seconds !== undefined) m.feedAhead.add(seconds);
  m.freeSlot(ts);
  m.ensureComputing();
}

/** The task that the executor gives back. `runId`: the assignment that it ran. */
function runningTask(m: WorkerMachine, key: Key, runId?: number): TaskState { // hot: per task
  const ts = m.tasks.get(key);
  if (ts === undefined || !m.executing.has(ts) || ts.isReady()) throw unexpected(m, key, "did not have it");
  if (runId !== undefined && runId !== ts.executingRunId) {
    throw unexpected(m, key, `had another run than ${runId}`);
  }
  return ts;
}

function unexpected(m: WorkerMachine, key: Key, what: string): AssertionError {
  const story = m.story.text(key);
  return new AssertionError(`Task "${key}" came back from the executor, which ${what}. Story:\n${story}`);
}

/** A task returned. */
export function executeSuccess(m: WorkerMachine, stimulus: ExecuteSuccess): void { // hot: per task
  const { key, start, stop, nbytes } = stimulus;
  const ts = runningTask(m, key, stimulus.run_id);
  assertTask(nbytes >= 0, ts, "has a result of less than no bytes");
  executionDone(m, ts, stop - start);
  ts.addStartStop({ action: "compute", start, stop });
  ts.nbytes = nbytes;
  ts.type = stimulus.type;
  ts.typename = stimulus.typename;
  ts.thread = stimulus.thread;
  m.recommend(ts, State.MEMORY, stimulus);
}

/** A task failed. */
export function executeFailure(m: WorkerMachine, stimulus: ExecuteFailure): void {
  const { start, stop } = stimulus;
  const ts = runningTask(m, stimulus.key, stimulus.run_id);
  const hasRun = start !== null && stop !== null;
  executionDone(m, ts, hasRun ? stop - start : undefined);
  if (hasRun) ts.addStartStop({ action: "compute", start, stop });
  m.recommend(ts, State.ERROR, stimulus);
}

/** A task asked to be placed anew. */
export function executeReschedule(m: WorkerMachine, stimulus: ExecuteReschedule): void {
  const ts = runningTask(m, stimulus.key);
  executionDone(m, ts, undefined);
  m.recommend(ts, State.RESCHEDULED);
}

/** A task was taken back before it began. */
export function executionWithdrawn(m: WorkerMachine, stimulus: ExecutionWithdrawn): void {
  const ts = runningTask(m, stimulus.key, stimulus.run_id);
  m.note(ts, "withdrawn");
  m.freeSlot(ts);
  if (ts.state === State.EXECUTING) {
    m.recommend(ts, State.READY);
    return;
  }
  m.ensureComputing();
  ts.done = true;
  m.recommend(ts, State.RESCHEDULED);
}
