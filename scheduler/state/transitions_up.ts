/**
 * Transitions towards a result: placing a task, and registering its result.
 *
 * @module
 */

import type { TaskFinished } from "../../messages/worker_scheduler.ts";
import type { KeyInMemory } from "../../messages/client_scheduler.ts";
import { assert } from "../../internal/assert.ts";
import { InputsTooLarge } from "./errors.ts";
import type { SchedulerMachine } from "./machine.ts";
import { decideWorkerNonRootish, decideWorkerRootish, isRootish, poolOf } from "./placement.ts";
import { addReplica, addToProcessing, exitProcessing } from "./replicas.ts";
import { holders, sendTask, tellWanters } from "./reports.ts";
import { comparePriority, State, type TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** Sends a ready task to a worker, or recommends the state in which it waits for one. */
export function waitingProcessing(m: SchedulerMachine, ts: TaskState): void {
  if (isRootish(ts)) {
    const ws = decideWorkerRootish(m, ts);
    if (ws !== null) place(m, ts, ws);
    else m.recommendations.add(ts, m.workerSaturation === Infinity ? State.NO_WORKER : State.QUEUED);
  } else {
    const ws = decideWorkerNonRootish(m, ts);
    if (ws !== null) place(m, ts, ws);
    else m.recommendations.add(ts, State.NO_WORKER);
  }
}

/** Queues a ready task until a worker has room. */
export function waitingQueued(_m: SchedulerMachine, ts: TaskState): void {
  assert(ts.restrictions === null, "A task that only some workers may run is queued");
  ts.setState(State.QUEUED);
  poolOf(ts).queued.push(ts);
}

/** Sets a ready task aside until a worker joins that may run it. */
export function waitingNoWorker(_m: SchedulerMachine, ts: TaskState): void {
  ts.setState(State.NO_WORKER);
  poolOf(ts).unrunnable.add(ts);
}

/** Sends a queued task if a worker has room. */
export function queuedProcessing(m: SchedulerMachine, ts: TaskState): void {
  const ws = decideWorkerRootish(m, ts);
  if (ws === null) return;
  assert(poolOf(ts).queued.remove(ts), "A queued task is not in the queue");
  place(m, ts, ws);
}

/** Sends a task if a worker may run it now. */
export function noWorkerProcessing(m: SchedulerMachine, ts: TaskState): void {
  const ws = decideWorkerNonRootish(m, ts);
  if (ws === null) return;
  assert(poolOf(ts).unrunnable.delete(ts), "A task without a worker is not among those");
  place(m, ts, ws);
}

function place(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void {
  assert(
    ws.pool.running.has(ws) && ts.waitingOn.size === 0,
    "A task is placed too early, or on a worker that rests",
  );
  ts.setState(State.PROCESSING);
  addToProcessing(m, ts, ws);
  ws.pool.placements++;
  if (ws.memoryLimit > 0 && ts.dependencies.size > 0) {
    let nbytes = 0;
    for (const dts of ts.dependencies) nbytes += Math.max(dts.nbytes, 0);
    if (nbytes > ws.memoryLimit) {
      const error = new InputsTooLarge(ts.key, nbytes, ws.address, ws.memoryLimit);
      ts.failure = { culprit: ts.key, exception: m.encodeError(error), traceback: null };
      m.recommendations.add(ts, State.ERRED);
      return;
    }
  }
  sendTask(m, ts, ws);
}

/** Registers the result of a task (`_transition_processing_memory`, `_add_to_memory`). */
export function processingMemory(m: SchedulerMachine, ts: TaskState, finished: TaskFinished | null): void {
  const ws = ts.processingOn;
  assert(ws !== null && finished !== null, () => `Task "${ts.key}" has a result, and no worker that made it`);
  for (const step of finished.startstops) {
    if (step.action === "compute") ts.group.prefix.addDuration(step.stop - step.start);
  }
  ts.setNbytes(Math.max(finished.nbytes, 0));
  exitProcessing(m, ts);
  assert(ts.waitingOn.size === 0 && ts.whoHas.size === 0, "A task has a result before its inputs, or twice");
  addReplica(ts, ws);
  recommendDependents(m, ts);
  for (const dts of ts.dependencies) {
    dts.waiters.delete(ts);
    if (!dts.needed) m.recommendations.add(dts, State.RELEASED);
  }
  ts.type = m.typeOf(finished.typename, finished.type);
  ts.setState(State.MEMORY);
  if (!ts.needed) m.recommendations.add(ts, State.RELEASED);
  else if (ts.whoWants.size > 0) tellWanters(m, ts, inMemoryReport(ts, finished.result));
}

/**
 * Recommends the dependents that are ready now. The most urgent one is recommended last, so it runs first.
 */
function recommendDependents(m: SchedulerMachine, ts: TaskState): void {
  let ready: TaskState | null = null;
  let several: TaskState[] | null = null;
  for (const dts of ts.dependents) {
    if (!dts.waitingOn.delete(ts) || dts.waitingOn.size > 0) continue;
    if (ready === null) ready = dts;
    else (several ??= [ready]).push(dts);
  }
  if (several !== null) {
    several.sort(comparePriority);
    for (let i = several.length - 1; i >= 0; i--) {
      const dts = several[i];
      if (dts !== undefined) m.recommendations.add(dts, State.PROCESSING);
    }
  } else if (ready !== null) {
    m.recommendations.add(ready, State.PROCESSING);
  }
}

function inMemoryReport(ts: TaskState, result: Uint8Array | undefined): KeyInMemory {
  const workers = holders(ts);
  return result === undefined
    ? { op: "key-in-memory", key: ts.key, type: ts.type, workers }
    : { op: "key-in-memory", key: ts.key, type: ts.type, workers, result };
}
