/**
 * Accounting between tasks and workers: which worker holds and needs which results, and processes which tasks
 * (`distributed/scheduler.py`, `WorkerState.add_to_processing` and similar methods).
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { SchedulerMachine } from "./machine.ts";
import { checkIdleSaturated } from "./placement.ts";
import type { TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** A worker got a copy of a result. */
export function addReplica(ts: TaskState, ws: WorkerState): void {
  if (ws.hasWhat.has(ts)) return;
  if (ws.needsWhat.delete(ts)) subtractNetwork(ws, ts.size);
  assert(!ts.whoHas.has(ws), "A worker has a copy, and does not know it");
  ts.addHolder(ws);
  ws.nbytes += ts.size;
  ws.hasWhat.add(ts);
}

/** A worker no longer has a copy. */
export function removeReplica(ts: TaskState, ws: WorkerState): void {
  if (!ws.hasWhat.delete(ts)) return;
  ws.nbytes -= ts.size;
  assert(ts.whoHas.delete(ws), "A worker lost a copy that the task did not know of");
}

/** Tells all holders to free a result. They count as having done so at once. */
export function freeReplicas(m: SchedulerMachine, ts: TaskState): void {
  for (const ws of ts.whoHas) {
    m.outbox.freeKey(ws, ts.key, m.stimulusId);
    ws.nbytes -= ts.size;
    assert(ws.hasWhat.delete(ts), "A task frees a copy that its holder does not know of");
  }
  ts.clearHolders();
}

/** A worker is about to be told to run a task. */
export function addToProcessing(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void {
  assert(ts.processingOn === null && ts.pool === ws.pool, "A task is placed twice, or in another pool");
  ws.processing.add(ts);
  ts.processingOn = ws;
  countTask(ts, ws);
  for (const dts of ts.dependencies) {
    if (ws.hasWhat.has(dts)) continue;
    const needed = ws.needsWhat.get(dts) ?? 0;
    ws.needsWhat.set(dts, needed + 1);
    if (needed === 0) {
      ws.networkBytes += dts.size;
      ws.pool.networkBytes += dts.size;
    }
  }
  checkIdleSaturated(m, ws);
}

/** A task left the thread pool of its worker, and keeps running. */
export function addToLongRunning(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void {
  if (ws.longRunning.has(ts)) return;
  assert(ws.processing.has(ts), "A task goes on running where it does not run");
  ws.longRunning.add(ts);
  discountTask(ts, ws);
  checkIdleSaturated(m, ws);
}

/** A task's worker is no longer busy with it. Returns the worker, or `null` if it is gone. */
export function exitProcessing(m: SchedulerMachine, ts: TaskState): WorkerState | null {
  const ws = ts.processingOn;
  if (ws === null) return null;
  ts.processingOn = null;
  assert(ws.processing.delete(ts), "A task leaves a worker that does not know of it");
  if (!ws.longRunning.delete(ts)) discountTask(ts, ws);
  for (const dts of ts.dependencies) needLess(dts, ws);
  if (m.workers.get(ws.address) !== ws) return null;
  checkIdleSaturated(m, ws);
  return ws;
}

/** One task less on a worker needs a result. */
export function needLess(ts: TaskState, ws: WorkerState): void {
  const needed = ws.needsWhat.get(ts);
  if (needed === undefined) return;
  if (needed > 1) {
    ws.needsWhat.set(ts, needed - 1);
  } else {
    ws.needsWhat.delete(ts);
    subtractNetwork(ws, ts.size);
  }
}

function countTask(ts: TaskState, ws: WorkerState): void {
  const { prefix } = ts.group;
  ws.prefixCounts.set(prefix, (ws.prefixCounts.get(prefix) ?? 0) + 1);
  if (prefix.processing++ === 0) ws.pool.activePrefixes.add(prefix);
}

function discountTask(ts: TaskState, ws: WorkerState): void {
  const { prefix } = ts.group;
  const count = (ws.prefixCounts.get(prefix) ?? 0) - 1;
  assert(count >= 0 && prefix.processing > 0, "A worker is done with a task that it was not busy with");
  if (count > 0) ws.prefixCounts.set(prefix, count);
  else ws.prefixCounts.delete(prefix);
  if (--prefix.processing === 0) ws.pool.activePrefixes.delete(prefix);
}

/**
 * Sizes may have changed since they were added, so the sum is at least zero, and zero if no result is needed.
 * The pool's sum of sizes can exceed what numbers hold exactly, because peers report the sizes.
 */
function subtractNetwork(ws: WorkerState, nbytes: number): void {
  const amount = ws.needsWhat.size === 0 ? ws.networkBytes : Math.min(nbytes, ws.networkBytes);
  assert(amount >= 0, "A worker needs fewer bytes than none");
  ws.networkBytes -= amount;
  ws.pool.networkBytes = Math.max(ws.pool.networkBytes - amount, 0);
}
