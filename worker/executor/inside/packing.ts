/**
 * Batches of tasks and of outcomes as they travel between the main thread and an executor thread.
 *
 * Deno's `node:worker_threads` walks every message for ports, typed arrays element by element (1 MB: 70 ms),
 * and clones small objects slowly; so a batch is one JSON text of numbers and names, one transferred
 * `ArrayBuffer` with all small frames, and a transferred buffer of its own for each large frame. See decision
 * record 0002.
 *
 * @module
 */

import type { FunctionHash, Key } from "../../../messages/common.ts";
import type { Reference } from "../../../messages/run_spec.ts";
import { Serialized, type SerializedHeader } from "../../../protocol/serialized.ts";
import { serializeValue } from "../../../protocol/values.ts";

/** Bytes from which on a frame gets a buffer of its own. */
const LARGE_FRAME_BYTES = 64 * 1024;
const ARENA_BYTES_START = 64 * 1024;
/** Above this an arena is not kept for the next batch. */
const ARENA_BYTES_KEPT = 4 * 2 ** 20;

/** Header of plain data in one MessagePack frame; said by {@linkcode PLAIN}. */
const PLAIN_HEADER: SerializedHeader = serializeValue(null).header;
/** In place of an index of a header: {@linkcode PLAIN_HEADER}. */
const PLAIN = -1;

/**
 * Where a frame is: an offset in the arena, or `-1 - i` for buffer `i`; and its bytes. Two numbers per frame.
 */
type Places = number[];

/** A payload: index of its header, number of tasks that use it, its frames. */
export type PackedValue = [header: number, uses: number, ...places: Places];

/**
 * A task. `place` and `length` are the frame of its arguments; if `length` is -1, `place` is the index of a
 * value. `dependencies` are keys and indices of values, in turns.
 */
export type PackedTask = [
  slot: number,
  key: Key,
  functionIndex: number,
  place: number,
  length: number,
  references: readonly Reference[],
  dependencies: readonly (Key | number)[],
];

/** The text of a batch of tasks. */
export interface PackedTasks {
  /** Functions by index. */
  readonly functions: readonly FunctionHash[];
  /** Payloads by index. */
  readonly values: readonly PackedValue[];
  /** Tasks, in order. */
  readonly tasks: readonly PackedTask[];
}

/** What {@linkcode PackedOutcome} says happened. */
export const OutcomeKind = {
  /** The task returned. */
  success: 1,
  /** The task failed. */
  failure: 0,
  /** The task had been withdrawn, and its slot is free. */
  skipped: 2,
} as const;

/**
 * An outcome. Times are microseconds since the thread's time origin; `name` is the type's name or the short
 * text.
 */
export type PackedOutcome = [
  slot: number,
  kind: number,
  start: number,
  stop: number,
  name: string,
  traceback: string,
  header: number,
  ...places: Places,
];

/** Bytes and headers of a batch. */
export interface PackedBytes {
  /** Small frames. */
  readonly arena: ArrayBuffer;
  /** Large frames. */
  readonly buffers: readonly ArrayBuffer[];
  /** Headers of payloads that are not plain. */
  readonly headers: readonly SerializedHeader[];
}

/** Main thread → executor thread. */
export type ThreadCommand =
  | {
    /** Runs tasks. */
    readonly op: "run";
    /** JSON of {@linkcode PackedTasks}. */
    readonly text: string;
    /** Their frames. */
    readonly bytes: PackedBytes;
    /** Function bodies that the thread has not got yet, each with its hash before it. */
    readonly bodies: readonly (FunctionHash | ArrayBuffer)[];
  }
  | {
    /** Forgets functions. */
    readonly op: "forget";
    /** Which. */
    readonly functions: readonly FunctionHash[];
  }
  | {
    /** Ends the thread. */
    readonly op: "close";
  };

/** Executor thread → main thread. */
export type ThreadReport =
  | {
    /** The thread runs. */
    readonly op: "ready";
    /** Its time origin, milliseconds since the epoch. */
    readonly timeOrigin: number;
  }
  | {
    /** Tasks ended. */
    readonly op: "outcomes";
    /** JSON of {@linkcode PackedOutcome}s. */
    readonly text: string;
    /** Their frames. */
    readonly bytes: PackedBytes;
  }
  | {
    /** The heap was full while a task was awaited, and the thread ends. */
    readonly op: "out-of-memory";
  }
  | {
    /** Something threw outside of any task's promise. */
    readonly op: "stray";
    /** What, with its stack. */
    readonly text: string;
  };

