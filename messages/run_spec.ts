/**
 * What a task is made of. The scheduler moves run specs and never looks inside.
 *
 * @module
 */

import type { Serialized } from "../protocol/serialized.ts";
import { type FunctionHash, isRecord, type Key, MessageError } from "./common.ts";

/**
 * Arguments of a task, serialized by the client: the array of arguments with `null` in the place of every
 * future. One MessagePack frame (`Uint8Array`, the usual case) is written inline; anything with other
 * families or buffers of its own stays a `Serialized`.
 */
export type TaskArguments = Uint8Array | Serialized;

/**
 * A place in the arguments that takes the result of another task: its key, then the path to the place,
 * beginning with the index of the argument. In a `Map` a step is the index of the entry.
 */
export type Reference = readonly [key: Key, ...path: readonly (string | number)[]];

/** One task: which function, its arguments, and where results of other tasks go. */
export type RunSpec = readonly [
  functionHash: FunctionHash,
  args: TaskArguments,
  references: readonly Reference[],
];

/** Whether `value` has the shape of {@linkcode TaskArguments}: what a scheduler lets through, workers must be able to take. */
export function isTaskArguments(value: unknown): value is TaskArguments {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRecord(value);
}

/** Checks the shape of a run spec that came from a peer. Throws {@linkcode MessageError}. */
export function parseRunSpec(value: unknown): RunSpec {
  if (
    Array.isArray(value) && value.length === 3 && typeof value[0] === "string" &&
    isTaskArguments(value[1]) && isReferenceList(value[2])
  ) return value as unknown as RunSpec;
  throw new MessageError(
    `Cannot run a task: its run_spec is not one of this package (function, arguments, references)`,
  );
}

/** Whether `value` is a list of {@linkcode Reference}s. */
export function isReferenceList(value: unknown): value is readonly Reference[] {
  return Array.isArray(value) &&
    value.every((reference) =>
      Array.isArray(reference) && reference.length >= 2 && typeof reference[0] === "string" &&
      reference.every((step) => typeof step === "string" || typeof step === "number")
    );
}
