/**
 * Emptying a worker before it goes (`distributed/active_memory_manager.py`, `RetireWorker`), and which workers to
 * send away (`distributed/scheduler.py`, `workers_to_close`).
 *
 * @module
 */

import type { Address, WorkerStatus } from "../../messages/common.ts";
import type { SchedulerMachine } from "./machine.ts";
import { holders } from "./reports.ts";
import type { TaskState } from "./task_state.ts";
import { changeStatus } from "./worker_stimuli.ts";
import type { WorkerState } from "./worker_state.ts";

/** How far a worker's results have been copied. */
export interface RetirementStep {
  /** Results that are not safe yet. */
  readonly unsafe: number;
  /** Those of them that nobody can take. */
  readonly stuck: number;
}

const NOTHING_LEFT: RetirementStep = { unsafe: 0, stuck: 0 };

/**
 * A worker that takes no tasks any more, and whose results are copied to others. Each step asks again for what is not
 * there yet, of the same receiver as long as it runs: it may have given the copy up with a task that needed it, too.
 */
export class Retirement {
  readonly #machine: SchedulerMachine;
  readonly #worker: WorkerState;
  readonly #previous: WorkerStatus;
  readonly #stimulusId: string;
  /** Who was asked to fetch a result. */
  readonly #asked: Map<TaskState, WorkerState> = new Map();

  /** Begins: no more tasks for the worker, which is told. */
  constructor(m: SchedulerMachine, ws: WorkerState) {
    this.#machine = m;
    this.#worker = ws;
    this.#previous = ws.status === "paused" ? "paused" : "running";
    this.#stimulusId = m.stimulusId;
    this.#setStatus("closing_gracefully");
  }

  /** Whether the worker is still registered. */
  get isMember(): boolean {
    return this.#machine.workers.get(this.#worker.address) === this.#worker;
  }

  /** Asks others to fetch what they don't hold yet. */
  step(now: number): RetirementStep {
    if (!this.isMember) return NOTHING_LEFT;
    const m = this.#machine;
    m.begin(this.#stimulusId, now);
    const planned = this.#planned();
    const orders = new Map<WorkerState, TaskState[]>();
    let unsafe = 0;
    let stuck = 0;
    for (const ts of this.#worker.hasWhat) {
      if (isSafe(ts)) {
        this.#asked.delete(ts);
        continue;
      }
      unsafe++;
      const asked = this.#asked.get(ts);
      const isAsked = asked !== undefined && m.running.has(asked);
      const receiver = isAsked ? asked : findReceiver(m, ts, planned);
      if (receiver === null) {
        stuck++;
        continue;
      }
      this.#asked.set(ts, receiver);
      if (!isAsked) planned.set(receiver, (planned.get(receiver) ?? 0) + ts.size);
      const order = orders.get(receiver);
      if (order === undefined) orders.set(receiver, [ts]);
      else order.push(ts);
    }
    for (const [receiver, tasks] of orders) this.#send(receiver, tasks);
    return { unsafe, stuck };
  }

  /** Number of results that only this worker, or others that leave, hold. */
  countUnsafe(): number {
    if (!this.isMember) return 0;
    let unsafe = 0;
    for (const ts of this.#worker.hasWhat) if (!isSafe(ts)) unsafe++;
    return unsafe;
  }

  /** Lets the worker go on as before. */
  abort(now: number): void {
    if (!this.isMember) return;
    this.#machine.begin(this.#stimulusId, now);
    // The scheduler's own view changes when the worker confirms.
    this.#tell(this.#previous);
  }

  #setStatus(status: WorkerStatus): void {
    changeStatus(this.#machine, this.#worker, status);
    this.#tell(status);
  }

  #tell(status: WorkerStatus): void {
    const stimulus_id = this.#stimulusId;
    this.#machine.outbox.tellWorker(this.#worker, { op: "worker-status-change", status, stimulus_id });
  }

  /** Bytes under way to each receiver. */
  #planned(): Map<WorkerState, number> {
    const planned = new Map<WorkerState, number>();
    for (const [ts, ws] of this.#asked) planned.set(ws, (planned.get(ws) ?? 0) + ts.size);
    return planned;
  }

  #send(receiver: WorkerState, tasks: readonly TaskState[]): void {
    // Without prototypes, as a key may have any name.
    const whoHas: Record<string, readonly Address[]> = Object.create(null);
    const nbytes: Record<string, number> = Object.create(null);
    for (const ts of tasks) {
      whoHas[ts.key] = holders(ts);
      nbytes[ts.key] = ts.nbytes;
    }
    this.#machine.outbox.tellWorker(receiver, {
      op: "acquire-replicas",
      who_has: whoHas,
      nbytes,
      stimulus_id: this.#stimulusId,
    });
  }
}

/** Whether somebody who stays holds a copy. */
function isSafe(ts: TaskState): boolean {
  for (const ws of ts.whoHas) if (ws.status === "running" || ws.status === "paused") return true;
  return false;
}

/** The running worker that holds least, and has no copy (`_find_recipient`). */
function findReceiver(
  m: SchedulerMachine,
  ts: TaskState,
  planned: ReadonlyMap<WorkerState, number>,
): WorkerState | null {
  let found: WorkerState | null = null;
  let least = Infinity;
  for (const ws of m.running) {
    if (ts.whoHas.has(ws)) continue;
    const nbytes = ws.nbytes + (planned.get(ws) ?? 0);
    if (nbytes < least) {
      found = ws;
      least = nbytes;
    }
  }
  return found;
}

/** How many workers to send away; without any of these, as many idle ones as leave twice the memory needed. */
export interface DownscaleOptions {
  /** So many. */
  readonly n?: number | undefined;
  /** Until so many are left. */
  readonly target?: number | undefined;
  /** Never below so many. */
  readonly minimum?: number | undefined;
  /** As long as the others have so many times the memory that all results take. Default 2. */
  readonly memoryRatio?: number | undefined;
}

/** Workers that can go at low cost: idle ones first, then those that hold least. */
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
