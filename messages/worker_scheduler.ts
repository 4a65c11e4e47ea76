/**
 * Messages on the stream between a worker and the scheduler, in both directions. Fields and their meaning are
 * Dask's. Additions of this package are marked "Not in Dask", and described in `docs/wire.md`.
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
  checkStatus,
  checkString,
  checkWhoHas,
  type FunctionHash,
  type Key,
  MessageError,
  type Priority,
  type RawMessage,
  type WorkerStatus,
} from "./common.ts";
import {
  lacking,
  type MessageOf,
  named,
  streamParser,
  THE_SCHEDULER,
  unchecked,
  WORKERS,
} from "./operations.ts";
import { parseRunSpec, type RunSpec } from "./run_spec.ts";

/** A message about keys, with its cause. */
interface AboutKeys {
  /** Keys. */
  readonly keys: readonly Key[];
  /** What caused it. */
  readonly stimulus_id: string;
}

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
  /** Any data. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Thread that ran it. */
  readonly thread: number | null;
  /** Timed steps. */
  readonly startstops: readonly StartStop[];
  /** What caused it. */
  readonly stimulus_id: string;
  /**
   * Not in Dask: the result as one MessagePack frame, if {@linkcode ComputeTask.inline_result} asked for it
   * and it is small.
   */
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
  /** Python's traceback, or null. */
  readonly traceback: Serialized | null;
  /** Short text. */
  readonly exception_text: string;
  /** Stack as text. */
  readonly traceback_text: string;
  /** Thread that ran it. */
  readonly thread: number | null;
  /** Timed steps. */
  readonly startstops: readonly StartStop[];
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: the sender now holds copies of these results. */
export interface AddKeys extends AboutKeys {
  /** Operation. */
  readonly op: "add-keys";
}

