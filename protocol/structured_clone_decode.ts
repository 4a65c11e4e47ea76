/**
 * Decodes the output of `structured_clone.ts`. It creates only builtin objects, and runs nothing that the
 * bytes name.
 *
 * @module
 */

import { decodeMsgpack, define } from "./msgpack_decode.ts";
import { ownBytes } from "./payload.ts";
import { SerializationError } from "./serialized.ts";
import { ERROR_FIELDS, Kind } from "./structured_clone.ts";

/** Maximum length of a sparse array. */
const LENGTH_MAX = 2 ** 32 - 1;

type ErrorClass = new (message?: string) => Error;

const ERRORS: Readonly<Record<string, ErrorClass>> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** A class of views of a buffer. */
export type ViewClass = new (buffer: ArrayBuffer, byteOffset: number, length: number) => ArrayBufferView;

const VIEW_NAMES: readonly string[] = [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
  "Float16Array",
  "Float32Array",
  "Float64Array",
  "DataView",
];

/** Returns the builtin class of views with this name, if there is one. */
export function viewClass(name: string): ViewClass | undefined {
  return VIEW_NAMES.includes(name) ? Reflect.get(globalThis, name) as ViewClass | undefined : undefined;
}

/**
 * Decodes a value. It shares memory with a buffer that is the whole of its `ArrayBuffer`.
 *
 * @throws {SerializationError} If they are damaged.
 */
export function decodeClone(body: Uint8Array, buffers: readonly Uint8Array[]): unknown {
  const parts = decodeMsgpack(body);
  if (!Array.isArray(parts) || parts.length !== 2 || !Array.isArray(parts[1])) {
    throw damaged("no list of nodes");
  }
  const reader = new CloneReader(parts[1], buffers);
  return reader.read(parts[0]);
}

class CloneReader {
  readonly #nodes: readonly unknown[];
  readonly #buffers: readonly Uint8Array[];
  readonly #objects: unknown[] = [];
  /** Offset of the first byte that was sent, for each buffer. */
  readonly #starts: number[] = [];

  constructor(nodes: readonly unknown[], buffers: readonly Uint8Array[]) {
    this.#nodes = nodes;
    this.#buffers = buffers;
  }

