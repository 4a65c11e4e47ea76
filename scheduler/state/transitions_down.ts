/**
 * Transitions that start, undo or end the work on a task.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { SchedulerMachine } from "./machine.ts";
import { poolOf } from "./placement.ts";
import { exitProcessing, freeReplicas, needLess } from "./replicas.ts";
import { erredReport, tellWanters } from "./reports.ts";
import { NO_TASKS, State, type TaskFailure, type TaskState } from "./task_state.ts";

const LOST_DATA = "lost: no worker holds this value any more, and no task makes it";

/** Starts a task: its dependencies first. */
export function releasedWaiting(m: SchedulerMachine, ts: TaskState): void {
  if (ts.runSpec === null || ts.hasLostDependencies || hasErredDependency(ts)) {
    m.recommendations.add(ts, ts.runSpec === null || ts.hasLostDependencies ? State.FORGOTTEN : State.ERRED);
    return;
  }
  assert(
    ts.waitingOn.size === 0 && ts.whoHas.size === 0,
    "A task begins anew, and waits or has a result already",
  );
  ts.setState(State.WAITING);
  for (const dts of ts.dependencies) {
    if (dts.whoHas.size === 0) ts.addWaitingOn(dts);
    // A released dependency gets its waiters when it becomes waiting itself.
    if (dts.state === State.RELEASED) m.recommendations.add(dts, State.WAITING);
    else dts.addWaiter(ts);
  }
  for (const dts of ts.dependents) {
    if (dts.state === State.WAITING) ts.addWaiter(dts);
  }
  if (!ts.needed && !isAboutToBeNeeded(ts)) {
    m.recommendations.add(ts, ts.dependents.size > 0 ? State.RELEASED : State.FORGOTTEN);
  } else if (ts.waitingOn.size === 0) m.recommendations.add(ts, State.PROCESSING);
}

/**
 * Whether a dependent will need the result. After a retry dependents run again, too. If none does, this task
 * need not run; Dask runs it anyway.
 */
function isAboutToBeNeeded(ts: TaskState): boolean {
  for (const dts of ts.dependents) if (dts.recommended === State.WAITING) return true;
  return false;
}

/** Stops waiting for dependencies. */
export function waitingReleased(m: SchedulerMachine, ts: TaskState): void {
  dropDependencies(m, ts);
  ts.waitingOn = NO_TASKS;
  ts.setState(State.RELEASED);
  if (ts.hasLostDependencies) m.recommendations.add(ts, State.FORGOTTEN);
  else if (ts.needed && !hasErredDependency(ts)) m.recommendations.add(ts, State.WAITING);
  else ts.waiters = NO_TASKS;
}

/** Takes a ready task out of the queue, or out of the tasks that no worker may run. */
export function unplacedReleased(m: SchedulerMachine, ts: TaskState): void {
  const pool = poolOf(ts);
  const isThere = ts.state === State.QUEUED ? pool.queued.remove(ts) : pool.unrunnable.delete(ts);
  assert(isThere, "A task leaves a queue that it is not in");
  released(m, ts);
}

/** Takes a task away from its worker. */
export function processingReleased(m: SchedulerMachine, ts: TaskState): void {
  const ws = exitProcessing(m, ts);
  if (ws !== null) m.outbox.freeKey(ws, ts.key, m.stimulusId);
  released(m, ts);
}

/** `_propagate_released` */
function released(m: SchedulerMachine, ts: TaskState): void {
  ts.setState(State.RELEASED);
  if (ts.hasLostDependencies) {
    m.recommendations.add(ts, State.FORGOTTEN);
  } else if (ts.needed) {
    m.recommendations.add(ts, State.WAITING);
    return;
  }
  for (const dts of ts.dependencies) {
    if (dts.state === State.RELEASED) continue;
    dts.waiters.delete(ts);
    if (!dts.needed) m.recommendations.add(dts, State.RELEASED);
  }
  ts.waiters = NO_TASKS;
}

/**
 * Removes the task from the waiters of its dependencies. A dependency that no other task needs is released.
 */
function dropDependencies(m: SchedulerMachine, ts: TaskState): void {
  for (const dts of ts.dependencies) {
    if (dts.waiters.delete(ts) && !dts.needed) m.recommendations.add(dts, State.RELEASED);
  }
}

/** Frees a result, or notes that the last copy was lost. */
export function memoryReleased(m: SchedulerMachine, ts: TaskState): void {
  freeReplicas(m, ts);
  ts.setState(State.RELEASED);
  const isData = ts.runSpec === null; // it can't be computed again
  if (ts.whoWants.size > 0 && !isData) tellWanters(m, ts, { op: "lost-data", key: ts.key });
  if (isData || ts.hasLostDependencies) m.recommendations.add(ts, State.FORGOTTEN);
  // Dask does nothing if a dependency failed meanwhile, so clients that want the task would wait for ever.
  else if (ts.needed) m.recommendations.add(ts, State.WAITING);
  for (const dts of ts.waiters) {
    if (dts.state === State.NO_WORKER || dts.state === State.PROCESSING || dts.state === State.QUEUED) {
      m.recommendations.add(dts, State.WAITING);
    } else if (dts.state === State.WAITING) {
      dts.addWaitingOn(ts);
    }
  }
}

