/**
 * Workers' messages (`distributed/scheduler.py`, `stimulus_task_finished`, `handle_*`).
 *
 * A message can be late: the task may be forgotten, or assigned to another worker. Such a message changes
 * nothing, and the worker is told to drop the result.
 *
 * @module
 */

import type { Address, Key, WorkerStatus } from "../../messages/common.ts";
import type {
  LongRunning,
  Reschedule,
  TaskErred,
  TaskFinished,
  WorkerStreamMessage,
} from "../../messages/worker_scheduler.ts";
import { assert, unreachable } from "../../internal/assert.ts";
import type { SchedulerMachine } from "./machine.ts";
import { checkIdleSaturated } from "./placement.ts";
import { addReplica, addToLongRunning, removeReplica } from "./replicas.ts";
import { holders } from "./reports.ts";
import { State, type TaskState } from "./task_state.ts";
import { transition } from "./transitions.ts";
import { scheduleUnrunnable } from "./membership.ts";
import type { WorkerState } from "./worker_state.ts";

/** Handles a message from a registered worker. */
export function handleWorker(m: SchedulerMachine, ws: WorkerState, message: WorkerStreamMessage): void {
  switch (message.op) {
    case "task-finished":
      return taskFinished(m, ws, message);
    case "task-erred":
      return taskErred(m, ws, message);
    case "add-keys":
      return addKeys(m, ws, message.keys);
    case "release-worker-data":
      return releaseWorkerData(m, ws, message.key);
    case "reschedule":
      return reschedule(m, ws, message);
    case "long-running":
      return longRunning(m, ws, message);
    case "request-refresh-who-has":
      return refreshWhoHas(m, ws, message.keys);
    case "worker-status-change":
      return changeStatus(m, ws, message.status);
    case "keep-alive":
    case "log-event":
    case "close-stream":
      return;
    default:
      return unreachable(message);
  }
}

function taskFinished(m: SchedulerMachine, ws: WorkerState, message: TaskFinished): void {
  m.hasReplicaNews = true;
  const ts = m.tasks.get(message.key);
  if (
    ts === undefined ||
    (ts.state !== State.PROCESSING && ts.state !== State.MEMORY && ts.state !== State.WAITING)
  ) {
    m.outbox.freeKey(ws, message.key, m.stimulusId);
    return;
  }
  if (ts.runId !== message.run_id) {
    // From its worker, but about an earlier run: it is unknown what the worker holds, so the task starts
    // again.
    if (ts.processingOn === ws) m.recommendations.add(ts, State.RELEASED);
    else m.outbox.freeKey(ws, message.key, m.stimulusId);
  } else if (ts.state === State.MEMORY) {
    addReplica(ts, ws);
  } else if (ts.processingOn === ws) {
    transition(m, ts, State.MEMORY, message);
  } else if (ts.state !== State.WAITING) {
    // In the state "waiting" it was released meanwhile, and the message to free it was already sent.
    m.outbox.freeKey(ws, message.key, m.stimulusId);
  }
}

function taskErred(m: SchedulerMachine, ws: WorkerState, message: TaskErred): void {
  const ts = m.tasks.get(message.key);
  if (ts === undefined || ts.state !== State.PROCESSING || ts.processingOn !== ws) return;
  if (ts.runId !== message.run_id) {
    transition(m, ts, State.RELEASED);
  } else if (ts.retries > 0) {
    ts.retries--;
    transition(m, ts, State.WAITING);
  } else {
    // Unchecked fields: missing ones become null.
    const { exception = null, traceback = null } = message;
    ts.failure = { culprit: ts.key, exception, traceback };
    (ts.erredOn ??= []).push(ws.address);
    transition(m, ts, State.ERRED);
  }
}

function addKeys(m: SchedulerMachine, ws: WorkerState, keys: readonly Key[]): void {
  const redundant: Key[] = [];
  m.hasReplicaNews = true;
  for (const key of keys) {
    const ts = m.tasks.get(key);
    if (ts !== undefined && ts.state === State.MEMORY) addReplica(ts, ws);
    else redundant.push(key);
  }
  if (redundant.length > 0) {
    m.outbox.tellWorker(ws, { op: "remove-replicas", keys: redundant, stimulus_id: m.stimulusId });
  }
  checkIdleSaturated(m, ws);
}

/** A worker no longer holds a result. */
export function releaseWorkerData(m: SchedulerMachine, ws: WorkerState, key: Key): void {
  const ts = m.tasks.get(key);
  if (ts === undefined || !ts.whoHas.has(ws)) return;
  removeReplica(ts, ws);
  m.hasReplicaNews = true;
  if (ts.whoHas.size > 0) {
    needAgain(m, ts, ws);
    return;
  }
  m.recommendations.add(ts, State.RELEASED);
}

/** Tasks on the worker that use the result must fetch it now. */
function needAgain(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void {
  let needed = 0;
  for (const dts of ts.waiters) if (dts.processingOn === ws) needed++;
  if (needed === 0) return;
  assert(!ws.needsWhat.has(ts), "A worker needs a result that it had until now");
  ws.needsWhat.set(ts, needed);
  ws.networkBytes += ts.size;
  ws.pool.networkBytes += ts.size;
  checkIdleSaturated(m, ws);
}

function reschedule(m: SchedulerMachine, ws: WorkerState, message: Reschedule): void {
  const ts = m.tasks.get(message.key);
  if (ts === undefined || ts.processingOn !== ws) return;
  m.recommendations.add(ts, State.RELEASED);
}

function longRunning(m: SchedulerMachine, ws: WorkerState, message: LongRunning): void {
  const ts = m.tasks.get(message.key);
  if (ts === undefined || ts.processingOn !== ws || ts.runId !== message.run_id) return;
  if (message.compute_duration !== null) ts.group.prefix.addDuration(message.compute_duration);
  addToLongRunning(m, ts, ws);
}

function refreshWhoHas(m: SchedulerMachine, ws: WorkerState, keys: readonly Key[]): void {
  const whoHas: Record<string, readonly Address[]> = Object.create(null);
  let known = false;
  for (const key of keys) {
    const ts = m.tasks.get(key);
    if (ts !== undefined) {
      whoHas[key] = holders(ts);
      known = true;
    } else {
      m.outbox.freeKey(ws, key, m.stimulusId);
    }
  }
  if (known) m.outbox.tellWorker(ws, { op: "refresh-who-has", who_has: whoHas, stimulus_id: m.stimulusId });
}

/** A worker pauses, resumes, or is about to leave (`handle_worker_status_change`). */
export function changeStatus(m: SchedulerMachine, ws: WorkerState, status: WorkerStatus): void {
  if (ws.status === status) return;
  ws.status = status;
  m.hasReplicaNews = true;
  if (status !== "running") {
    ws.pool.running.delete(ws);
    checkIdleSaturated(m, ws);
    return;
  }
  m.hasWorkerNews = true;
  ws.pool.running.add(ws);
  checkIdleSaturated(m, ws);
  scheduleUnrunnable(m, ws);
}
