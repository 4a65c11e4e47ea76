/**
 * Requests about results and values: where they are, and how they are transferred.
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

/** Default seconds that a `scatter` waits for a worker. */
const SCATTER_SECONDS = 2;

/**
 * Any peer → worker: asks for results. The answer is a {@linkcode GetDataReply}; the caller confirms data
 * with `"OK"`.
 */
export interface GetData {
  /** Operation. */
  readonly op: "get_data";
  /** Keys. */
  readonly keys: readonly Key[];
  /** Address of the caller, if it is a worker. */
  readonly who: Address | null;
}

/** Answer to {@linkcode GetData}. Keys that the worker does not hold are left out. */
export type GetDataReply =
  | { readonly status: "OK"; readonly data: Readonly<Record<string, Serialized>> }
  | { readonly status: "busy" };

/** Client → scheduler: asks for results through the scheduler. */
export interface Gather {
  /** Operation. */
  readonly op: "gather";
  /** Keys. */
  readonly keys: readonly Key[];
}

/** Answer to {@linkcode Gather}. An error has the keys that no worker gave. */
export type GatherReply =
  | { readonly status: "OK"; readonly data: Readonly<Record<string, Serialized>> }
  | { readonly status: "error"; readonly keys: readonly Key[] };

/** Client → scheduler: stores these values on workers; the client wants them. The answer has the keys. */
export interface Scatter {
  /** Operation. */
  readonly op: "scatter";
  /** Values by key. */
  readonly data: Readonly<Record<string, Serialized>>;
  /** Addresses, names or hosts of the workers to choose from, or null for all. */
  readonly workers: readonly string[] | null;
  /** Client that wants them. */
  readonly client: ClientId;
  /** Number of workers that get each value; `true` for all. */
  readonly broadcast: boolean | number;
  /** Seconds to wait for a worker. */
  readonly timeout: number;
}

/** Client → worker: stores these values. */
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

/** Client → scheduler: runs these failed tasks again. The answer has the keys that run again. */
export interface Retry {
  /** Operation. */
  readonly op: "retry";
  /** Keys. */
  readonly keys: readonly Key[];
  /** Client that asks. */
  readonly client?: ClientId;
}

/** Any peer → scheduler: asks which workers hold these keys. Unknown keys have no holders. */
export interface WhoHas {
  /** Operation. */
  readonly op: "who_has";
  /** Keys, or null for all. */
  readonly keys: readonly Key[] | null;
}

/** Any peer → scheduler: asks which results each worker holds. The answer has keys by address. */
export interface HasWhat {
  /** Operation. */
  readonly op: "has_what";
  /** Addresses, or null for all. */
  readonly workers: readonly Address[] | null;
}

/** Any peer → scheduler: asks which tasks each worker runs. The answer has keys by address. */
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

/** Whether `value` is an answer to {@linkcode GetData}. The caller checks the values. */
export function isGetDataReply(value: unknown): value is GetDataReply {
  return isRecord(value) && (value["status"] === "busy" || hasData(value));
}

/** Checks a `gather`. Throws {@linkcode MessageError}. */
export function parseGather(message: RawMessage): Gather {
  return { op: "gather", keys: checkKeys(message, "keys") };
}

/** Whether `value` is an answer to {@linkcode Gather}. The caller checks the values. */
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

/** Whether `value` is an answer to {@linkcode UpdateWorkerData}. */
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

/** Whether `value` maps keys to addresses of workers. */
export const isHolders: (value: unknown) => value is Record<Key, Address[]> = mapOf(
  listOf((address): address is Address => isText(address)),
);

/** Whether `value` maps addresses of workers to keys. */
export const isKeysByWorker: (value: unknown) => value is Record<Address, Key[]> = mapOf(isKeys);

const isSizes = mapOf(isNumber);

function hasData(reply: RawMessage): boolean {
  return reply["status"] === "OK" && isRecord(reply["data"]);
}

/** Returns the values by key, without checks of their content. */
function valuesOf(message: RawMessage): Readonly<Record<string, Serialized>> {
  const data = checkRecord(message, "data");
  for (const key in data) {
    if (data[key] instanceof Serialized) continue;
    throw new MessageError(`Cannot handle "${String(message["op"])}": value of "${key}" is not serialized`);
  }
  return data as Readonly<Record<string, Serialized>>;
}

/** Returns the addresses that a request asks about; null for all. */
function workersOf({ workers }: RawMessage): readonly Address[] | null {
  return Array.isArray(workers) ? workers as Address[] : null;
}
