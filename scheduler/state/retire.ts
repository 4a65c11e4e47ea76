/**
 * Empties workers before they leave (`distributed/active_memory_manager.py`, `RetireWorker`, and
 * `distributed/scheduler.py`, `retire_workers`, `workers_to_close`).
 *
 * A worker that is being emptied gets no more tasks, and its results are copied to other workers. Missing
 * copies are requested again from time to time, from the same receiver while it runs: it may have dropped a
 * copy together with a task that needed it.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Address, WorkerStatus } from "../../messages/common.ts";
import type { Afterwards, SchedulerMachine } from "./machine.ts";
import { removeWorker } from "./membership.ts";
import type { Pool } from "./pool.ts";
import { holders } from "./reports.ts";
import type { DownscaleOptions, Retirement, RetireOptions, RetireRequest } from "./retirement.ts";
import type { Retire } from "./stimulus.ts";
import type { TaskState } from "./task_state.ts";
import { changeStatus } from "./worker_stimuli.ts";
import { factsOf, type WorkerState } from "./worker_state.ts";

/** Seconds after which missing copies are requested again, as in `retire_workers`. */
const RENEW = 2;
/** Seconds between two checks of the copies: seconds per result, minimum and maximum. */
const LOOK = { perResult: 0.0025, least: 0.01, most: 0.5 };

/** A worker that is empty or can't be emptied. */
export interface Outcome {
  /** The retirement. */
  readonly retirement: Retirement;
  /** Number of results that no other worker can hold; 0 if it is empty or has left. */
  readonly stuck: number;
}

/** Begins to empty workers. All of them stop taking tasks and copies before the first one is checked. */
export function retire(m: SchedulerMachine, { ask, options, stimulusId }: Retire): void {
  const chosen = workersToRetire(m, options);
  m.tell({ event: "retire-begun", workers: chosen.map(({ address }) => address), stimulusId });
  if (chosen.length === 0) return m.answer(ask, { op: "retire", workers: {} });
  m.retireRequests.set(ask, { options, stimulusId, waiting: new Set(chosen), retired: {} });
  for (const ws of chosen) if (!m.retirements.has(ws)) begin(m, ws, stimulusId);
}

function begin(m: SchedulerMachine, ws: WorkerState, stimulusId: string): void {
  const previous = ws.status === "paused" ? "paused" : "running";
  const begun = {
    worker: ws,
    previous,
    stimulusId,
    asked: new Map(),
    isTold: false,
    lookAt: 0,
    renewAt: 0,
  } as const;
  m.retirements.set(ws, { ...begun });
  changeStatus(m, ws, "closing_gracefully");
  tellStatus(m, ws, "closing_gracefully", stimulusId);
}

function tellStatus(m: SchedulerMachine, ws: WorkerState, status: WorkerStatus, stimulusId: string): void {
  m.outbox.tellWorker(ws, { op: "worker-status-change", status, stimulus_id: stimulusId });
}

/**
 * Time of the next check of workers that are being emptied, in seconds since the epoch; `Infinity` if never.
 */
export function retirementDeadline(m: SchedulerMachine): number {
  let next = Infinity;
  for (const { lookAt, renewAt } of m.retirements.values()) {
    next = Math.min(next, renewAt, m.hasReplicaNews ? lookAt : Infinity);
  }
  return next;
}

/** Requests missing copies. Yields workers that are empty, and workers that can't be emptied. */
export function* emptiedWorkers(m: SchedulerMachine, now: number): IterableIterator<Outcome> {
  let isLate = false;
  for (const retirement of [...m.retirements.values()]) {
    if (m.workers.get(retirement.worker.address) !== retirement.worker) {
      yield { retirement, stuck: 0 };
    } else if (now >= retirement.renewAt || (m.hasReplicaNews && now >= retirement.lookAt)) {
      const stuck = look(m, retirement, now);
      if (stuck !== null) yield { retirement, stuck };
    } else {
      isLate = true;
    }
  }
  m.hasReplicaNews &&= isLate;
}

