/**
 * The stream between a worker and the scheduler, both directions. Fields and their meaning are Dask's; what
 * our roles add is marked and written down in `docs/wire.md`.
 *
 * @module
 */

import type { Serialized } from "../protocol/serialized.ts";
import type { CloseStream } from "./client_scheduler.ts";
import {
  type Address,
  checkAddress,
  checkKey,
  checkKeys,
  checkNumber,
  checkRecord,
  checkSize,
  checkString,
  checkWhoHas,
  type FunctionHash,
  type Key,
  MessageError,
  type Priority,
  type RawMessage,
  type WorkerStatus,
} from "./common.ts";
import { parseRunSpec, type RunSpec } from "./run_spec.ts";

/** One timed step of a task, in seconds since the epoch. */
export interface StartStop {
  /** What was done. */
  readonly action: "compute" | "transfer" | "deserialize" | "disk-read" | "disk-write";
  /** Begin. */
  readonly start: number;
  /** End. */
  readonly stop: number;
  /** Peer, for a transfer. */
  readonly source?: Address;
}

/** Worker → scheduler: a task's result is in memory here. */
export interface TaskFinished {
  /** Operation. */
  readonly op: "task-finished";
  /** Always `"OK"`. */
  readonly status: "OK";
  /** Key. */
  readonly key: Key;
  /** Echo of {@linkcode ComputeTask.run_id}. */
  readonly run_id: number;
  /** Bytes of the serialized result. */
  readonly nbytes: number;
  /** Pickle of the result's type, or of its name. */
  readonly type: Uint8Array;
  /** Name of the result's type. */
  readonly typename: string;
  /** Free. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Which thread ran it. */
  readonly thread: number | null;
  /** When it ran. */
  readonly startstops: readonly StartStop[];
  /** What caused it. */
  readonly stimulus_id: string;
  /** Ours: the result, one MessagePack frame, if asked for by {@linkcode ComputeTask.inline_result} and small. */
  readonly result?: Uint8Array;
}

