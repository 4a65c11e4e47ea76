/**
 * Chooses a worker for a task (`distributed/scheduler.py`, `decide_worker*`, `check_idle_saturated`).
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { SchedulerMachine } from "./machine.ts";
import type { Pool } from "./pool.ts";
import { ROOTISH_DEPENDENCIES } from "./task_group.ts";
import { State, type TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** From this number of workers on, they take turns, and loads are not compared. */
const MANY_WORKERS = 20;

/** Maximum number of short tasks per thread of a worker. */
const MAX_SHORT_TASKS_PER_THREAD = 256;

/** Returns the pool of workers that can run a task. */
export function poolOf(ts: TaskState): Pool {
  assert(ts.pool !== null, "A value is to be placed as if it were a task");
  return ts.pool;
}

/** Whether `ts` has few inputs and many siblings, so that it waits until a worker has room. */
export function isRootish(ts: TaskState): boolean {
  if (ts.restrictions !== null) return false;
  const { size, dependencies } = ts.group;
  if (size <= poolOf(ts).nthreads * 2 || dependencies.size >= ROOTISH_DEPENDENCIES) return false;
  if (dependencies.size === 0) return true;
  let tasks = 0;
  for (const group of dependencies) tasks += group.size;
  return tasks < ROOTISH_DEPENDENCIES;
}

/** Seconds of work that a worker has, transfers included. */
export function occupancy(m: SchedulerMachine, ws: WorkerState): number {
  let seconds = 0;
  for (const [prefix, count] of ws.prefixCounts) seconds += prefix.duration * count;
  assert(seconds >= 0 && ws.networkBytes >= 0, "A worker has less than no work");
  return seconds + ws.networkBytes / m.bandwidth;
}

/** Seconds of work that all workers of a pool have. */
export function totalOccupancy(m: SchedulerMachine, pool: Pool): number {
  let seconds = 0;
  for (const prefix of pool.activePrefixes) seconds += prefix.duration * prefix.processing;
  assert(seconds >= 0 && pool.networkBytes >= 0, "All workers together have less than no work");
  return seconds + pool.networkBytes / m.bandwidth;
}

/**
 * Whether a worker takes no further root-ish task. Dask's rule is `ceil(saturation × nthreads)` tasks. A
 * round trip lies between the end of a short task and the arrival of the next, so by that rule the threads
 * mostly wait if tasks take 100 µs. So a worker may hold more tasks, if all of them are known to be done
 * within `workerQueueTime`. That time is too short for the reasons to hold tasks back: memory, workers that
 * join, more urgent tasks downstream. A task of unknown or long duration fills one thread, so the first tasks
 * are sent by Dask's rule, and their durations are learned.
 */
export function isWorkerFull(m: SchedulerMachine, ws: WorkerState): boolean {
  if (m.workerSaturation === Infinity) return false;
  const { busy, nthreads } = ws;
  if (busy < Math.max(Math.ceil(m.workerSaturation * nthreads), 1)) return false;
  if (m.workerQueueTime <= 0 || busy >= nthreads * MAX_SHORT_TASKS_PER_THREAD) return true;
  let seconds = 0;
  for (const [prefix, count] of ws.prefixCounts) {
    seconds += Math.min(prefix.duration, m.workerQueueTime) * count;
  }
  return seconds >= nthreads * m.workerQueueTime;
}

/** Updates whether a worker is idle, saturated or full. Called after its load changed. */
export function checkIdleSaturated(m: SchedulerMachine, ws: WorkerState): void {
  const { pool } = ws;
  if (ws.status !== "running" || !pool.running.has(ws)) {
    pool.saturated.delete(ws);
    pool.idle.delete(ws);
    pool.notFull.delete(ws);
    return;
  }
  const tasks = ws.processing.size;
  if (tasks < ws.nthreads) {
    pool.saturated.delete(ws);
    pool.idle.add(ws);
  } else {
    compareWithOthers(m, ws, tasks);
  }
  if (isWorkerFull(m, ws)) pool.notFull.delete(ws);
  else pool.notFull.add(ws);
  assert(!pool.idle.has(ws) || !pool.saturated.has(ws), "A worker is idle, and has more than its share");
}

function compareWithOthers(m: SchedulerMachine, ws: WorkerState, tasks: number): void {
  const { pool } = ws;
  assert(pool.nthreads >= ws.nthreads, "A worker has more threads than its whole pool");
  const own = occupancy(m, ws);
  const average = totalOccupancy(m, pool) / pool.nthreads;
  pool.saturated.delete(ws);
  if (own < ws.nthreads * average / 2) {
    pool.idle.add(ws);
    return;
  }
  pool.idle.delete(ws);
  if (tasks > ws.nthreads) {
    const pending = own * (tasks - ws.nthreads) / (tasks * ws.nthreads);
    if (pending > 0.4 && pending > 1.9 * average) pool.saturated.add(ws);
  }
}

/** Returns a worker for a root-ish task; `null` if all are full. */
export function decideWorkerRootish(m: SchedulerMachine, ts: TaskState): WorkerState | null {
  if (m.workerSaturation === Infinity) return decideWorkerBySiblings(m, ts);
  const { notFull } = poolOf(ts);
  let best: WorkerState | null = null;
  let load = Infinity;
  for (const ws of notFull) {
    const own = ws.processing.size / ws.nthreads;
    if (own >= load) continue;
    // Durations may have grown since this worker was last checked.
    if (m.workerQueueTime > 0 && isWorkerFull(m, ws)) {
      notFull.delete(ws);
    } else {
      best = ws;
      load = own;
    }
  }
  return best;
}

