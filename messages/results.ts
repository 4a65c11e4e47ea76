/**
 * Results of tasks and values: where they are, and how they get from one role to another.
 *
 * @module
 */

import { Serialized } from "../protocol/serialized.ts";
import { parseUpdateData, type UpdateData } from "./client_scheduler.ts";
import {
  type Address,
  checkKeys,
  checkNumber,
  checkRecord,
  checkString,
  type ClientId,
  isNumber,
  isRecord,
  isText,
  type Key,
  listOf,
  mapOf,
  MessageError,
  type RawMessage,
} from "./common.ts";

/** Seconds that a `scatter` waits for a worker, if it does not say. */
const SCATTER_SECONDS = 2;

/**
 * Anybody → worker: asks for results. Answered by {@linkcode GetDataReply}; the asking end confirms data by
 * `"OK"`.
 */
export interface GetData {
  /** Operation. */
  readonly op: "get_data";
  /** Keys. */
  readonly keys: readonly Key[];
  /** Address of the asking worker, if it is one. */
  readonly who: Address | null;
}

/** Answer to {@linkcode GetData}. Keys that the worker does not hold are left out. */
export type GetDataReply =
  | { readonly status: "OK"; readonly data: Readonly<Record<string, Serialized>> }
  | { readonly status: "busy" };

/** Client → scheduler: results by way of the scheduler. */
export interface Gather {
  /** Operation. */
  readonly op: "gather";
  /** Keys. */
  readonly keys: readonly Key[];
}

/** Answer to {@linkcode Gather}; the keys of an error are those that no worker gave. */
export type GatherReply =
  | { readonly status: "OK"; readonly data: Readonly<Record<string, Serialized>> }
  | { readonly status: "error"; readonly keys: readonly Key[] };

/** Client → scheduler: give these values to workers; the client wants them. Answered by the keys. */
export interface Scatter {
  /** Operation. */
  readonly op: "scatter";
  /** Values by key. */
  readonly data: Readonly<Record<string, Serialized>>;
  /** Addresses, names or hosts of the workers to choose from, or null for all. */
  readonly workers: readonly string[] | null;
  /** Client that wants them. */
  readonly client: ClientId;
  /** `true`: to all these workers. A number: to that many. */
  readonly broadcast: boolean | number;
  /** Seconds to wait for a worker. */
  readonly timeout: number;
}

/** Client → worker: keep these values. */
export interface UpdateWorkerData {
  /** Operation. */
  readonly op: "update_data";
  /** Values by key. */
  readonly data: Readonly<Record<string, Serialized>>;
  /** What caused it. */
  readonly stimulus_id?: string;
}

/** Answer to {@linkcode UpdateWorkerData}. */
export interface UpdateWorkerDataReply {
  /** Bytes by key. */
  readonly nbytes: Readonly<Record<string, number>>;
  /** Always `"OK"`. */
  readonly status: "OK";
}

/** Client → scheduler: run these failed tasks again. Answered by the keys that run again. */
export interface Retry {
  /** Operation. */
  readonly op: "retry";
  /** Keys. */
  readonly keys: readonly Key[];
  /** Client that asks. */
  readonly client?: ClientId;
}

/** Anybody → scheduler: which workers hold these keys? Unknown keys have no holders. */
export interface WhoHas {
  /** Operation. */
  readonly op: "who_has";
  /** Keys, or null for all. */
  readonly keys: readonly Key[] | null;
}

/** Anybody → scheduler: what does each worker hold? Answered by keys, by address. */
export interface HasWhat {
  /** Operation. */
  readonly op: "has_what";
  /** Addresses, or null for all. */
  readonly workers: readonly Address[] | null;
}

/** Anybody → scheduler: what was each worker given to run? Answered by keys, by address. */
export interface Processing {
  /** Operation. */
  readonly op: "processing";
  /** Addresses, or null for all. */
  readonly workers: readonly Address[] | null;
}

/** Checks a `get_data`. Throws {@linkcode MessageError}. */
export function parseGetData(message: RawMessage): GetData {
  const { who } = message as { who?: unknown };
  return { op: "get_data", keys: checkKeys(message, "keys"), who: isText(who) ? who as Address : null };
}

