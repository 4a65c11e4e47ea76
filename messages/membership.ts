/**
 * How clients and workers join a scheduler, and how workers stay and leave.
 *
 * @module
 */

import {
  type Address,
  checkAddress,
  checkNumber,
  checkRecord,
  checkStatus,
  checkString,
  type ClientId,
  isNumber,
  isRecord,
  isText,
  listOf,
  MessageError,
  optional,
  type RawMessage,
  type WorkerStatus,
} from "./common.ts";
import type { Versions, WorkerMetrics } from "./facts.ts";

/** Maximum number of threads of a worker. */
const NTHREADS_MAX = 65_536;
/** Characters of the name of a cause: stories outlive what they tell of. A longer one is left out. */
const CAUSE_MAX = 256;

/**
 * Client → scheduler: registers the client, and turns the comm into its stream. The stream begins with a list
 * of one {@linkcode StreamStart}.
 */
export interface RegisterClient {
  /** Operation. */
  readonly op: "register-client";
  /** Name of the client. */
  readonly client: ClientId;
  /** Versions of its host and packages. */
  readonly versions: Versions;
  /** Always false: the answer is a stream message. */
  readonly reply: false;
}

/** First message on a client's stream. */
export interface StreamStart {
  /** Operation. */
  readonly op: "stream-start";
  /** Text to show to the user. */
  readonly warning?: string;
  /** If not empty, the client must give up. */
  readonly error?: string;
}

/**
 * Worker → scheduler: registers the worker, and turns the comm into its stream, after a reply that is a
 * single map.
 */
export interface RegisterWorker {
  /** Operation. */
  readonly op: "register-worker";
  /** Always false: the handler itself sends the {@linkcode RegisterWorkerReply}. */
  readonly reply: false;
  /** Address that peers dial. */
  readonly address: Address;
  /** `"init"`; `"running"` follows on the stream. */
  readonly status: WorkerStatus;
  /** Number of tasks that it runs at once. */
  readonly nthreads: number;
  /** Unique in the cluster. */
  readonly name: string;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Abstract resources. */
  readonly resources: Readonly<Record<string, number>>;
  /** Memory limit in bytes; null for no limit. */
  readonly memory_limit: number | null;
  /** Folder that it spills to. */
  readonly local_directory: string;
  /** Ports of HTTP services. */
  readonly services: Readonly<Record<string, number>>;
  /** Its nanny, if any. */
  readonly nanny: Address | null;
  /** Process id. */
  readonly pid: number;
  /** Versions of its host and packages. */
  readonly versions: Versions;
  /** First metrics. */
  readonly metrics: WorkerMetrics;
  /** Any data; workers of this package send `{ runtime: "deno" }`. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** What caused it. */
  readonly stimulus_id: string;
  /** `Worker-<uuid>`: id of this instance. */
  readonly server_id: string;
}

/** Answer to {@linkcode RegisterWorker}. */
export interface RegisterWorkerReply {
  /** `"OK"`, or `"error"` with `message`. */
  readonly status: "OK" | "error";
  /** Reason of the refusal. */
  readonly message?: string;
  /** Seconds since the epoch. */
  readonly time: number;
  /** Seconds until the next heartbeat. */
  readonly "heartbeat-interval"?: number;
  /** Pickled plugins of a Python scheduler; ignored here. */
  readonly "worker-plugins"?: Readonly<Record<string, Uint8Array>>;
  /** Text for the log. */
  readonly warning?: string;
}

/** Worker → scheduler: a heartbeat. */
export interface HeartbeatWorker {
  /** Operation. */
  readonly op: "heartbeat_worker";
  /** Address of the worker. */
  readonly address: Address;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Metrics of the worker. */
  readonly metrics: WorkerMetrics;
  /** Seconds that each running task has run, by key. */
  readonly executing: Readonly<Record<string, number>>;
  /** Any data, by extension. */
  readonly extensions: Readonly<Record<string, unknown>>;
}

