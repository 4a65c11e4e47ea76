/**
 * What a task is made of. The scheduler moves run specs, and looks at them only to tell which workers can run
 * them.
 *
 * @module
 */

import { Serialized } from "../protocol/serialized.ts";
import { type FunctionHash, isRecord, type Key, MessageError } from "./common.ts";
import { keyFromWire } from "./keys.ts";

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

/** A task of this package's clients: which function, its arguments, and where results of other tasks go. */
export type NativeSpec = readonly [
  functionHash: FunctionHash,
  args: TaskArguments,
  references: readonly Reference[],
];

/** A task that only its own runtime can read, such as a pickle of Python. It is passed on as it came. */
export type OpaqueSpec = Serialized;

/** One task. */
export type RunSpec = NativeSpec | OpaqueSpec;

/** What runs a task: workers of this package, or of Dask. */
export type Runtime = "deno" | "python";

/** Whether a task is one of this package's clients. */
export function isNative(spec: RunSpec): spec is NativeSpec {
  return Array.isArray(spec);
}

/** What runs the task. */
export function runtimeOf(spec: RunSpec): Runtime {
  return isNative(spec) ? "deno" : "python";
}

/** Bytes of an opaque spec, at most: a task's code and small arguments. Large values travel as results do. */
const OPAQUE_BYTES_MAX = 64 * 2 ** 20;
/** Frames of an opaque spec, at most. */
const OPAQUE_FRAMES_MAX = 4096;

/**
 * Whether `value` has the shape of {@linkcode TaskArguments}: what a scheduler lets through, workers must be
 * able to take.
 */
export function isTaskArguments(value: unknown): value is TaskArguments {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRecord(value);
}

/**
 * Checks the shape of a run spec that came from a peer, or the size of an opaque one. Throws
 * {@linkcode MessageError}.
 */
export function parseRunSpec(value: unknown): RunSpec {
  if (value instanceof Serialized) return checkOpaque(value);
  if (
    Array.isArray(value) && value.length === 3 && typeof value[0] === "string" &&
    isTaskArguments(value[1]) && isReferenceList(value[2])
  ) return value as unknown as NativeSpec;
  throw new MessageError(
    `Cannot run a task: its run_spec is not one of this package (function, arguments, references), nor serialized`,
  );
}

function checkOpaque(spec: Serialized): OpaqueSpec {
  if (spec.nbytes <= OPAQUE_BYTES_MAX && spec.frames.length <= OPAQUE_FRAMES_MAX) return spec;
  throw new MessageError(
    `Cannot run a task: its run_spec has ${spec.nbytes} bytes in ${spec.frames.length} frames; at most ` +
      `${OPAQUE_BYTES_MAX} bytes in ${OPAQUE_FRAMES_MAX} frames are taken`,
  );
}

/** Whether `value` is a list of {@linkcode Reference}s. */
export function isReferenceList(value: unknown): value is readonly Reference[] {
  return Array.isArray(value) &&
    value.every((reference) =>
      Array.isArray(reference) && reference.length >= 2 && keyFromWire(reference[0]) !== undefined &&
      reference.every((step) => typeof step === "string" || typeof step === "number")
    );
}