/** Worker → scheduler: the sender no longer holds this result. */
export interface ReleaseWorkerData {
  /** Operation. */
  readonly op: "release-worker-data";
  /** Key. */
  readonly key: Key;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: the sender could not run this task; it has to be placed again. */
export interface Reschedule {
  /** Operation. */
  readonly op: "reschedule";
  /** Key. */
  readonly key: Key;
  /** What caused it. */
  readonly stimulus_id: string;
}

/**
 * Worker → scheduler: this task left the thread pool. It keeps running, but no longer occupies a thread of
 * the pool.
 */
export interface LongRunning {
  /** Operation. */
  readonly op: "long-running";
  /** Key. */
  readonly key: Key;
  /** Echo of {@linkcode ComputeTask.run_id}. */
  readonly run_id: number;
  /** Seconds that it ran in the pool; null if unknown. */
  readonly compute_duration: number | null;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: none of the holders that the sender knows has these keys. */
export interface RequestRefreshWhoHas extends AboutKeys {
  /** Operation. */
  readonly op: "request-refresh-who-has";
}

/** Worker → scheduler: the worker's new status. Scheduler → worker: the status that it has to take. */
export interface WorkerStatusChange {
  /** Operation. */
  readonly op: "worker-status-change";
  /** Status. */
  readonly status: WorkerStatus;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Worker → scheduler: sent every minute, to keep the link open. */
export interface KeepAlive {
  /** Operation. */
  readonly op: "keep-alive";
}

/** Worker → scheduler: an event for the log. */
export interface LogEvent {
  /** Operation. */
  readonly op: "log-event";
  /** Topic or topics. */
  readonly topic: string | readonly string[];
  /** Any data. */
  readonly msg: unknown;
}

/** Scheduler → worker: run a task. */
export interface ComputeTask {
  /** Operation. */
  readonly op: "compute-task";
  /** Key. */
  readonly key: Key;
  /** Grows with each assignment, so that late answers can be recognised. */
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
  /** Any data. */
  readonly annotations: Readonly<Record<string, unknown>>;
  /** Dask's span, or null. */
  readonly span_id: string | null;
  /** Not in Dask: a client waits for the result, so {@linkcode TaskFinished} includes it if it is small. */
  readonly inline_result?: boolean;
}

/** Scheduler → worker: these results are no longer needed. */
export interface FreeKeys extends AboutKeys {
  /** Operation. */
  readonly op: "free-keys";
}

/** Scheduler → worker: fetches copies of these results. */
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

/** Scheduler → worker: drops the worker's copies of these results. */
export interface RemoveReplicas extends AboutKeys {
  /** Operation. */
  readonly op: "remove-replicas";
}

/** Scheduler → worker: the current holders of keys. */
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

/** Not in Dask, scheduler → worker: bodies of functions that later tasks name. */
export interface RegisterFunctions {
  /** Operation. */
  readonly op: "register-functions";
  /** Bodies by hash. */
  readonly functions: Readonly<Record<FunctionHash, Uint8Array>>;
}

/**
 * Not in Dask, scheduler → worker: functions that later tasks will not name unless their bodies are sent
 * again.
 */
export interface FreeFunctions {
  /** Operation. */
  readonly op: "free-functions";
  /** Hashes. */
  readonly functions: readonly FunctionHash[];
}

function parseTaskFinished(message: RawMessage): TaskFinished { // hot: per task
  checkKey(message, "key");
  checkNumber(message, "run_id");
  checkSize(message, "nbytes");
  checkString(message, "typename");
  if (message["result"] !== undefined && !(message["result"] instanceof Uint8Array)) {
    throw new MessageError(`Cannot handle "task-finished": field "result" must be bytes`);
  }
  checkStartStops(message);
  return message as unknown as TaskFinished;
}

function parseTaskErred(message: RawMessage): TaskErred {
  checkKey(message, "key");
  checkNumber(message, "run_id");
  checkStartStops(message);
  return message as unknown as TaskErred;
}

function parseLongRunning(message: RawMessage): LongRunning {
  checkKey(message, "key");
  checkNumber(message, "run_id");
  if (message["compute_duration"] !== null) checkNumber(message, "compute_duration");
  return message as unknown as LongRunning;
}

function parseStatusChange(message: RawMessage): WorkerStatusChange {
  checkStatus(message);
  return message as unknown as WorkerStatusChange;
}

/** Parses a message about one task of which only the key has to be checked. */
function aboutTask<Message>(message: RawMessage): Message {
  checkKey(message, "key");
  return message as unknown as Message;
}

/** Returns a parser of messages of operation `op` about keys, which Python may send as a set. */
function aboutKeys<const Op extends string>(
  op: Op,
): (message: RawMessage) => AboutKeys & { readonly op: Op } {
  return (message) => ({
    op,
    keys: checkKeys(message, "keys"),
    stimulus_id: checkString(message, "stimulus_id"),
  });
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

function parseComputeTask(message: RawMessage): ComputeTask { // hot: per task
  checkKey(message, "key");
  checkNumber(message, "run_id");
  checkPriority(message);
  checkString(message, "stimulus_id");
  checkWhoHas(message, "who_has");
  checkRecord(message, "nbytes");
  parseRunSpec(message["run_spec"]);
  return message as unknown as ComputeTask;
}

function parseAcquireReplicas(message: RawMessage): AcquireReplicas {
  checkWhoHas(message, "who_has");
  checkRecord(message, "nbytes");
  return message as unknown as AcquireReplicas;
}

function parseRefreshWhoHas(message: RawMessage): RefreshWhoHas {
  checkWhoHas(message, "who_has");
  return message as unknown as RefreshWhoHas;
}

function parseRemoveWorker(message: RawMessage): RemoveWorker {
  checkAddress(message, "worker");
  return message as unknown as RemoveWorker;
}

function parseClose(message: RawMessage): CloseWorker {
  checkString(message, "reason");
  return message as unknown as CloseWorker;
}

function parseRegisterFunctions(message: RawMessage): RegisterFunctions {
  checkRecord(message, "functions");
  return message as unknown as RegisterFunctions;
}

function parseFreeFunctions(message: RawMessage): FreeFunctions {
  checkKeys(message, "functions");
  return message as unknown as FreeFunctions;
}

/** Messages from a worker on its stream, which only `register-worker` opens. */
export const WORKER_STREAM = named({
  "task-finished": { access: WORKERS, parse: parseTaskFinished },
  "task-erred": { access: WORKERS, parse: parseTaskErred },
  "add-keys": { access: WORKERS, parse: aboutKeys("add-keys") },
  "release-worker-data": { access: WORKERS, parse: aboutTask<ReleaseWorkerData> },
  "reschedule": { access: WORKERS, parse: aboutTask<Reschedule> },
  "long-running": { access: WORKERS, parse: parseLongRunning },
  "request-refresh-who-has": { access: WORKERS, parse: aboutKeys("request-refresh-who-has") },
  "worker-status-change": { access: WORKERS, parse: parseStatusChange },
  "keep-alive": { access: WORKERS, parse: unchecked<KeepAlive> },
  "log-event": { access: WORKERS, parse: unchecked<LogEvent> },
  "close-stream": { access: WORKERS, parse: unchecked<CloseStream> },
  ...lacking(["steal-response"]),
});

/** Messages from the scheduler on a worker's stream, after the registration. */
export const WORKER_COMMANDS = named({
  "compute-task": { access: THE_SCHEDULER, parse: parseComputeTask },
  "free-keys": { access: THE_SCHEDULER, parse: aboutKeys("free-keys") },
  "acquire-replicas": { access: THE_SCHEDULER, parse: parseAcquireReplicas },
  "remove-replicas": { access: THE_SCHEDULER, parse: aboutKeys("remove-replicas") },
  "refresh-who-has": { access: THE_SCHEDULER, parse: parseRefreshWhoHas },
  "remove-worker": { access: THE_SCHEDULER, parse: parseRemoveWorker },
  "worker-status-change": { access: THE_SCHEDULER, parse: parseStatusChange },
  "close": { access: THE_SCHEDULER, parse: parseClose },
  "register-functions": { access: THE_SCHEDULER, parse: parseRegisterFunctions },
  "free-functions": { access: THE_SCHEDULER, parse: parseFreeFunctions },
  "close-stream": { access: THE_SCHEDULER, parse: unchecked<CloseStream> },
  ...lacking(["cancel-compute", "shuffle-fail", "steal-request"]),
});

/** Any message from a worker on its stream. */
export type WorkerStreamMessage = MessageOf<typeof WORKER_STREAM>;

/** Any message from the scheduler on a worker's stream, after the registration. */
export type WorkerCommand = MessageOf<typeof WORKER_COMMANDS>;

/** Parses a message from a worker. Throws {@linkcode MessageError} if it is invalid. */
export const parseWorkerStreamMessage: (message: RawMessage) => WorkerStreamMessage = streamParser(
  WORKER_STREAM,
  (op): never => {
    throw new MessageError(`Cannot handle "${op}" on a worker's stream`);
  },
);

/** Parses a message from the scheduler to a worker. Throws {@linkcode MessageError} if it is invalid. */
export const parseWorkerCommand: (message: RawMessage) => WorkerCommand = streamParser(
  WORKER_COMMANDS,
  (op): never => {
    throw new MessageError(`Cannot handle "${op}" on the scheduler's stream`);
  },
);