/**
 * Answer to {@linkcode HeartbeatWorker}. `"missing"`: the scheduler does not know the worker, which must end.
 */
export interface HeartbeatWorkerReply {
  /** Whether the worker is known. */
  readonly status: "OK" | "missing";
  /** Seconds since the epoch. */
  readonly time?: number;
  /** Seconds until the next heartbeat. */
  readonly "heartbeat-interval"?: number;
}

/** Worker → scheduler: the sender leaves on purpose. */
export interface Unregister {
  /** Operation. */
  readonly op: "unregister";
  /** Address of the worker. */
  readonly address: Address;
  /** What caused it. */
  readonly stimulus_id?: string;
}

/** Client or worker → scheduler: copies these workers' results to others, then removes the workers. */
export interface RetireWorkers {
  /** Operation. */
  readonly op: "retire_workers";
  /** Addresses. */
  readonly workers?: readonly string[] | undefined;
  /** Names, instead of addresses. */
  readonly names?: readonly string[] | undefined;
  /** Number of workers to retire, the cheapest first, if no workers are named. */
  readonly n?: number | undefined;
  /** Number of workers to keep, if no workers are named. */
  readonly target?: number | undefined;
  /** Minimum number of workers to keep, if no workers are named. */
  readonly minimum?: number | undefined;
  /** Memory of the workers that stay, as a multiple of the bytes in use, if no workers are named. */
  readonly memory_ratio?: number | undefined;
  /** Whether the workers are told to shut down. Default false. */
  readonly close_workers?: boolean | undefined;
  /** Whether the scheduler forgets them at once. Default true. */
  readonly remove?: boolean | undefined;
  /** What caused it. */
  readonly stimulus_id?: string | undefined;
}

/** Checks a `register-client`. Throws {@linkcode MessageError}. */
export function parseRegisterClient(message: RawMessage): RegisterClient {
  return {
    op: "register-client",
    client: checkString(message, "client") as ClientId,
    versions: versionsOf(message),
    reply: false,
  };
}

/** Whether `value` is the first message of a client's stream. */
export function isStreamStart(value: unknown): value is readonly [StreamStart] {
  const start: unknown = Array.isArray(value) ? value[0] : undefined;
  return isRecord(start) && start["op"] === "stream-start" &&
    isTextOrAbsent(start["warning"]) && isTextOrAbsent(start["error"]);
}

/** Checks a `register-worker`. Throws {@linkcode MessageError}. */
export function parseRegisterWorker(message: RawMessage): RegisterWorker {
  const { name } = message as { name?: unknown };
  if (!isText(name) && !isNumber(name)) {
    throw new MessageError(`Cannot register a worker: field "name" must be a string or a number`);
  }
  return {
    op: "register-worker",
    reply: false,
    address: checkAddress(message, "address"),
    status: checkStatus(message),
    nthreads: threadsOf(message),
    name: String(name),
    now: checkNumber(message, "now"),
    resources: checkRecord(message, "resources") as Readonly<Record<string, number>>,
    memory_limit: memoryLimitOf(message),
    local_directory: textOf(message, "local_directory"),
    services: recordOf(message, "services") as Readonly<Record<string, number>>,
    nanny: isText(message["nanny"]) ? message["nanny"] as Address : null,
    pid: isNumber(message["pid"]) ? message["pid"] : 0,
    versions: versionsOf(message),
    metrics: parseMetrics(message),
    extra: recordOf(message, "extra"),
    stimulus_id: textOf(message, "stimulus_id"),
    server_id: textOf(message, "server_id"),
  };
}

/** Whether `value` is an answer to {@linkcode RegisterWorker}. */
export function isRegisterWorkerReply(value: unknown): value is RegisterWorkerReply {
  return isRecord(value) && (value["status"] === "OK" || value["status"] === "error") &&
    isTextOrAbsent(value["message"]) && hasInterval(value);
}