/** Returns null while copies are being made, else the number of results that no other worker can hold. */
function look(m: SchedulerMachine, retirement: Retirement, now: number): number | null {
  const { worker, asked, stimulusId } = retirement;
  const isRenewal = now >= retirement.renewAt;
  const planned = new Map<WorkerState, number>();
  for (const [ts, ws] of asked) planned.set(ws, (planned.get(ws) ?? 0) + ts.size);
  const orders = new Map<WorkerState, TaskState[]>();
  let unsafe = 0;
  let stuck = 0;
  for (const ts of worker.hasWhat) {
    if (isSafe(ts)) {
      asked.delete(ts);
      continue;
    }
    unsafe++;
    const before = asked.get(ts);
    const isAsked = before !== undefined && before.pool.running.has(before);
    const receiver = isAsked ? before : findReceiver(worker.pool, ts, planned);
    if (receiver === null) {
      stuck++;
      continue;
    }
    asked.set(ts, receiver);
    if (isAsked && !isRenewal) continue;
    if (!isAsked) planned.set(receiver, (planned.get(receiver) ?? 0) + ts.size);
    const order = orders.get(receiver);
    if (order === undefined) orders.set(receiver, [ts]);
    else order.push(ts);
  }
  if (stuck > 0) return stuck;
  for (const [receiver, tasks] of orders) askFor(m, receiver, tasks, stimulusId);
  if (!retirement.isTold || unsafe === 0) {
    m.tell({ event: "worker-retiring", worker: worker.address, unsafe });
  }
  retirement.isTold = true;
  if (unsafe === 0) return 0;
  if (isRenewal) retirement.renewAt = now + RENEW;
  retirement.lookAt = now + Math.min(Math.max(unsafe * LOOK.perResult, LOOK.least), LOOK.most);
  return null;
}

/**
 * Removes an empty worker in the same turn; tasks that finish on it later run again on other workers. A
 * worker that can't be emptied keeps running.
 */
export function finishRetirement(m: SchedulerMachine, { retirement, stuck }: Outcome): Afterwards {
  const { worker, stimulusId, previous } = retirement;
  assert(m.retirements.delete(worker), () => `Worker ${worker.address} is empty, and was not to be emptied`);
  m.begin(stimulusId, m.now);
  if (stuck > 0) {
    m.tell({ event: "retire-refused", worker: worker.address, stuck, stimulusId });
    // The scheduler's own view changes when the worker confirms.
    tellStatus(m, worker, previous, stimulusId);
  }
  let afterwards: Afterwards = undefined;
  for (const [ask, request] of [...m.retireRequests]) {
    if (!request.waiting.delete(worker)) continue;
    if (stuck === 0) afterwards = release(m, worker, request) ?? afterwards;
    if (request.waiting.size > 0) continue;
    m.retireRequests.delete(ask);
    m.answer(ask, { op: "retire", workers: request.retired });
  }
  return afterwards;
}

function release(m: SchedulerMachine, ws: WorkerState, request: RetireRequest): Afterwards {
  const { options: { closeWorkers = false, remove = true }, stimulusId } = request;
  request.retired[ws.address] = factsOf(ws);
  const isMember = m.workers.get(ws.address) === ws;
  let afterwards: Afterwards = undefined;
  if (isMember && remove) {
    m.begin(stimulusId, m.now);
    afterwards = removeWorker(m, ws, { expected: true, close: closeWorkers });
  } else if (isMember && closeWorkers) {
    m.outbox.tellWorker(ws, { op: "close", reason: "scheduler-close-worker" });
  }
  const close = isMember && !remove && closeWorkers;
  m.tell({ event: "worker-retired", worker: ws.address, close, stimulusId });
  return afterwards;
}

