/**
 * Run specs: the definitions of tasks. The scheduler forwards them, and reads them only to find out which
 * workers can run them.
 *
 * @module
 */

import { Serialized } from "../protocol/serialized.ts";
import { type FunctionHash, isRecord, type Key, MessageError } from "./common.ts";
import { keyFromWire } from "./keys.ts";

/**
 * Arguments of a task, serialized by the client: the array of arguments, with `null` in place of each Future.
 * A single MessagePack frame (`Uint8Array`, the usual case) is part of the message; values of other families,
 * or with separate buffers, are a `Serialized`.
 */
export type TaskArguments = Uint8Array | Serialized;

/**
 * A place in the arguments for the result of another task: the task's key, then the path to the place, which
 * begins with the index of the argument. In a `Map`, a step is the index of the entry.
 */
export type Reference = readonly [key: Key, ...path: readonly (string | number)[]];

/** A task of this package's clients: function, arguments, and the places of other tasks' results. */
export type NativeSpec = readonly [
  functionHash: FunctionHash,
  args: TaskArguments,
  references: readonly Reference[],
];

/** A task that only its own runtime can read, such as a Python pickle. It is forwarded unchanged. */
export type OpaqueSpec = Serialized;

/** One task. */
export type RunSpec = NativeSpec | OpaqueSpec;

/** Runtime of tasks and workers: `deno` is this package, `python` is Dask. */
export type Runtime = "deno" | "python";

/** Whether a task comes from a client of this package. */
export function isNative(spec: RunSpec): spec is NativeSpec {
  return Array.isArray(spec);
}

/** Returns the runtime of a task. */
export function runtimeOf(spec: RunSpec): Runtime {
  return isNative(spec) ? "deno" : "python";
}

/** Maximum bytes of an opaque spec: a task's code and small arguments. Large values are sent like results. */
const OPAQUE_BYTES_MAX = 64 * 2 ** 20;
/** Maximum number of frames of an opaque spec. */
const OPAQUE_FRAMES_MAX = 4096;

/**
 * Whether `value` has the shape of {@linkcode TaskArguments}. Workers must be able to read everything that a
 * scheduler accepts.
 */
export function isTaskArguments(value: unknown): value is TaskArguments {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRecord(value);
}

/**
 * Checks a peer's run spec: the shape of a native one, the size of an opaque one. Throws
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
