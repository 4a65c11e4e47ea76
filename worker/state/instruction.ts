/**
 * What the shell of a worker has to do. Each {@linkcode Execute} and {@linkcode GatherDep} ends as one
 * stimulus. What is not one of the four operations here is a message to the scheduler.
 *
 * @module
 */

import type { Address, Key } from "../../messages/common.ts";
import type { RunSpec } from "../../messages/run_spec.ts";
import type {
  AddKeys,
  ReleaseWorkerData,
  RequestRefreshWhoHas,
  Reschedule,
  TaskErred,
  TaskFinished,
} from "../../messages/worker_scheduler.ts";

/**
 * Hand this task to the executor. Ends as `execute-success`, `-failure`, `-reschedule` or
 * `execution-withdrawn`.
 */
export interface Execute {
  /** Operation. */
  readonly op: "execute";
  /** Key. */
  readonly key: Key;
  /** Which assignment this is. */
  readonly run_id: number;
  /** What to run. */
  readonly run_spec: RunSpec;
  /** Keys whose frames go along; all of them are in memory. */
  readonly dependencies: readonly Key[];
  /** Whether a small result is wanted in `execute-success`. */
  readonly inline_result: boolean;
}

/**
 * Ask the executor to give this task back. If it has not begun it ends as `execution-withdrawn`, else as any
 * other.
 */
export interface Withdraw {
  /** Operation. */
  readonly op: "withdraw";
  /** Key. */
  readonly key: Key;
}

/** Ask a peer for results. Ends as `gather-success`, `-busy`, `-network-failure` or `-failure`. */
export interface GatherDep {
  /** Operation. */
  readonly op: "gather-dep";
  /** The peer. */
  readonly worker: Address;
  /** What to ask for. */
  readonly keys: readonly Key[];
  /** Bytes of all, as far as known. */
  readonly totalNbytes: number;
}

/** Delete the frames of this result. */
export interface DropData {
  /** Operation. */
  readonly op: "drop-data";
  /** Key. */
  readonly key: Key;
}

/** What a worker's state machine says to the scheduler. */
export type SchedulerMessage =
  | TaskFinished
  | TaskErred
  | AddKeys
  | ReleaseWorkerData
  | Reschedule
  | RequestRefreshWhoHas;

/** Everything that the state machine asks for. To be done in order. */
export type Instruction = Execute | Withdraw | GatherDep | DropData | SchedulerMessage;