/** Worker → scheduler: a task failed. */
export interface TaskErred {
  /** Operation. */
  readonly op: "task-erred";
  /** Always `"error"`. */
  readonly status: "error";
  /** Key. */
  readonly key: Key;
  /** Echo of {@linkcode ComputeTask.run_id}. */
  readonly run_id: number;
  /** The error; see `protocol/remote_error.ts`. */
  readonly exception: Serialized;
  /** Python's traceback, or nothing. */
  readonly traceback: Serialized | null;
  /** Short text. */
  readonly exception_text: string;
  /** Stack as text. */
  readonly traceback_text: string;
  /** Which thread ran it. */
  readonly thread: number | null;
  /** When it ran. */
  readonly startstops: readonly StartStop[];
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: holds replicas of these now. */
export interface AddKeys {
  /** Operation. */
  readonly op: "add-keys";
  /** Keys. */
  readonly keys: readonly Key[];
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: no longer holds this. */
export interface ReleaseWorkerData {
  /** Operation. */
  readonly op: "release-worker-data";
  /** Key. */
  readonly key: Key;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: could not run this; place it anew. */
export interface Reschedule {
  /** Operation. */
  readonly op: "reschedule";
  /** Key. */
  readonly key: Key;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: a task left the pool of threads, and goes on running. */
export interface LongRunning {
  /** Operation. */
  readonly op: "long-running";
  /** Key. */
  readonly key: Key;
  /** Echo of {@linkcode ComputeTask.run_id}. */
  readonly run_id: number;
  /** Seconds that it ran in the pool, or nothing if that was told before. */
  readonly compute_duration: number | null;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: this task left the thread pool and goes on without a thread of its own. */
export interface LongRunning {
  /** Operation. */
  readonly op: "long-running";
  /** Key. */
  readonly key: Key;
  /** Echo of {@linkcode ComputeTask.run_id}. */
  readonly run_id: number;
  /** Seconds that it ran in the pool, or nothing if not known. */
  readonly compute_duration: number | null;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: nobody I know of has these. */
export interface RequestRefreshWhoHas {
  /** Operation. */
  readonly op: "request-refresh-who-has";
  /** Keys. */
  readonly keys: readonly Key[];
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Either direction: the worker's status is, or shall be, this. */
export interface WorkerStatusChange {
  /** Operation. */
  readonly op: "worker-status-change";
  /** Status. */
  readonly status: WorkerStatus;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler, every minute. */
export interface KeepAlive {
  /** Operation. */
  readonly op: "keep-alive";
}

/** Worker → scheduler: something for the log. */
export interface LogEvent {
  /** Operation. */
  readonly op: "log-event";
  /** Topic or topics. */
  readonly topic: string | readonly string[];
  /** Anything. */
  readonly msg: unknown;
}

/** Everything a worker says on its stream. */
export type WorkerStreamMessage =
  | TaskFinished
  | TaskErred
  | AddKeys
  | ReleaseWorkerData
  | Reschedule
  | LongRunning
  | RequestRefreshWhoHas
  | WorkerStatusChange
  | KeepAlive
  | LogEvent
  | CloseStream;

/** Scheduler → worker: run a task. */
export interface ComputeTask {
  /** Operation. */
  readonly op: "compute-task";
  /** Key. */
  readonly key: Key;
  /** Grows with every assignment, so that late answers are told apart. */
  readonly run_id: number;
  /** Smaller runs first. */
  readonly priority: Priority;
  /** What caused it. */
  readonly stimulus_id: string;
  /** Holders of each dependency. */
  readonly who_has: Readonly<Record<string, readonly Address[]>>;
  /** Bytes of each dependency. */
  readonly nbytes: Readonly<Record<string, number>>;
  /** The task. */
  readonly run_spec: RunSpec;
  /** Abstract resources. */
  readonly resource_restrictions: Readonly<Record<string, number>> | null;
  /** Whether the result is an actor. */
  readonly actor: boolean;
  /** Free. */
  readonly annotations: Readonly<Record<string, unknown>>;
  /** Dask's span, or nothing. */
  readonly span_id: string | null;
  /** Ours: a client waits for the result, so put it into {@linkcode TaskFinished} if it is small. */
  readonly inline_result?: boolean;
}

/** Scheduler → worker: nobody needs these any more. */
export interface FreeKeys {
  /** Operation. */
  readonly op: "free-keys";
  /** Keys. */
  readonly keys: readonly Key[];
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Scheduler → worker: fetch replicas of these. */
export interface AcquireReplicas {
  /** Operation. */
  readonly op: "acquire-replicas";
  /** Holders of each. */
  readonly who_has: Readonly<Record<string, readonly Address[]>>;
  /** Bytes of each. */
  readonly nbytes: Readonly<Record<string, number>>;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Scheduler → worker: drop your replicas of these. */
export interface RemoveReplicas {
  /** Operation. */
  readonly op: "remove-replicas";
  /** Keys. */
  readonly keys: readonly Key[];
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Scheduler → worker: these are the holders now. */
export interface RefreshWhoHas {
  /** Operation. */
  readonly op: "refresh-who-has";
  /** Holders of each. */
  readonly who_has: Readonly<Record<string, readonly Address[]>>;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Scheduler → worker: a peer left. */
export interface RemoveWorker {
  /** Operation. */
  readonly op: "remove-worker";
  /** The peer. */
  readonly worker: Address;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Scheduler → worker: shut down. */
export interface CloseWorker {
  /** Operation. */
  readonly op: "close";
  /** Why. */
  readonly reason: string;
}

/** Ours, scheduler → worker: bodies of functions that tasks after this message name. */
export interface RegisterFunctions {
  /** Operation. */
  readonly op: "register-functions";
  /** Bodies by hash. */
  readonly functions: Readonly<Record<FunctionHash, Uint8Array>>;
}

/** Ours, scheduler → worker: no task will name these again without a new body. */
export interface FreeFunctions {
  /** Operation. */
  readonly op: "free-functions";
  /** Hashes. */
  readonly functions: readonly FunctionHash[];
}

/** Everything the scheduler says on a worker's stream once it is registered. */
export type WorkerCommand =
  | ComputeTask
  | FreeKeys
  | AcquireReplicas
  | RemoveReplicas
  | RefreshWhoHas
  | RemoveWorker
  | WorkerStatusChange
  | CloseWorker
  | RegisterFunctions
  | FreeFunctions
  | CloseStream;

const STATUSES: ReadonlySet<string> = new Set<WorkerStatus>([
  "init",
  "running",
  "paused",
  "closing_gracefully",
  "closing",
  "closed",
]);

/** Checks that `message.status` is a worker's status. Throws {@linkcode MessageError}. */
export function checkStatus(message: RawMessage): WorkerStatus {
  const status = checkString(message, "status");
  if (STATUSES.has(status)) return status as WorkerStatus;
  throw new MessageError(`Cannot handle "${String(message["op"])}": no status is called "${status}"`);
}

/** Checks a message from a worker. Throws {@linkcode MessageError} if it is not one. */
export function parseWorkerStreamMessage(message: RawMessage): WorkerStreamMessage {
  switch (message["op"]) {
    case "task-finished": // hot: per task
      checkKey(message, "key");
      checkNumber(message, "run_id");
      checkSize(message, "nbytes");
      checkString(message, "typename");
      if (message["result"] !== undefined && !(message["result"] instanceof Uint8Array)) {
        throw new MessageError(`Cannot handle "task-finished": field "result" must be bytes`);
      }
      checkStartStops(message);
      break;
    case "task-erred":
      checkKey(message, "key");
      checkNumber(message, "run_id");
      checkStartStops(message);
      break;
    case "release-worker-data":
    case "reschedule":
      checkKey(message, "key");
      break;
    case "long-running":
      checkKey(message, "key");
      checkNumber(message, "run_id");
      if (message["compute_duration"] !== null) checkNumber(message, "compute_duration");
      break;
    case "add-keys":
    case "request-refresh-who-has":
      return {
        op: message["op"],
        keys: checkKeys(message, "keys"),
        stimulus_id: checkString(message, "stimulus_id"),
      };
    case "worker-status-change":
      checkStatus(message);
      break;
    case "keep-alive":
    case "log-event":
    case "close-stream":
      break;
    default:
      throw new MessageError(`Cannot handle "${String(message["op"])}" on a worker's stream`);
  }
  return message as unknown as WorkerStreamMessage;
}

function checkStartStops(message: RawMessage): void {
  const startstops = message["startstops"];
  if (Array.isArray(startstops)) {
    let valid = true;
    for (let i = 0; i < startstops.length; i++) {
      const { start, stop } = (startstops[i] ?? {}) as { start?: unknown; stop?: unknown };
      if (typeof start !== "number" || typeof stop !== "number") valid = false;
    }
    if (valid) return;
  }
  throw new MessageError(
    `Cannot handle "${String(message["op"])}": field "startstops" must be a list of timed steps`,
  );
}

function checkPriority(message: RawMessage): void {
  const priority = message["priority"];
  if (Array.isArray(priority)) {
    let valid = priority.length > 0;
    for (let i = 0; i < priority.length; i++) if (typeof priority[i] !== "number") valid = false;
    if (valid) return;
  }
  throw new MessageError(`Cannot handle "compute-task": field "priority" must be a list of numbers`);
}

/** Checks a message from the scheduler to a worker. Throws {@linkcode MessageError} if it is not one. */
export function parseWorkerCommand(message: RawMessage): WorkerCommand {
  switch (message["op"]) {
    case "compute-task": // hot: per task
      checkKey(message, "key");
      checkNumber(message, "run_id");
      checkPriority(message);
      checkString(message, "stimulus_id");
      checkWhoHas(message, "who_has");
      checkRecord(message, "nbytes");
      parseRunSpec(message["run_spec"]);
      break;
    case "free-keys":
    case "remove-replicas":
      return {
        op: message["op"],
        keys: checkKeys(message, "keys"),
        stimulus_id: checkString(message, "stimulus_id"),
      };
    case "acquire-replicas":
      checkWhoHas(message, "who_has");
      checkRecord(message, "nbytes");
      break;
    case "refresh-who-has":
      checkWhoHas(message, "who_has");
      break;
    case "remove-worker":
      checkAddress(message, "worker");
      break;
    case "worker-status-change":
      checkStatus(message);
      break;
    case "close":
      checkString(message, "reason");
      break;
    case "register-functions":
      checkRecord(message, "functions");
      break;
    case "free-functions":
      checkKeys(message, "functions");
      break;
    case "close-stream":
      break;
    default:
      throw new MessageError(`Cannot handle "${String(message["op"])}" on the scheduler's stream`);
  }
  return message as unknown as WorkerCommand;
}
