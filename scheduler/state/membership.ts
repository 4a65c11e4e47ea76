/**
 * Workers that come and go (`distributed/scheduler.py`, `add_worker`, `remove_worker`, `heartbeat_worker`).
 *
 * @module
 */

import type { Address, Key } from "../../messages/common.ts";
import type { WorkerMetrics } from "../../messages/facts.ts";
import type { HeartbeatWorkerReply } from "../../messages/membership.ts";
import { KilledWorker } from "./errors.ts";
import { forgetWorkerFunctions } from "./functions.ts";
import type { SchedulerMachine } from "./machine.ts";
import { checkIdleSaturated, validWorkers } from "./placement.ts";
import { removeReplica } from "./replicas.ts";
import { comparePriority, State, type TaskState } from "./task_state.ts";
import { fillSlots, runTransitions, transition } from "./transitions.ts";
import { withoutScheme, type WorkerInfo, WorkerState } from "./worker_state.ts";

/** Bytes per second that no link has. */
const BANDWIDTH_MAX = 1e15;

/** How to remove a worker. */
export interface RemoveWorkerOptions {
  /** Seconds since the epoch. */
  readonly now: number;
  /** Whether the worker said goodbye; then its tasks are not to blame. Default false. */
  readonly expected?: boolean;
  /** Whether it is told to shut down. Default true. */
  readonly close?: boolean;
  /** What caused it. */
  readonly stimulusId?: string;
}

/** What went with a worker. */
export interface WorkerLoss {
  /** Results that only it held, and that are computed again. */
  readonly recomputed: readonly Key[];
  /** Values that only it held, and that no task makes. */
  readonly lost: readonly Key[];
  /** Tasks that are given up, since they were with too many workers that died. */
  readonly givenUp: readonly { readonly key: Key; readonly deaths: number }[];
}

/** Registers a worker. Returns `"OK"`, or why it can't be. */
export function addWorker(m: SchedulerMachine, info: WorkerInfo): string {
  if (m.workers.has(info.address)) return `Worker already exists ${info.address}`;
  for (const other of m.workersByName.get(info.name) ?? []) {
    if (other.name === info.name) return `name taken, ${info.name}`;
  }
  const ws = new WorkerState(info, m.now);
  m.workers.set(ws.address, ws);
  m.totalNthreads += ws.nthreads;
  for (const name of namesOf(ws)) {
    const named = m.workersByName.get(name);
    if (named === undefined) m.workersByName.set(name, new Set([ws]));
    else named.add(ws);
  }
  m.sortedWorkers = [...m.sortedWorkers, ws].sort(byAddress);
  if (ws.status === "running") {
    m.running.add(ws);
    checkIdleSaturated(m, ws);
    scheduleUnrunnable(m, ws);
  }
  return "OK";
}

function byAddress(left: WorkerState, right: WorkerState): number {
  return left.address < right.address ? -1 : 1;
}

function namesOf(ws: WorkerState): Set<string> {
  return new Set([ws.address, withoutScheme(ws.address), ws.name, ws.host]);
}

/** Places tasks that waited for a worker such as this one, then queued ones. */
export function scheduleUnrunnable(m: SchedulerMachine, ws: WorkerState): void {
  const runnable: TaskState[] = [];
  for (const ts of m.unrunnable) {
    const valid = validWorkers(m, ts);
    if (valid === null || valid.has(ws) || ts.looseRestrictions) runnable.push(ts);
  }
  runnable.sort(comparePriority);
  for (let i = runnable.length - 1; i >= 0; i--) {
    const ts = runnable[i];
    if (ts !== undefined) m.recommendations.add(ts, State.PROCESSING);
  }
  runTransitions(m);
  fillSlots(m);
}

