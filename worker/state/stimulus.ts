/**
 * What happens to a worker's tasks: messages of the scheduler as they were parsed, and the ends of what the
 * shell was told to do. Fields that go on to the scheduler keep their wire spelling.
 *
 * @module
 */

import type { Address, Key } from "../../messages/common.ts";
import type {
  AcquireReplicas,
  ComputeTask,
  FreeKeys,
  RefreshWhoHas,
  RemoveReplicas,
  RemoveWorker,
} from "../../messages/worker_scheduler.ts";
import type { Serialized } from "../../protocol/serialized.ts";

/** A task returned. The shell has stored the result's frames, and drops them again if told so. */
export interface ExecuteSuccess {
  /** Operation. */
  readonly op: "execute-success";
  /** Key. */
  readonly key: Key;
  /** Echo of {@linkcode Execute.run_id}. */
  readonly run_id: number;
  /** Bytes of the serialized result. */
  readonly nbytes: number;
  /** Pickle of the result's type, or of its name. */
  readonly type: Uint8Array;
  /** Name of the result's type. */
  readonly typename: string;
  /** Begin, in seconds since the epoch. */
  readonly start: number;
  /** End, in seconds since the epoch. */
  readonly stop: number;
  /** Which thread ran it. */
  readonly thread: number | null;
  /** The result, one MessagePack frame, if {@linkcode Execute.inline_result} and it is small. */
  readonly result?: Uint8Array | undefined;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** A task threw. */
export interface ExecuteFailure {
  /** Operation. */
  readonly op: "execute-failure";
  /** Key. */
  readonly key: Key;
  /** Echo of {@linkcode Execute.run_id}. */
  readonly run_id: number;
  /** Begin, in seconds since the epoch, if it began. */
  readonly start: number | null;
  /** End, in seconds since the epoch, if it began. */
  readonly stop: number | null;
  /** Which thread ran it. */
  readonly thread: number | null;
  /** The error; see `protocol/remote_error.ts`. */
  readonly exception: Serialized;
  /** Python's traceback, or nothing. */
  readonly traceback: Serialized | null;
  /** Short text. */
  readonly exception_text: string;
  /** Stack as text. */
  readonly traceback_text: string;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** A task asked to be placed anew. */
export interface ExecuteReschedule {
  /** Operation. */
  readonly op: "execute-reschedule";
  /** Key. */
  readonly key: Key;
  /** What caused it. */
  readonly stimulus_id: string;
}

/**
 * A task that was handed to the executor was taken back before it began. It becomes ready again if it is
 * still wanted.
 */
export interface ExecutionWithdrawn {
  /** Operation. */
  readonly op: "execution-withdrawn";
  /** Key. */
  readonly key: Key;
  /** Echo of {@linkcode Execute.run_id}. */
  readonly run_id: number;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** A peer answered. The shell has stored the frames of what it sent, and drops them again if told so. */
export interface GatherSuccess {
  /** Operation. */
  readonly op: "gather-success";
  /** Echo of {@linkcode GatherDep.worker}. */
  readonly worker: Address;
  /** Bytes of each result that came; may have fewer keys than were asked for. */
  readonly data: ReadonlyMap<Key, number>;
  /** What caused it. */
  readonly stimulus_id: string;
}

/**
 * A client, or the scheduler for one, gave values. The shell has stored their frames, and drops them again if
 * told so.
 */
export interface UpdateData {
  /** Operation. */
  readonly op: "update-data";
  /** Bytes of each value. */
  readonly data: ReadonlyMap<Key, number>;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** A peer has too much to do to answer now. */
export interface GatherBusy {
  /** Operation. */
  readonly op: "gather-busy";
  /** Echo of {@linkcode GatherDep.worker}. */
  readonly worker: Address;
  /** What caused it. */
  readonly stimulus_id: string;
}

/**
 * A peer could not be reached, or the link broke: nothing is asked of it until the scheduler names it again.
 */
export interface GatherNetworkFailure {
  /** Operation. */
  readonly op: "gather-network-failure";
  /** Echo of {@linkcode GatherDep.worker}. */
  readonly worker: Address;
  /** What caused it. */
  readonly stimulus_id: string;
}

/**
 * A peer answered with an error, or with something that can't be used: it counts as not holding those keys.
 */
export interface GatherFailure {
  /** Operation. */
  readonly op: "gather-failure";
  /** Echo of {@linkcode GatherDep.worker}. */
  readonly worker: Address;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Time has passed: what is due is done (Dask: `RetryBusyWorkerEvent`, `FindMissingEvent`). */
export interface Tick {
  /** Operation. */
  readonly op: "tick";
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Begin nothing new: neither tasks nor transfers. What has not begun is withdrawn. */
export interface Pause {
  /** Operation. */
  readonly op: "pause";
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Go on after {@linkcode Pause}. */
export interface Unpause {
  /** Operation. */
  readonly op: "unpause";
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Everything that the state machine handles. */
export type Stimulus =
  | ComputeTask
  | FreeKeys
  | AcquireReplicas
  | RemoveReplicas
  | RefreshWhoHas
  | RemoveWorker
  | ExecuteSuccess
  | ExecuteFailure
  | ExecuteReschedule
  | ExecutionWithdrawn
  | GatherSuccess
  | UpdateData
  | GatherBusy
  | GatherNetworkFailure
  | GatherFailure
  | Tick
  | Pause
  | Unpause;
