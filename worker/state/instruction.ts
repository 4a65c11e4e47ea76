/**
 * What the shell of a worker has to do. Each of {@linkcode Execute}, {@linkcode GatherDep} and
 * {@linkcode RetryBusyWorkerLater} ends as one stimulus. What is not one of the five operations here is a message
 * to the scheduler.
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

/** Hand this task to a thread. Ends as `execute-success`, `-failure`, `-reschedule` or `execution-withdrawn`. */
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

/** Take this task back from its thread if it has not begun; if that worked, say `execution-withdrawn`. */
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

/** Wait a little (Dask: 0.15 s), then say `retry-busy-worker`. */
export interface RetryBusyWorkerLater {
  /** Operation. */
  readonly op: "retry-busy-worker-later";
  /** The peer. */
  readonly worker: Address;
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
export type Instruction = Execute | Withdraw | GatherDep | RetryBusyWorkerLater | DropData | SchedulerMessage;