function hasErredDependency(ts: TaskState): boolean {
  for (const dts of ts.dependencies) {
    if (dts.state === State.ERRED) return true;
  }
  return false;
}

/**
 * Fails a task because a dependency failed. Dask notes the culprit together with the recommendation; if the
 * recommendation is replaced, a wrong note stays. So here the culprit is looked up.
 */
export function releasedErred(m: SchedulerMachine, ts: TaskState): void {
  ts.failure ??= failureOfDependency(ts);
  assert(ts.failure !== null, () => `Task "${ts.key}" fails, and nothing is to blame`);
  ts.setState(State.ERRED);
  for (const dts of ts.dependents) {
    if (dts.whoHas.size === 0) m.recommendations.add(dts, State.ERRED);
  }
  for (const dts of ts.dependencies) {
    dts.waiters.delete(ts);
    const isOut = dts.state === State.RELEASED || dts.state === State.ERRED;
    if (!isOut && !dts.needed && !isAboutToBeNeeded(dts)) m.recommendations.add(dts, State.RELEASED);
  }
  if (ts.whoWants.size > 0) tellWanters(m, ts, erredReport(ts));
}

function failureOfDependency(ts: TaskState): TaskFailure | null {
  for (const dts of ts.dependencies) {
    if (dts.state === State.ERRED) return dts.failure;
  }
  return null;
}

/**
 * Fails a task that was sent to a worker. Either its error is already set, or a dependency was lost and then
 * failed.
 */
export function processingErred(m: SchedulerMachine, ts: TaskState): void {
  const ws = exitProcessing(m, ts);
  if (ws !== null && ts.failure === null) m.outbox.freeKey(ws, ts.key, m.stimulusId);
  ts.failure ??= failureOfDependency(ts);
  assert(ts.failure !== null, () => `Task "${ts.key}" fails, and nothing is to blame`);
  ts.setState(State.ERRED);
  for (const dts of ts.waiters) m.recommendations.add(dts, State.ERRED);
  for (const dts of ts.dependencies) {
    dts.waiters.delete(ts);
    if (!dts.needed && dts.state !== State.ERRED) m.recommendations.add(dts, State.RELEASED);
  }
  ts.waiters = NO_TASKS;
  if (ts.whoWants.size > 0) tellWanters(m, ts, erredReport(ts));
}

/** Releases a failed task, so that it can run again. Tasks that failed because of it follow. */
export function erredReleased(m: SchedulerMachine, ts: TaskState): void {
  assert(ts.failure !== null, "A task that did not fail is tried again");
  ts.failure = null;
  for (const dts of ts.dependents) {
    if (dts.state === State.ERRED) m.recommendations.add(dts, State.WAITING);
  }
  for (const address of ts.erredOn ?? []) {
    const ws = m.workers.get(address);
    if (ws !== undefined) m.outbox.freeKey(ws, ts.key, m.stimulusId);
  }
  ts.erredOn = null;
  if (ts.whoWants.size > 0) tellWanters(m, ts, { op: "task-retried", key: ts.key });
  ts.setState(State.RELEASED);
}

/** Forgets a task, the dependents that lose an input, and the dependencies that are no longer needed. */
export function forget(m: SchedulerMachine, ts: TaskState): void {
  assert(
    ts.runSpec === null || ts.hasLostDependencies || (!ts.needed && ts.dependents.size === 0),
    () => `Task "${ts.key}" is to be forgotten, and is needed`,
  );
  ts.setState(State.FORGOTTEN);
  for (const dts of ts.dependents) {
    dts.hasLostDependencies = true;
    if (dts.processingOn !== null) needLess(ts, dts.processingOn);
    dts.dependencies.delete(ts);
    dts.waitingOn.delete(ts);
    if (dts.state !== State.MEMORY && dts.state !== State.ERRED) m.recommendations.add(dts, State.FORGOTTEN);
  }
  ts.dependents = NO_TASKS;
  ts.waiters = NO_TASKS;
  for (const dts of ts.dependencies) {
    dts.dependents.delete(ts);
    dts.waiters.delete(ts);
    if (dts.dependents.size === 0 && dts.whoWants.size === 0) m.recommendations.add(dts, State.FORGOTTEN);
  }
  ts.dependencies = NO_TASKS;
  ts.waitingOn = NO_TASKS;
  freeReplicas(m, ts);
  removeTask(m, ts);
}

/** Removes a task (`_remove_key`), and tells the clients that still want it. */
function removeTask(m: SchedulerMachine, ts: TaskState): void {
  for (const cs of ts.whoWants) {
    cs.wantsWhat.delete(ts);
    m.outbox.cancelKey(cs, ts.key, ts.runSpec === null ? LOST_DATA : "already forgotten");
  }
  ts.clearWanters();
  m.tasks.delete(ts.key);
  const { group } = ts;
  if (group.taskCount > 0) return;
  m.groups.drop(group);
  m.extensions.groupEnded(m, group);
}