/** Forgets a worker; its tasks are placed anew, and results that only it held are computed again. */
export function removeWorker(m: SchedulerMachine, ws: WorkerState, options: RemoveWorkerOptions): WorkerLoss {
  const recomputed: Key[] = [];
  const lost: Key[] = [];
  const givenUp: { key: Key; deaths: number }[] = [];
  if (options.close ?? true) m.outbox.tellWorker(ws, { op: "close", reason: "scheduler-remove-worker" });
  unregister(m, ws);
  for (const ts of ws.processing) {
    if (!(options.expected ?? false) && ++ts.suspicious > m.allowedFailures) {
      givenUp.push({ key: ts.key, deaths: ts.suspicious });
      giveUp(m, ts, ws);
    } else {
      m.recommendations.add(ts, State.RELEASED);
    }
  }
  for (const ts of [...ws.hasWhat]) {
    removeReplica(ts, ws);
    if (ts.whoHas.size > 0) continue;
    (ts.runSpec === null ? lost : recomputed).push(ts.key);
    m.recommendations.add(ts, ts.runSpec === null ? State.FORGOTTEN : State.RELEASED);
  }
  runTransitions(m);
  for (const other of m.workers.values()) {
    m.outbox.tellWorker(other, { op: "remove-worker", worker: ws.address, stimulus_id: m.stimulusId });
  }
  fillSlots(m);
  return { recomputed, lost, givenUp };
}

function unregister(m: SchedulerMachine, ws: WorkerState): void {
  m.workers.delete(ws.address);
  m.totalNthreads -= ws.nthreads;
  for (const name of namesOf(ws)) {
    const named = m.workersByName.get(name);
    named?.delete(ws);
    if (named?.size === 0) m.workersByName.delete(name);
  }
  m.sortedWorkers = m.sortedWorkers.filter((other) => other !== ws);
  ws.status = "closed";
  m.running.delete(ws);
  checkIdleSaturated(m, ws);
  forgetWorkerFunctions(ws);
}

function giveUp(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void {
  const error = new KilledWorker(ts.key, ws.address, ts.suspicious);
  ts.failure = { culprit: ts.key, exception: m.encodeError(error), traceback: null };
  transition(m, ts, State.ERRED); // now, as a recommendation might be replaced
}

/** A worker tells how it is. One that is not known must end. */
export function heartbeatWorker(
  m: SchedulerMachine,
  address: Address,
  metrics: WorkerMetrics,
  executing: Readonly<Record<string, number>>,
): HeartbeatWorkerReply {
  const ws = m.workers.get(address);
  if (ws === undefined) return { status: "missing" };
  const share = 1 / m.workers.size;
  const bandwidth = metrics.bandwidth.total;
  if (bandwidth > 0 && bandwidth < BANDWIDTH_MAX) m.bandwidth = m.bandwidth * (1 - share) + bandwidth * share;
  ws.lastSeen = m.now;
  ws.metrics = metrics;
  for (const key in executing) {
    const seconds = executing[key];
    if (typeof seconds === "number") m.tasks.get(key as Key)?.group.addExecTime(seconds);
  }
  return { status: "OK", time: m.now, "heartbeat-interval": heartbeatInterval(m.workers.size) };
}

/**
 * Workers that said nothing for longer than `ttl` seconds, and than ten heartbeats (`check_worker_ttl`). Returns for
 * how many seconds by address.
 */
export function silentWorkers(m: SchedulerMachine, ttl: number, now: number): Map<Address, number> {
  const limit = Math.max(ttl, 10 * heartbeatInterval(m.workers.size));
  const silent = new Map<Address, number>();
  for (const ws of m.workers.values()) {
    if (now - ws.lastSeen > limit) silent.set(ws.address, now - ws.lastSeen);
  }
  return silent;
}

/** Seconds between heartbeats, so that all of `count` peers together send at most 200 a second. */
export function heartbeatInterval(count: number): number {
  if (count <= 10) return 0.5;
  if (count < 50) return 1;
  if (count < 200) return 2;
  return count / 200 + 1;
}
