/**
 * Workers that are being emptied, and the requests that wait for that; `retire.ts` says what becomes of them.
 *
 * @module
 */

import type { Address, WorkerStatus } from "../../messages/common.ts";
import type { TaskState } from "./task_state.ts";
import type { WorkerFacts, WorkerState } from "./worker_state.ts";

/**
 * How many workers to close; without `n` and `target`, as many idle ones as leave twice the memory needed.
 */
export interface DownscaleOptions {
  /** Number of workers to close. */
  readonly n?: number | undefined;
  /** Close workers until this many remain. */
  readonly target?: number | undefined;
  /** Close no worker if only this many remain. */
  readonly minimum?: number | undefined;
  /** Memory of the workers that remain, as a multiple of what all results take. Default: 2. */
  readonly memoryRatio?: number | undefined;
}

/** Which workers to retire, and what to do with them when they are empty. */
export interface RetireOptions extends DownscaleOptions {
  /** Addresses. Exclusive with `names`; without both, the cheapest are chosen. */
  readonly workers?: readonly string[] | undefined;
  /** Names. */
  readonly names?: readonly string[] | undefined;
  /**
   * Whether the workers are told to shut down. If not, they have to be ended in another way. Default: false.
   */
  readonly closeWorkers?: boolean | undefined;
  /** Whether the scheduler forgets them at once. Default: true. */
  readonly remove?: boolean | undefined;
  /** What caused it, for the log. */
  readonly stimulusId?: string | undefined;
}

/** A worker that is being emptied. */
export interface Retirement {
  /** The worker. */
  readonly worker: WorkerState;
  /** Its status before. */
  readonly previous: WorkerStatus;
  /** What caused it. */
  readonly stimulusId: string;
  /** Which worker was asked to fetch a result. */
  readonly asked: Map<TaskState, WorkerState>;
  /** Whether the log was told how much there is to do. */
  isTold: boolean;
  /** When it is to be looked at again if there is news of copies, in seconds since the epoch. */
  lookAt: number;
  /** When copies are asked for again. */
  renewAt: number;
}

/** A request that waits for workers to be retired. */
export interface RetireRequest {
  /** What becomes of them. */
  readonly options: RetireOptions;
  /** What caused it. */
  readonly stimulusId: string;
  /** Workers that are not empty yet. */
  readonly waiting: Set<WorkerState>;
  /** Workers that were retired. */
  readonly retired: Record<Address, WorkerFacts>;
}
