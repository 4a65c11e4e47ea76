/**
 * Checks of what registers with a scheduler.
 *
 * @module
 */

import {
  checkAddress,
  checkNumber,
  checkRecord,
  checkString,
  type ClientId,
  isRecord,
  MessageError,
  type RawMessage,
} from "../messages/common.ts";
import type { RegisterWorker, WorkerMetrics } from "../messages/rpc.ts";
import type { RetireOptions } from "./departures.ts";
import { checkStatus } from "../messages/worker_scheduler.ts";

/** Most threads that one worker may claim. */
const NTHREADS_MAX = 65_536;

/** Checks a `register-worker`. Throws {@linkcode MessageError}. */
export function parseRegisterWorker(message: RawMessage): RegisterWorker {
  checkAddress(message, "address");
  checkStatus(message);
  const nthreads = checkNumber(message, "nthreads");
  if (!Number.isInteger(nthreads) || nthreads < 1 || nthreads > NTHREADS_MAX) {
    throw new MessageError(`Cannot register a worker with ${nthreads} threads`);
  }
  checkNumber(message, "now");
  checkRecord(message, "resources");
  parseMetrics(message);
  const { name, memory_limit } = message as { name?: unknown; memory_limit?: unknown };
  if (typeof name !== "string" && typeof name !== "number") {
    throw new MessageError(`Cannot register a worker: field "name" must be a string or a number`);
  }
  if (memory_limit !== null && memory_limit !== undefined) checkNumber(message, "memory_limit");
  return { ...message as unknown as RegisterWorker, name: String(name) };
}

/** Checks `message.metrics`, as far as it is used. Throws {@linkcode MessageError}. */
export function parseMetrics(message: RawMessage): WorkerMetrics {
  const metrics = checkRecord(message, "metrics");
  if (!isRecord(metrics["bandwidth"])) {
    throw new MessageError(`Cannot handle "${String(message["op"])}": metrics have no bandwidth`);
  }
  return metrics as unknown as WorkerMetrics;
}

/** Checks a `register-client`. Throws {@linkcode MessageError}. */
export function parseRegisterClient(message: RawMessage): ClientId {
  return checkString(message, "client") as ClientId;
}

/** Checks a `retire_workers`. Throws {@linkcode MessageError}. */
export function parseRetireWorkers(message: RawMessage): RetireOptions {
  for (const field of ["key", "attribute"]) {
    if (message[field] !== undefined && message[field] !== null) {
      throw new MessageError(`Cannot handle "retire_workers": field "${field}" is not supported`);
    }
  }
  return {
    workers: optional(message, "workers", isTexts),
    names: optional(message, "names", isNames)?.map(String),
    n: optional(message, "n", isCount),
    target: optional(message, "target", isCount),
    minimum: optional(message, "minimum", isCount),
    memoryRatio: optional(message, "memory_ratio", (value) => typeof value === "number"),
    closeWorkers: optional(message, "close_workers", isBoolean),
    remove: optional(message, "remove", isBoolean),
    stimulusId: optional(message, "stimulus_id", (value) => typeof value === "string"),
  };
}

function optional<T>(
  message: RawMessage,
  field: string,
  isValid: (value: unknown) => value is T,
): T | undefined {
  const value = message[field];
  if (value === undefined || value === null) return undefined;
  if (!isValid(value)) {
    throw new MessageError(`Cannot handle "${String(message["op"])}": field "${field}" has a wrong type`);
  }
  return value;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isNames(value: unknown): value is (string | number)[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string" || typeof item === "number");
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}