/** Whether `value` answers a {@linkcode GetData}. The asking end checks the values. */
export function isGetDataReply(value: unknown): value is GetDataReply {
  return isRecord(value) && (value["status"] === "busy" || hasData(value));
}

/** Checks a `gather`. Throws {@linkcode MessageError}. */
export function parseGather(message: RawMessage): Gather {
  return { op: "gather", keys: checkKeys(message, "keys") };
}

/** Whether `value` answers a {@linkcode Gather}. The asking end checks the values. */
export function isGatherReply(value: unknown): value is GatherReply {
  if (!isRecord(value)) return false;
  return value["status"] === "error" ? isKeys(value["keys"]) : hasData(value);
}

/** Checks a `scatter`. Throws {@linkcode MessageError}. */
export function parseScatter(message: RawMessage): Scatter {
  const { workers, broadcast, timeout } = message as Partial<Record<keyof Scatter, unknown>>;
  return {
    op: "scatter",
    data: valuesOf(message),
    workers: Array.isArray(workers) ? workers as string[] : null,
    client: checkString(message, "client") as ClientId,
    broadcast: isNumber(broadcast) ? broadcast : broadcast === true,
    timeout: timeout === undefined ? SCATTER_SECONDS : checkNumber(message, "timeout"),
  };
}

/**
 * Checks an `update_data` to a scheduler, which is the stream's `update-data`. Throws {@linkcode
 * MessageError}.
 */
export function parseUpdateDataRequest(message: RawMessage): UpdateData {
  return { ...parseUpdateData(message), op: "update-data" };
}

/** Checks an `update_data` to a worker. Throws {@linkcode MessageError}. */
export function parseUpdateWorkerData(message: RawMessage): UpdateWorkerData {
  return { op: "update_data", data: valuesOf(message) };
}

/** Whether `value` answers an {@linkcode UpdateWorkerData}. */
export function isUpdateWorkerDataReply(value: unknown): value is UpdateWorkerDataReply {
  return isRecord(value) && value["status"] === "OK" && isSizes(value["nbytes"]);
}

/** Checks a `retry`. Throws {@linkcode MessageError}. */
export function parseRetry(message: RawMessage): Retry {
  const { client } = message as { client?: unknown };
  return {
    op: "retry",
    keys: checkKeys(message, "keys"),
    ...isText(client) && { client: client as ClientId },
  };
}

/** Checks a `who_has`. Throws {@linkcode MessageError}. */
export function parseWhoHas(message: RawMessage): WhoHas {
  const isAll = message["keys"] === null || message["keys"] === undefined;
  return { op: "who_has", keys: isAll ? null : checkKeys(message, "keys") };
}

/** Checks a `has_what`. */
export function parseHasWhat(message: RawMessage): HasWhat {
  return { op: "has_what", workers: workersOf(message) };
}

/** Checks a `processing`. */
export function parseProcessing(message: RawMessage): Processing {
  return { op: "processing", workers: workersOf(message) };
}

/** Whether `value` is a list of keys. */
export const isKeys: (value: unknown) => value is Key[] = listOf((key): key is Key => isText(key));

/** Whether `value` says which workers hold each key. */
export const isHolders: (value: unknown) => value is Record<Key, Address[]> = mapOf(
  listOf((address): address is Address => isText(address)),
);

/** Whether `value` says which keys are at each worker. */
export const isKeysByWorker: (value: unknown) => value is Record<Address, Key[]> = mapOf(isKeys);

const isSizes = mapOf(isNumber);

function hasData(reply: RawMessage): boolean {
  return reply["status"] === "OK" && isRecord(reply["data"]);
}

/** Values by key, none of them looked into. */
function valuesOf(message: RawMessage): Readonly<Record<string, Serialized>> {
  const data = checkRecord(message, "data");
  for (const key in data) {
    if (data[key] instanceof Serialized) continue;
    throw new MessageError(`Cannot handle "${String(message["op"])}": value of "${key}" is not serialized`);
  }
  return data as Readonly<Record<string, Serialized>>;
}

/** Addresses that a request asks about; nothing for all. */
function workersOf({ workers }: RawMessage): readonly Address[] | null {
  return Array.isArray(workers) ? workers as Address[] : null;
}