function askFor(
  m: SchedulerMachine,
  receiver: WorkerState,
  tasks: readonly TaskState[],
  stimulusId: string,
): void {
  assert(tasks.length > 0, () => `Worker ${receiver.address} is asked for nothing`);
  // Without a prototype, because a key can have any name.
  const whoHas: Record<string, readonly Address[]> = Object.create(null);
  const nbytes: Record<string, number> = Object.create(null);
  for (const ts of tasks) {
    whoHas[ts.key] = holders(ts);
    nbytes[ts.key] = ts.nbytes;
  }
  m.outbox.tellWorker(receiver, { op: "acquire-replicas", who_has: whoHas, nbytes, stimulus_id: stimulusId });
}

/** Whether a worker that stays holds a copy. */
function isSafe(ts: TaskState): boolean {
  for (const ws of ts.whoHas) if (ws.status === "running" || ws.status === "paused") return true;
  return false;
}

/** Returns the running worker of a pool that holds least and has no copy (`_find_recipient`). */
function findReceiver(
  { running }: Pool,
  ts: TaskState,
  planned: ReadonlyMap<WorkerState, number>,
): WorkerState | null {
  let found: WorkerState | null = null;
  let least = Infinity;
  for (const ws of running) {
    if (ts.whoHas.has(ws)) continue;
    const nbytes = ws.nbytes + (planned.get(ws) ?? 0);
    if (nbytes < least) {
      found = ws;
      least = nbytes;
    }
  }
  return found;
}

/**
 * Returns the workers that the options name, or those that are cheapest to close.
 *
 * @throws {TypeError} If the options contradict each other.
 */
export function workersToRetire(m: SchedulerMachine, options: RetireOptions): WorkerState[] {
  checkRetireOptions(options);
  const { workers, names } = options;
  if (names !== undefined) {
    const wanted = new Set(names);
    return [...m.workers.values()].filter((ws) => wanted.has(ws.name));
  }
  const addresses = workers ?? workersToClose(m, options);
  return [...new Set(addresses)].flatMap((address) => m.workers.get(address as Address) ?? []);
}

/** @throws {TypeError} If the options contradict each other, or name workers by something else than a list. */
export function checkRetireOptions({ workers, names, n, target, minimum, memoryRatio }: RetireOptions): void {
  for (const list of [workers ?? [], names ?? []]) {
    if (!Array.isArray(list)) throw new TypeError("Cannot retire workers: they are named by a list of texts");
  }
  if (workers !== undefined && names !== undefined) {
    throw new TypeError("Cannot retire workers by address and by name at once: give one of them");
  }
  if ((workers ?? names) !== undefined && (n ?? target ?? minimum ?? memoryRatio) !== undefined) {
    throw new TypeError("Cannot retire workers: those that are named can't be chosen by number, too");
  }
}

/** Returns the workers that are cheapest to close: idle ones first, then those that hold least. */
export function workersToClose(m: SchedulerMachine, options: DownscaleOptions): Address[] {
  const { minimum = 0 } = options;
  const total = m.workers.size;
  const wanted = options.n ?? (options.target === undefined ? undefined : total - options.target);
  const n = wanted === undefined ? undefined : Math.max(wanted, 0);
  const candidates = [...m.workers.values()].filter((ws) => ws.longRunning.size === 0).sort(byCost);
  let limit = sum(candidates, (ws) => ws.memoryLimit);
  const needed = (options.memoryRatio ?? (n === undefined ? 2 : Infinity)) *
    sum(candidates, (ws) => ws.nbytes);
  const chosen: Address[] = [];
  for (const ws of candidates) {
    if (n === undefined && ws.processing.size > 0) break;
    if (total - chosen.length - 1 < minimum) break;
    limit -= ws.memoryLimit;
    const isWanted = n !== undefined && chosen.length < n;
    if (!isWanted && !(limit >= needed)) break;
    chosen.push(ws.address);
  }
  return chosen;
}

function byCost(left: WorkerState, right: WorkerState): number {
  const busy = Number(left.processing.size > 0) - Number(right.processing.size > 0);
  return busy !== 0 ? busy : left.nbytes - right.nbytes;
}

function sum(workers: readonly WorkerState[], amount: (ws: WorkerState) => number): number {
  return workers.reduce((total, ws) => total + amount(ws), 0);
}
