/**
 * Types of names in messages, branded so that they can't be mixed up, and functions that check values from
 * peers.
 *
 * All of `messages/` keeps the spelling of the wire (`who_has`, `"task-finished"`). Renaming fields would
 * need a copy of each message, and a decoded message is also the stimulus of a state machine.
 *
 * @module
 */

import { KEY_MAX, keyFromWire } from "./keys.ts";

/** A nominal type: a `Base` value that was checked by a parse function. It costs nothing at run time. */
export type Brand<Base, Name extends string> = Base & { readonly __brand: Name };

/** Name of a task, unique in the cluster. */
export type Key = Brand<string, "Key">;
/** Contact address with scheme, such as `tls://10.0.0.7:8786`. */
export type Address = Brand<string, "Address">;
/** Name under which a client registers, such as `Client-4f1c…`. */
export type ClientId = Brand<string, "ClientId">;

/** SHA-256 of a function body, hexadecimal. */
export type FunctionHash = Brand<string, "FunctionHash">;

/** States of a worker, as `distributed.core.Status` names them. */
export type WorkerStatus =
  | "init"
  | "running"
  | "paused"
  | "closing_gracefully"
  | "closing"
  | "closed";

/** `[-userPriority, generation, order]`, or longer: smaller runs first. */
export type Priority = readonly number[];

/** A message as it came from the wire: a map whose values are not checked. */
export type RawMessage = Readonly<Record<string, unknown>>;

/** A message lacks a field, or a field has a wrong type. */
export class MessageError extends Error {
  /** Class name. */
  override readonly name = "MessageError";
}

function refuse(message: RawMessage, field: string, wanted: string): never {
  const value = message[field];
  const got = value === null
    ? "nil"
    : value === undefined
    ? "nothing"
    : Array.isArray(value)
    ? "an array"
    : `a ${typeof value}`;
  throw new MessageError(
    `Cannot handle "${String(message["op"])}": field "${field}" must be ${wanted}, got ${got}`,
  );
}

/** Checks that `message[field]` is a string. Throws {@linkcode MessageError}. */
export function checkString(message: RawMessage, field: string): string {
  const value = message[field];
  return typeof value === "string" ? value : refuse(message, field, "a string");
}

/** Checks that `message[field]` is a task's key. Throws {@linkcode MessageError}. */
export function checkKey(message: RawMessage, field: string): Key {
  return keyFromWire(message[field]) ??
    refuse(message, field, `a key (a string of at most ${KEY_MAX} characters)`);
}

/** Checks that `message[field]` is an address. Throws {@linkcode MessageError}. */
export function checkAddress(message: RawMessage, field: string): Address {
  const value = message[field];
  return typeof value === "string" ? value as Address : refuse(message, field, "an address");
}

/** Checks that `message[field]` is a finite number. Throws {@linkcode MessageError}. */
export function checkNumber(message: RawMessage, field: string): number {
  const value = message[field];
  return typeof value === "number" && Number.isFinite(value) ? value : refuse(message, field, "a number");
}

/** Maximum bytes of a result, so that sums of many results stay exact. */
const SIZE_MAX = 2 ** 43;

/** Whether `value` can be the size of a result in bytes; -1 stands for one that is not known. */
export function isSize(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= -1 && (value as number) <= SIZE_MAX;
}

/** Checks that `message[field]` is the size of a result. Throws {@linkcode MessageError}. */
export function checkSize(message: RawMessage, field: string): number {
  const value = message[field];
  return isSize(value) ? value : refuse(message, field, "a size in bytes");
}

/** Checks that `message[field]` is a boolean. Throws {@linkcode MessageError}. */
export function checkBoolean(message: RawMessage, field: string): boolean {
  const value = message[field];
  return typeof value === "boolean" ? value : refuse(message, field, "a boolean");
}

/** Checks that `message[field]` is an array. Throws {@linkcode MessageError}. */
export function checkArray(message: RawMessage, field: string): readonly unknown[] {
  const value = message[field];
  return Array.isArray(value) ? value : refuse(message, field, "an array");
}

/**
 * Checks that `message[field]` is an array or set of keys, and returns it as an array. Throws {@linkcode
 * MessageError}.
 */
export function checkKeys(message: RawMessage, field: string): readonly Key[] {
  const value = message[field];
  const keys: readonly unknown[] = Array.isArray(value)
    ? value
    : value instanceof Set
    ? [...value]
    : refuse(message, field, "a list or set of keys");
  for (let i = 0; i < keys.length; i++) {
    if (keyFromWire(keys[i]) === undefined) {
      refuse(message, field, `a list or set of keys (strings of at most ${KEY_MAX} characters)`);
    }
  }
  return keys as readonly Key[];
}

/** Checks that `message[field]` is a map with string keys. Throws {@linkcode MessageError}. */
export function checkRecord(message: RawMessage, field: string): Readonly<Record<string, unknown>> {
  const value = message[field];
  return isRecord(value) ? value : refuse(message, field, "a map");
}

/** Checks that `message[field]` is a map from keys to lists of addresses. Throws {@linkcode MessageError}. */
export function checkWhoHas(
  message: RawMessage,
  field: string,
): Readonly<Record<string, readonly Address[]>> {
  const whoHas = checkRecord(message, field);
  for (const key in whoHas) {
    const addresses = whoHas[key];
    if (!Array.isArray(addresses) || !addresses.every((a) => typeof a === "string")) {
      refuse(message, field, "a map from keys to lists of addresses");
    }
  }
  return whoHas as Readonly<Record<string, readonly Address[]>>;
}

/** Whether `value` is a map with string keys, as the decoder returns them. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether `value` is a string. */
export function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** Whether `value` is a number. */
export function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

/** Returns a check for lists whose items pass `isItem`. */
export function listOf<Item>(
  isItem: (value: unknown) => value is Item,
): (value: unknown) => value is Item[] {
  return (value): value is Item[] => Array.isArray(value) && value.every(isItem);
}

/** Returns a check for maps whose values pass `isItem`. */
export function mapOf<Item>(
  isItem: (value: unknown) => value is Item,
): (value: unknown) => value is Record<string, Item> {
  return (value): value is Record<string, Item> => {
    if (!isRecord(value)) return false;
    for (const key in value) if (!isItem(value[key])) return false;
    return true;
  };
}

/**
 * Returns `message[field]`; undefined if it is absent or nil. Throws {@linkcode MessageError} if its type is
 * wrong.
 */
export function optional<T>(
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