/** State of a task in the flags that both sides share; both sides change it by compare-and-exchange. */
export const SlotState = {
  /** Handed to the thread. */
  queued: 0,
  /** Runs. */
  begun: 1,
  /** Ended; the outcome is on its way. */
  finished: 2,
  /** Taken back before it began. */
  withdrawn: 3,
} as const;

/** Tasks that a thread can have at a time. */
export const SLOTS = 4096;

/** What a thread is started with. */
export interface ThreadData {
  /** One {@linkcode SlotState} per slot. */
  readonly flags: SharedArrayBuffer;
}

/** Gathers the bytes of a batch. Reused from batch to batch. */
export class Packer {
  #arena = new Uint8Array(ARENA_BYTES_START);
  #used = 0;
  #buffers: ArrayBuffer[] = [];
  #headers: SerializedHeader[] = [];

  /** Copies a frame and returns its place. */
  frame(frame: Uint8Array): number { // hot: per task
    const size = frame.byteLength;
    if (size >= LARGE_FRAME_BYTES) {
      const copy = new Uint8Array(size);
      copy.set(frame);
      return -this.#buffers.push(copy.buffer);
    }
    const place = this.#used;
    if (place + size > this.#arena.byteLength) this.#grow(place + size);
    this.#arena.set(frame, place);
    this.#used = place + size;
    return place;
  }

  /**
   * Copies the frames of a payload: their places are appended to `row`, the index of the header is returned.
   */
  payload(payload: Serialized, row: (number | string)[]): number { // hot: per task
    const { frames, header } = payload;
    for (let i = 0; i < frames.length; i++) {
      const frame = frames[i] as Uint8Array;
      row.push(this.frame(frame), frame.byteLength);
    }
    return isPlain(payload) ? PLAIN : this.#headers.push(header) - 1;
  }

  /** The bytes of the batch, to be sent with {@linkcode transferList}. Begins the next batch. */
  take(): PackedBytes {
    const bytes = {
      arena: this.#arena.slice(0, this.#used).buffer,
      buffers: this.#buffers,
      headers: this.#headers,
    };
    if (this.#arena.byteLength > ARENA_BYTES_KEPT) this.#arena = new Uint8Array(ARENA_BYTES_START);
    this.#used = 0;
    if (this.#buffers.length > 0) this.#buffers = [];
    if (this.#headers.length > 0) this.#headers = [];
    return bytes;
  }

  #grow(size: number): void {
    const arena = new Uint8Array(Math.max(size, this.#arena.byteLength * 2));
    arena.set(this.#arena.subarray(0, this.#used));
    this.#arena = arena;
  }
}

/** Whether nothing but its frame needs to be said of a payload. */
function isPlain(payload: Serialized): boolean {
  const { frames, header } = payload;
  return header === PLAIN_HEADER || (
    frames.length === 1 && header["serializer"] === "msgpack" && header["compression"] === undefined &&
    header["split-num-sub-frames"] === undefined && header["is-collection"] !== true
  );
}

/** Buffers that are moved with a batch. */
export function transferList(bytes: PackedBytes): ArrayBuffer[] {
  return bytes.buffers.length === 0 ? [bytes.arena] : [bytes.arena, ...bytes.buffers];
}

/** A small frame as part of the arena, a large one whole. Nothing is copied. */
export function frameView(bytes: PackedBytes, place: number, length: number): Uint8Array {
  return place >= 0
    ? new Uint8Array(bytes.arena, place, length)
    : new Uint8Array(bufferAt(bytes, place), 0, length);
}

function bufferAt(bytes: PackedBytes, place: number): ArrayBuffer {
  const buffer = bytes.buffers[-place - 1];
  if (buffer === undefined) throw new RangeError(`A batch has no buffer ${-place - 1}`);
  return buffer;
}

/**
 * Unpacks a payload whose places begin at `row[first]`. Its frames own their memory: small ones are copied,
 * large ones only if `copies`.
 */
export function unpackPayload(
  bytes: PackedBytes,
  header: number,
  row: readonly (number | string)[],
  first: number,
  copies: boolean,
): Serialized { // hot: per task
  const frames: Uint8Array[] = [];
  for (let i = first; i < row.length; i += 2) {
    const place = row[i] as number;
    const view = frameView(bytes, place, row[i + 1] as number);
    frames.push(copies || place >= 0 ? view.slice() : view);
  }
  if (header === PLAIN) return new Serialized(PLAIN_HEADER, frames);
  const found = bytes.headers[header];
  if (found === undefined) throw new RangeError(`A batch has no header ${header}`);
  return new Serialized(found, frames);
}