  read(root: unknown): unknown {
    const views: number[] = [];
    for (let id = 0; id < this.#nodes.length; id++) {
      this.#starts.push(0);
      const node = this.#nodeAt(id);
      if (node[0] === Kind.View) views.push(id);
      this.#objects.push(this.#make(node, id));
    }
    for (const id of views) this.#objects[id] = this.#view(this.#nodeAt(id));
    for (let id = 0; id < this.#nodes.length; id++) this.#fill(this.#nodeAt(id), this.#objects[id]);
    return this.#value(root);
  }

  #nodeAt(id: number): readonly unknown[] {
    return listOf(this.#nodes[id]);
  }

  /** Creates the object of a node, still empty. */
  #make(node: readonly unknown[], id: number): unknown {
    switch (node[0]) {
      case Kind.Array:
      case Kind.Sparse:
        return [];
      case Kind.Object:
        return {};
      case Kind.Map:
        return new Map<unknown, unknown>();
      case Kind.Set:
        return new Set<unknown>();
      case Kind.Date:
        return new Date(numberOf(node[1]));
      case Kind.RegExp:
        return this.#regExp(node);
      case Kind.Error:
        return makeError(String(this.#value(node[1])));
      case Kind.Buffer:
        this.#starts[id] = indexOf(node[1]);
        return this.#buffer(node[2]);
      case Kind.View:
        return undefined;
      case Kind.Boxed:
        return Object(this.#value(node[1])) as unknown;
      default:
        throw damaged(`no kind ${String(node[0])}`);
    }
  }

  #fill(node: readonly unknown[], object: unknown): void {
    switch (node[0]) {
      case Kind.Array:
        return this.#array(node, object as unknown[]);
      case Kind.Sparse: {
        const length = indexOf(node[1]);
        if (length > LENGTH_MAX) throw damaged("an array that is too long");
        (object as unknown[]).length = length;
        return this.#properties(listOf(node[2]), object as object);
      }
      case Kind.Object:
        return this.#properties(listOf(node[1]), object as object);
      case Kind.Map: {
        const slots = listOf(node[1]);
        for (let i = 0; i + 1 < slots.length; i += 2) {
          (object as Map<unknown, unknown>).set(this.#value(slots[i]), this.#value(slots[i + 1]));
        }
        return;
      }
      case Kind.Set:
        for (const slot of listOf(node[1])) (object as Set<unknown>).add(this.#value(slot));
        return;
      case Kind.Error:
        return this.#error(listOf(node[2]), object as Error);
    }
  }

  #array(node: readonly unknown[], array: unknown[]): void {
    const slots = listOf(node[1]);
    array.length = slots.length;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i];
      if (Array.isArray(slot) && slot[0] === -1) continue;
      array[i] = this.#value(slot);
    }
    if (node[2] !== undefined) this.#properties(listOf(node[2]), array);
  }

  #properties(slots: readonly unknown[], object: object): void {
    for (let i = 0; i + 1 < slots.length; i += 2) {
      const key = String(this.#value(slots[i]));
      if (Array.isArray(object) && key === "length") throw damaged("a length as a property");
      define(object, key, this.#value(slots[i + 1]));
    }
  }

  #error(slots: readonly unknown[], error: Error): void {
    for (let i = 0; i + 1 < slots.length; i += 2) {
      const key = slots[i];
      if (typeof key !== "string" || !ERROR_FIELDS.includes(key)) throw damaged("an error's field");
      hide(error, key, this.#value(slots[i + 1]));
    }
  }

  #regExp(node: readonly unknown[]): RegExp {
    try {
      return new RegExp(String(this.#value(node[1])), String(node[2]));
    } catch (cause) {
      throw damaged("a RegExp that there is not here", cause);
    }
  }

  #buffer(data: unknown): ArrayBuffer {
    const bytes = data instanceof Uint8Array ? data : this.#buffers[indexOf(data)];
    if (bytes === undefined) throw damaged("a missing buffer");
    return ownBytes(bytes).buffer;
  }

  #view(node: readonly unknown[]): unknown {
    const View = viewClass(String(node[1]));
    const bufferId = indexOf(listOf(node[2])[0]);
    const buffer = this.#objects[bufferId];
    if (View === undefined) throw damaged(`no views are called "${String(node[1])}" here`);
    if (!(buffer instanceof ArrayBuffer)) throw damaged("a view of no buffer");
    try {
      return new View(buffer, indexOf(node[3]) - (this.#starts[bufferId] ?? 0), indexOf(node[4]));
    } catch (cause) {
      throw damaged("a view beyond its buffer", cause);
    }
  }

  #value(slot: unknown): unknown {
    if (!Array.isArray(slot)) return slot;
    if (slot.length === 0) return undefined;
    const id = indexOf(slot[0], -3);
    if (id === -2 && typeof slot[1] === "string" && /^-?\d+$/.test(slot[1])) return BigInt(slot[1]);
    if (id === -3 && slot[1] instanceof Uint8Array) return fromUtf16(slot[1]);
    if (id < 0 || id >= this.#objects.length) throw damaged(`no node ${id}`);
    return this.#objects[id];
  }
}

function makeError(name: string): Error {
  const Known = Object.hasOwn(ERRORS, name) ? ERRORS[name] : undefined;
  const error = Known === undefined
    ? name === "AggregateError" ? new AggregateError([]) : new Error()
    : new Known();
  if (error.name !== name) hide(error, "name", name);
  return error;
}

/** Sets a property that is not enumerable, as on builtin errors. */
function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, enumerable: false, configurable: true });
}

function fromUtf16(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at + 1 < bytes.byteLength; at += 2) text += String.fromCharCode(view.getUint16(at, true));
  return text;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw damaged("a node that is no list");
  return value;
}

function numberOf(value: unknown): number {
  if (typeof value !== "number") throw damaged("a time that is no number");
  return value;
}

function indexOf(value: unknown, min = 0): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= min) return value;
  throw damaged("an index that is none");
}

function damaged(reason: string, cause?: unknown): SerializationError {
  return new SerializationError(
    `Cannot read a value of the family "javascript": ${reason}`,
    "",
    cause === undefined ? undefined : { cause },
  );
}
