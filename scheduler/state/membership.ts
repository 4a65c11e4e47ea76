/**
 * Workers that join and leave (`distributed/scheduler.py`, `add_worker`, `remove_worker`,
 * `heartbeat_worker`).
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import { withoutScheme } from "../../messages/address.ts";
import type { Key } from "../../messages/common.ts";
import type { HeartbeatWorkerReply } from "../../messages/membership.ts";
import { KilledWorker } from "./errors.ts";
import type { Afterwards, SchedulerMachine } from "./machine.ts";
import { checkIdleSaturated, validWorkers } from "./placement.ts";
import { removeReplica } from "./replicas.ts";
import { comparePriority, State, type TaskState } from "./task_state.ts";
import { transition } from "./transitions.ts";
import type { AddWorker, Heartbeat, RemoveWorker } from "./stimulus.ts";
import { type WorkerInfo, WorkerState } from "./worker_state.ts";

/** Runtime of all registered workers: Dask's workers are refused earlier. */
const RUNTIME = "deno";
/** Upper limit for reported bytes per second. */
const BANDWIDTH_MAX = 1e15;

/** Registers a worker, unless its address or name is taken. */
export function addWorker(m: SchedulerMachine, { ask, worker }: AddWorker): void {
  const refusal = refusalOf(m, worker);
  m.answer(ask, { op: "add-worker", ...refusal !== undefined && { refusal } });
  if (refusal !== undefined) return;
  const ws = new WorkerState(worker, m.pool(RUNTIME), m.now);
  m.workers.set(ws.address, ws);
  ws.pool.add(ws);
  for (const name of namesOf(ws)) {
    const named = m.workersByName.get(name);
    if (named === undefined) m.workersByName.set(name, new Set([ws]));
    else named.add(ws);
  }
  m.hasReplicaNews = true;
  m.tell({ event: "worker-added", worker: ws.address, name: ws.name });
  if (ws.status !== "running") return;
  m.hasWorkerNews = true;
  ws.pool.running.add(ws);
  checkIdleSaturated(m, ws);
  scheduleUnrunnable(m, ws);
}

function refusalOf(m: SchedulerMachine, { address, name }: WorkerInfo): string | undefined {
  if (m.workers.has(address)) return `Worker already exists ${address}`;
  for (const other of m.workersByName.get(name) ?? []) {
    if (other.name === name) return `name taken, ${name}`;
  }
  return undefined;
}

function namesOf(ws: WorkerState): Set<string> {
  return new Set([ws.address, withoutScheme(ws.address), ws.name, ws.host]);
}

/** Places tasks that waited for a worker like this one. */
export function scheduleUnrunnable(m: SchedulerMachine, ws: WorkerState): void {
  const runnable: TaskState[] = [];
  for (const ts of ws.pool.unrunnable) {
    const valid = validWorkers(m, ts);
    if (valid === null || valid.has(ws) || ts.looseRestrictions) runnable.push(ts);
  }
  runnable.sort(comparePriority);
  for (let i = runnable.length - 1; i >= 0; i--) {
    const ts = runnable[i];
    if (ts !== undefined) m.recommendations.add(ts, State.PROCESSING);
  }
}

/** Removes a worker. Its tasks are placed again, and results that only it held are computed again. */
export function removeWorker(
  m: SchedulerMachine,
  ws: WorkerState,
  options: Pick<RemoveWorker, "expected" | "close">,
): Afterwards {
  const { stimulusId } = m;
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
  m.tell({
    event: "worker-removed",
    worker: ws.address,
    name: ws.name,
    stimulusId,
    loss: { recomputed, lost, givenUp },
  });
  return () => {
    for (const other of m.workers.values()) {
      m.outbox.tellWorker(other, { op: "remove-worker", worker: ws.address, stimulus_id: stimulusId });
    }
  };
}

function unregister(m: SchedulerMachine, ws: WorkerState): void {
  assert(m.workers.delete(ws.address), () => `Worker ${ws.address} is removed, and not known`);
  for (const name of namesOf(ws)) {
    const named = m.workersByName.get(name);
    assert(named?.delete(ws) === true, () => `Worker ${ws.address} is not known as ${name}`);
    if (named.size === 0) m.workersByName.delete(name);
  }
  ws.status = "closed";
  m.hasReplicaNews = true;
  ws.pool.running.delete(ws);
  ws.pool.remove(ws);
  checkIdleSaturated(m, ws);
  m.extensions.workerLeft(m, ws);
}

function giveUp(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void {
  assert(ts.processingOn === ws, () => `Task "${ts.key}" is given up, and runs elsewhere`);
  const error = new KilledWorker(ts.key, ws.address, ts.suspicious);
  ts.failure = { culprit: ts.key, exception: m.encodeError(error), traceback: null };
  transition(m, ts, State.ERRED); // made now: a recommendation could be replaced
}

/** Handles a worker's heartbeat. An unknown worker is told to end. */
export function heartbeatWorker(
  m: SchedulerMachine,
  { worker, metrics, executing }: Heartbeat,
): HeartbeatWorkerReply {
  const ws = m.workers.get(worker);
  if (ws === undefined) return { status: "missing" };
  const share = 1 / m.workers.size;
  const bandwidth: unknown = metrics.bandwidth.total; // unchecked
  if (typeof bandwidth === "number" && bandwidth > 0 && bandwidth < BANDWIDTH_MAX) {
    m.bandwidth = m.bandwidth * (1 - share) + bandwidth * share;
  }
  ws.lastSeen = m.now;
  ws.metrics = metrics;
  for (const key in executing) {
    const seconds = executing[key];
    if (typeof seconds === "number") m.tasks.get(key as Key)?.group.prefix.addExecTime(seconds);
  }
  return { status: "OK", time: m.now, "heartbeat-interval": heartbeatInterval(m.workers.size) };
}

/**
 * Seconds between the heartbeats of each of `count` peers, so that all of them together send at most 200 per
 * second.
 */
export function heartbeatInterval(count: number): number {
  if (count <= 10) return 0.5;
  if (count < 50) return 1;
  if (count < 200) return 2;
  return count / 200 + 1;
}