/** Checks a `heartbeat_worker`. Throws {@linkcode MessageError}. */
export function parseHeartbeatWorker(message: RawMessage): HeartbeatWorker {
  return {
    op: "heartbeat_worker",
    address: checkAddress(message, "address"),
    now: isNumber(message["now"]) ? message["now"] : 0,
    metrics: parseMetrics(message),
    executing: checkRecord(message, "executing") as Readonly<Record<string, number>>,
    extensions: recordOf(message, "extensions"),
  };
}

/** Whether `value` is an answer to {@linkcode HeartbeatWorker}. */
export function isHeartbeatWorkerReply(value: unknown): value is HeartbeatWorkerReply {
  return isRecord(value) && (value["status"] === "OK" || value["status"] === "missing") && hasInterval(value);
}

/** Checks an `unregister`. Throws {@linkcode MessageError}. */
export function parseUnregister(message: RawMessage): Unregister {
  const { stimulus_id } = message as { stimulus_id?: unknown };
  return {
    op: "unregister",
    address: checkAddress(message, "address"),
    ...isText(stimulus_id) && stimulus_id.length <= CAUSE_MAX && { stimulus_id },
  };
}

/** Checks a `retire_workers`. Throws {@linkcode MessageError}. */
export function parseRetireWorkers(message: RawMessage): RetireWorkers {
  for (const field of ["key", "attribute"]) {
    if (message[field] !== undefined && message[field] !== null) {
      throw new MessageError(`Cannot handle "retire_workers": field "${field}" is not supported`);
    }
  }
  const cause = optional(message, "stimulus_id", isText);
  return {
    op: "retire_workers",
    workers: optional(message, "workers", listOf(isText)),
    names: optional(message, "names", listOf(isName))?.map(String),
    n: optional(message, "n", isCount),
    target: optional(message, "target", isCount),
    minimum: optional(message, "minimum", isCount),
    memory_ratio: optional(message, "memory_ratio", isNumber),
    close_workers: optional(message, "close_workers", isBoolean),
    remove: optional(message, "remove", isBoolean),
    stimulus_id: cause !== undefined && cause.length <= CAUSE_MAX ? cause : undefined,
  };
}

/** Checks the fields of `message.metrics` that are used. */
function parseMetrics(message: RawMessage): WorkerMetrics {
  const metrics = checkRecord(message, "metrics");
  if (!isRecord(metrics["bandwidth"])) {
    throw new MessageError(`Cannot handle "${String(message["op"])}": metrics have no bandwidth`);
  }
  return metrics as unknown as WorkerMetrics;
}

function threadsOf(message: RawMessage): number {
  const nthreads = checkNumber(message, "nthreads");
  if (Number.isInteger(nthreads) && nthreads >= 1 && nthreads <= NTHREADS_MAX) return nthreads;
  throw new MessageError(`Cannot register a worker with ${nthreads} threads`);
}

function memoryLimitOf(message: RawMessage): number | null {
  const isUnlimited = message["memory_limit"] === null || message["memory_limit"] === undefined;
  return isUnlimited ? null : checkNumber(message, "memory_limit");
}

/** Missing versions become empty maps. */
function versionsOf(message: RawMessage): Versions {
  const versions = recordOf(message, "versions");
  return {
    host: recordOf(versions, "host") as Versions["host"],
    packages: recordOf(versions, "packages") as Versions["packages"],
  };
}

function recordOf(message: RawMessage, field: string): RawMessage {
  const value = message[field];
  return isRecord(value) ? value : {};
}

function textOf(message: RawMessage, field: string): string {
  const value = message[field];
  return isText(value) ? value : "";
}

function hasInterval(reply: RawMessage): boolean {
  const interval = reply["heartbeat-interval"];
  return interval === undefined || isNumber(interval);
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || isText(value);
}

function isName(value: unknown): value is string | number {
  return isText(value) || isNumber(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}
