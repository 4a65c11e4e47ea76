/**
 * Records of workers that are being emptied, and of requests that wait for that. `retire.ts` has the
 * functions.
 *
 * @module
 */

import type { Address, WorkerStatus } from "../../messages/common.ts";
import type { TaskState } from "./task_state.ts";
import type { WorkerFacts, WorkerState } from "./worker_state.ts";

/**
 * Number of workers to close. Without `n` and `target`: idle workers are closed while the others keep twice
 * the memory that is needed.
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
  /** Id of the cause, for the log. */
  readonly stimulusId?: string | undefined;
}

/** A worker that is being emptied. */
export interface Retirement {
  /** The worker. */
  readonly worker: WorkerState;
  /** Its previous status. */
  readonly previous: WorkerStatus;
  /** What caused it. */
  readonly stimulusId: string;
  /** The worker that was asked to fetch each result. */
  readonly asked: Map<TaskState, WorkerState>;
  /** Whether the amount of work was logged. */
  isTold: boolean;
  /** Earliest time of the next check when copies changed, in seconds since the epoch. */
  lookAt: number;
  /** Time at which missing copies are requested again. */
  renewAt: number;
}

/** A request that waits for workers to be retired. */
export interface RetireRequest {
  /** What happens to them. */
  readonly options: RetireOptions;
  /** What caused it. */
  readonly stimulusId: string;
  /** Workers that are not empty yet. */
  readonly waiting: Set<WorkerState>;
  /** Workers that were retired. */
  readonly retired: Record<Address, WorkerFacts>;
}
