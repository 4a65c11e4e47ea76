/**
 * Messages on the stream between a client and the scheduler, in both directions. Fields and their meaning are
 * Dask's, except for the graph: Dask sends a pickled expression, this package sends rows (see
 * `docs/wire.md`).
 *
 * @module
 */

import type { Serialized } from "../protocol/serialized.ts";
import {
  type Address,
  checkArray,
  checkBoolean,
  checkKey,
  checkKeys,
  checkNumber,
  checkRecord,
  checkString,
  type ClientId,
  type FunctionHash,
  isSize,
  type Key,
  MessageError,
  type RawMessage,
} from "./common.ts";
import {
  lacking,
  type MessageOf,
  named,
  OBSERVE,
  streamParser,
  SUBMIT,
  THE_SCHEDULER,
  unchecked,
} from "./operations.ts";
import { KEY_MAX, keyFromWire } from "./keys.ts";
import { isReferenceList, isTaskArguments, type Reference, type TaskArguments } from "./run_spec.ts";

/** A task in a graph: its key, its arguments, and the places of other tasks' results in them. */
export type TaskRow = readonly [key: Key, args: TaskArguments, references: readonly Reference[]];

/** Tasks of one function. */
export interface TaskGroupRows {
  /** The function that all tasks call. */
  readonly function: FunctionHash;
  /** One row per task. */
  readonly tasks: readonly TaskRow[];
}

/** Options of all tasks of a graph, in the spelling of Dask's annotations. */
export interface GraphAnnotations {
  /** Higher runs earlier. Default: 0. */
  readonly priority?: number;
  /** Addresses, names or hosts of workers that may run the tasks. Default: any. */
  readonly workers?: readonly string[];
  /** Whether `workers` is only a preference. Default: false. */
  readonly allow_other_workers?: boolean;
  /** Number of times that a failed task runs again. Default: 0. */
  readonly retries?: number;
}

/** Client → scheduler: new tasks. The sender wants all of them. */
export interface UpdateGraph {
  /** Operation. */
  readonly op: "update-graph";
  /**
   * The tasks, by function. A task can refer to tasks before it in the message, and to tasks that the
   * scheduler knows.
   */
  readonly groups: readonly TaskGroupRows[];
  /** Function bodies that this client has not sent yet, or has released since. */
  readonly functions: Readonly<Record<FunctionHash, Uint8Array>>;
  /** Options of all tasks. */
  readonly annotations: GraphAnnotations;
  /** Seconds within which graphs share a generation. */
  readonly fifo_timeout: number;
}

/** Client → scheduler: this client no longer needs these function bodies. */
export interface ClientReleasesFunctions {
  /** Operation. */
  readonly op: "client-releases-functions";
  /** Hashes sent before in {@linkcode UpdateGraph.functions}. */
  readonly functions: readonly FunctionHash[];
}

/** Client → scheduler: the sender wants these keys, which other clients submitted. */
export interface ClientDesiresKeys {
  /** Operation. */
  readonly op: "client-desires-keys";
  /** Keys. */
  readonly keys: readonly Key[];
}

/** Client → scheduler: the sender no longer wants these keys. */
export interface ClientReleasesKeys {
  /** Operation. */
  readonly op: "client-releases-keys";
  /** Keys. */
  readonly keys: readonly Key[];
}

/** Client → scheduler: cancels these keys. */
export interface CancelKeys {
  /** Operation. */
  readonly op: "cancel-keys";
  /** Keys. */
  readonly keys: readonly Key[];
  /** Whether they are cancelled even if other clients want them. */
  readonly force: boolean;
  /** Reason that clients are told. */
  readonly reason: string;
  /** Longer text, or null. */
  readonly msg: string | null;
}

/** Client → scheduler: asks for another report about this key. */
export interface ReportKey {
  /** Operation. */
  readonly op: "report-key";
  /** Key. */
  readonly key: Key;
}

/** Client → scheduler: the sender stored values on workers, and wants them. */
export interface UpdateData {
  /** Operation. */
  readonly op: "update-data";
  /** Holders of each key. */
  readonly who_has: Readonly<Record<Key, readonly Address[]>>;
  /** Bytes of each. */
  readonly nbytes: Readonly<Record<Key, number>>;
  /** The sender; Dask requires it. */
  readonly client: ClientId;
}

/** Client → scheduler: a heartbeat. */
export interface HeartbeatClient {
  /** Operation. */
  readonly op: "heartbeat-client";
}

/** Client → scheduler: the sender leaves; all keys that it wants are released. */
export interface CloseClient {
  /** Operation. */
  readonly op: "close-client";
}

/** Either side of any stream: the last message. */
export interface CloseStream {
  /** Operation. */
  readonly op: "close-stream";
}