/** Without queuing, siblings go to the same worker (`decide_worker_rootish_queuing_disabled`). */
function decideWorkerBySiblings(m: SchedulerMachine, ts: TaskState): WorkerState | null {
  const pool = poolOf(ts);
  const candidates = pool.idle.size > 0 ? pool.idle : pool.running;
  if (candidates.size === 0) return null;
  const { group } = ts;
  let ws = group.lastWorker;
  if (ws === null || group.lastWorkerTasksLeft === 0 || !pool.running.has(ws)) {
    ws = best(m, ts, candidates);
    if (ws === null) return null;
    group.lastWorkerTasksLeft = Math.floor(group.size / pool.nthreads * ws.nthreads);
  }
  const left = (group.counts[State.RELEASED] ?? 0) + (group.counts[State.WAITING] ?? 0);
  group.lastWorker = left > 1 ? ws : null;
  group.lastWorkerTasksLeft--;
  return ws;
}

/** Returns a worker for a task that is not root-ish; `null` if no worker may run it. */
export function decideWorkerNonRootish(m: SchedulerMachine, ts: TaskState): WorkerState | null {
  const pool = poolOf(ts);
  if (pool.running.size === 0) return null;
  let valid = validWorkers(m, ts);
  if (valid === null && pool.running.size < pool.workers.length) valid = pool.running;
  if (ts.dependencies.size > 0 || valid !== null) return decideWorker(m, ts, valid);
  return pool.workers.length < MANY_WORKERS ? leastOccupied(m, pool) : byTurns(pool);
}

/** Returns the running workers of the pool that the restrictions allow; `null` for all. */
export function validWorkers(m: SchedulerMachine, ts: TaskState): Set<WorkerState> | null {
  if (ts.restrictions === null) return null;
  const { running } = poolOf(ts);
  const valid = new Set<WorkerState>();
  for (const name of namesThatCount(m, ts.restrictions)) {
    for (const ws of m.workersByName.get(name) ?? []) {
      if (running.has(ws)) valid.add(ws);
    }
  }
  return valid;
}

/**
 * Cache for lists of restrictions with more names than the cluster has workers. All tasks of a graph share a
 * list.
 */
const longLists = new WeakMap<readonly string[], ReadonlySet<string>>();

/**
 * Returns the names of a list that can match a worker. The work per task grows with the number of workers,
 * not of names.
 */
function namesThatCount(m: SchedulerMachine, names: readonly string[]): Iterable<string> {
  if (names.length <= m.workersByName.size) return names;
  let wanted = longLists.get(names);
  if (wanted === undefined) longLists.set(names, wanted = new Set(names));
  const found: string[] = [];
  for (const name of m.workersByName.keys()) if (wanted.has(name)) found.push(name);
  return found;
}

/**
 * Returns a holder of dependencies if possible. Of several candidates it takes the one that can start first.
 */
function decideWorker(
  m: SchedulerMachine,
  ts: TaskState,
  valid: Set<WorkerState> | null,
): WorkerState | null {
  const { running } = poolOf(ts);
  let only: WorkerState | null = null;
  let several: Set<WorkerState> | null = null;
  for (const dts of ts.dependencies) {
    for (const ws of dts.whoHas) {
      if (ws === only || !running.has(ws) || (valid !== null && !valid.has(ws))) continue;
      if (only === null) only = ws;
      else (several ??= new Set([only])).add(ws);
    }
  }
  if (several !== null) return best(m, ts, several);
  if (only !== null) return only;
  if (valid === null) return best(m, ts, running);
  if (valid.size > 0) return best(m, ts, valid);
  return ts.looseRestrictions ? decideWorker(m, ts, null) : null;
}

/** Returns the worker that can start first; of equal ones the one that holds least (`worker_objective`). */
function best(m: SchedulerMachine, ts: TaskState, candidates: Set<WorkerState>): WorkerState | null {
  let found: WorkerState | null = null;
  let foundStart = Infinity;
  for (const ws of candidates) {
    const start = candidates.size === 1 ? 0 : occupancy(m, ws) / ws.nthreads + communicationCost(m, ts, ws);
    if (found === null || start < foundStart || (start === foundStart && ws.nbytes < found.nbytes)) {
      found = ws;
      foundStart = start;
    }
  }
  return found;
}

/** Returns the seconds to fetch the dependencies that the worker lacks. */
function communicationCost(m: SchedulerMachine, ts: TaskState, ws: WorkerState): number {
  let nbytes = 0;
  for (const dts of ts.dependencies) {
    if (!ws.hasWhat.has(dts)) nbytes += dts.size;
  }
  return nbytes / m.bandwidth;
}

/** Returns the idle worker with least work. Workers without work take turns. */
function leastOccupied(m: SchedulerMachine, pool: Pool): WorkerState | null {
  const { idle, workers, placements } = pool;
  const candidates = idle.size > 0 ? workers.filter((ws) => idle.has(ws)) : workers;
  let found: WorkerState | null = null;
  let least = Infinity;
  for (const ws of candidates) {
    const own = occupancy(m, ws);
    if (own < least) {
      found = ws;
      least = own;
    }
  }
  if (least > 0) return found;
  for (let i = 0; i < candidates.length; i++) {
    const ws = candidates[(i + placements) % candidates.length];
    if (ws !== undefined && occupancy(m, ws) === 0) return ws;
  }
  return found;
}

/** Returns the next idle worker in turn, or the next worker if none is idle. */
function byTurns({ idle, workers, placements }: Pool): WorkerState | null {
  for (let i = 0; i < workers.length; i++) {
    const ws = workers[(i + placements) % workers.length];
    if (ws !== undefined && (idle.size === 0 || idle.has(ws))) return ws;
  }
  return null;
}