/** Scheduler → client: the task's result is in the memory of a worker. */
export interface KeyInMemory {
  /** Operation. */
  readonly op: "key-in-memory";
  /** Key. */
  readonly key: Key;
  /** Pickle of the result's type, or of its name. */
  readonly type?: Uint8Array | null;
  /** Holders of the result; Python's scheduler usually leaves it out. */
  readonly workers?: readonly Address[];
  /** The result itself as a MessagePack frame, if it is small and was just computed (see `docs/wire.md`). */
  readonly result?: Uint8Array;
}

/** Scheduler → client: the task failed. */
export interface ClientTaskErred {
  /** Operation. */
  readonly op: "task-erred";
  /** Key. */
  readonly key: Key;
  /** The error; see `protocol/remote_error.ts`. */
  readonly exception: Serialized | Uint8Array | string | null;
  /** Python's traceback, or null. */
  readonly traceback: unknown;
}

/** Scheduler → client: the result was lost. It is computed again if possible. */
export interface LostData {
  /** Operation. */
  readonly op: "lost-data";
  /** Key. */
  readonly key: Key;
}

/** Scheduler → client: the failed task runs again. */
export interface TaskRetried {
  /** Operation. */
  readonly op: "task-retried";
  /** Key. */
  readonly key: Key;
}

/** Scheduler → client: these keys will never be computed. */
export interface CancelledKeys {
  /** Operation. */
  readonly op: "cancelled-keys";
  /** Keys. */
  readonly keys: readonly Key[];
  /** Why. */
  readonly reason?: string | null;
  /** Longer reason. */
  readonly msg?: string | null;
}

/** Scheduler → client: the interval between {@linkcode HeartbeatClient}s. */
export interface AdjustHeartbeatInterval {
  /** Operation. */
  readonly op: "adjust-heartbeat-interval";
  /** Seconds. */
  readonly interval: number;
}

/** Scheduler → client: goodbye. */
export interface StreamClosed {
  /** Operation. */
  readonly op: "stream-closed";
}

function parseReleaseFunctions(message: RawMessage): ClientReleasesFunctions {
  const functions: readonly string[] = checkKeys(message, "functions");
  return { op: "client-releases-functions", functions: functions as readonly FunctionHash[] };
}

function parseDesiresKeys(message: RawMessage): ClientDesiresKeys {
  return { op: "client-desires-keys", keys: checkKeys(message, "keys") };
}

function parseReleasesKeys(message: RawMessage): ClientReleasesKeys {
  return { op: "client-releases-keys", keys: checkKeys(message, "keys") };
}

function parseCancelKeys(message: RawMessage): CancelKeys {
  return {
    op: "cancel-keys",
    keys: checkKeys(message, "keys"),
    force: checkBoolean(message, "force"),
    reason: checkString(message, "reason"),
    msg: typeof message["msg"] === "string" ? message["msg"] : null,
  };
}

/** Parses a message about one task of which only the key has to be checked. */
function aboutKey<Message>(message: RawMessage): Message {
  checkKey(message, "key");
  return message as unknown as Message;
}

/** Checks an `update-data`. Throws {@linkcode MessageError}. */
export function parseUpdateData(message: RawMessage): UpdateData {
  const whoHas = checkRecord(message, "who_has");
  const nbytes = checkRecord(message, "nbytes");
  for (const key in whoHas) {
    const workers = whoHas[key];
    const size = Object.hasOwn(nbytes, key) ? nbytes[key] : -1;
    if (keyFromWire(key) === undefined) {
      throw new MessageError(`Cannot handle "update-data": a key is longer than ${KEY_MAX}`);
    }
    if (!Array.isArray(workers) || workers.some((name) => typeof name !== "string")) {
      throw new MessageError(`Cannot handle "update-data": holders of "${key}" are no list of addresses`);
    }
    if (!isSize(size)) {
      throw new MessageError(`Cannot handle "update-data": size of "${key}" is no number of bytes`);
    }
  }
  checkString(message, "client");
  return message as unknown as UpdateData;
}

function parseUpdateGraph(message: RawMessage): UpdateGraph {
  if ("expr_ser" in message) {
    throw new MessageError(
      `Cannot handle "update-graph": the graph is a Python expression, and this scheduler runs tasks of TypeScript clients`,
    );
  }
  for (const group of checkArray(message, "groups")) {
    const raw = { op: "update-graph", ...group as RawMessage };
    checkString(raw, "function");
    for (const row of checkArray(raw, "tasks")) {
      // hot: per task
      if (
        !Array.isArray(row) || row.length !== 3 || keyFromWire(row[0]) === undefined ||
        !isTaskArguments(row[1]) || !isReferenceList(row[2])
      ) throw new MessageError(`Cannot handle "update-graph": a task is not [key, args, references]`);
    }
  }
  const functions = checkRecord(message, "functions");
  for (const hash in functions) {
    if (!(functions[hash] instanceof Uint8Array)) {
      throw new MessageError(`Cannot handle "update-graph": body of function ${hash} must be bytes`);
    }
  }
  checkAnnotations(checkRecord(message, "annotations"));
  checkNumber(message, "fifo_timeout");
  return message as unknown as UpdateGraph;
}

const ANNOTATIONS: Readonly<Record<string, (value: unknown) => boolean>> = {
  priority: (value) => typeof value === "number" && Number.isFinite(value),
  workers: (value) => Array.isArray(value) && value.every((name) => typeof name === "string"),
  allow_other_workers: (value) => typeof value === "boolean",
  retries: (value) => Number.isInteger(value) && (value as number) >= 0,
};

function checkAnnotations(annotations: Readonly<Record<string, unknown>>): void {
  for (const name in annotations) {
    const valid = Object.hasOwn(ANNOTATIONS, name) ? ANNOTATIONS[name] : undefined;
    if (valid === undefined) {
      throw new MessageError(
        `Cannot handle "update-graph": annotation "${name}" is not supported (known: ${
          Object.keys(ANNOTATIONS).join(", ")
        })`,
      );
    }
    if (!valid(annotations[name])) {
      throw new MessageError(`Cannot handle "update-graph": annotation "${name}" has a wrong type`);
    }
  }
}

function parseKeyInMemory(message: RawMessage): KeyInMemory { // hot: per task
  checkKey(message, "key");
  if (message["result"] !== undefined && !(message["result"] instanceof Uint8Array)) {
    throw new MessageError(`Cannot handle "key-in-memory": field "result" must be bytes`);
  }
  return message as unknown as KeyInMemory;
}

function parseCancelledKeys(message: RawMessage): CancelledKeys {
  return {
    op: "cancelled-keys",
    keys: checkKeys(message, "keys"),
    reason: message["reason"] as string | null,
    msg: message["msg"] as string | null,
  };
}

function parseAdjustHeartbeat(message: RawMessage): AdjustHeartbeatInterval {
  checkNumber(message, "interval");
  return message as unknown as AdjustHeartbeatInterval;
}

/** Messages from a client on its stream. */
export const CLIENT_STREAM = named({
  "update-graph": { access: SUBMIT, parse: parseUpdateGraph },
  "client-releases-functions": { access: SUBMIT, parse: parseReleaseFunctions },
  "client-desires-keys": { access: SUBMIT, parse: parseDesiresKeys },
  "client-releases-keys": { access: SUBMIT, parse: parseReleasesKeys },
  "cancel-keys": { access: SUBMIT, parse: parseCancelKeys },
  "update-data": { access: SUBMIT, parse: parseUpdateData },
  // The answer can contain a small result, or an error with arguments in it.
  "report-key": { access: SUBMIT, parse: aboutKey<ReportKey> },
  "heartbeat-client": { access: OBSERVE, parse: unchecked<HeartbeatClient> },
  "close-client": { access: OBSERVE, parse: unchecked<CloseClient> },
  "close-stream": { access: OBSERVE, parse: unchecked<CloseStream> },
  ...lacking([
    "publish_flush_batched_send",
    "queue-future-release",
    "queue_release",
    "subscribe-topic",
    "unsubscribe-topic",
    "variable-future-received-confirm",
    "variable_delete",
  ]),
});

/** Messages from the scheduler on a client's stream, after the registration. */
export const CLIENT_REPORTS = named({
  "key-in-memory": { access: THE_SCHEDULER, parse: parseKeyInMemory },
  "task-erred": { access: THE_SCHEDULER, parse: aboutKey<ClientTaskErred> },
  "lost-data": { access: THE_SCHEDULER, parse: aboutKey<LostData> },
  "task-retried": { access: THE_SCHEDULER, parse: aboutKey<TaskRetried> },
  "cancelled-keys": { access: THE_SCHEDULER, parse: parseCancelledKeys },
  "adjust-heartbeat-interval": { access: THE_SCHEDULER, parse: parseAdjustHeartbeat },
  "stream-closed": { access: THE_SCHEDULER, parse: unchecked<StreamClosed> },
  "close-stream": { access: THE_SCHEDULER, parse: unchecked<CloseStream> },
  ...lacking(["error", "event", "restart"]),
});

/** Any message from a client on its stream. */
export type ClientStreamMessage = MessageOf<typeof CLIENT_STREAM>;

/** Any message from the scheduler on a client's stream, after the registration. */
export type ClientReport = MessageOf<typeof CLIENT_REPORTS>;

/** Parses a message from a client. Throws {@linkcode MessageError} if it is invalid. */
export const parseClientStreamMessage: (message: RawMessage) => ClientStreamMessage = streamParser(
  CLIENT_STREAM,
  (op): never => {
    throw new MessageError(`Cannot handle "${op}" on a client's stream`);
  },
);

/**
 * Parses a message from the scheduler to a client. Returns `undefined` for an unknown op, which clients
 * ignore, as in Dask. Throws {@linkcode MessageError} if the message is invalid.
 */
export const parseClientReport: (message: RawMessage) => ClientReport | undefined = streamParser(
  CLIENT_REPORTS,
  () => undefined,
);
