/**
 * Encodes all values that structured clone supports: the family `javascript`. Decoding restores them exactly,
 * including identity, cycles, holes, `undefined`, `-0` and bigints. Methods and instances of classes are
 * refused.
 *
 * A value is a list of nodes, one per object, that refer to each other by index, so there is no recursion.
 * Body: `[slot of the root, [node, …]]` in MessagePack. A slot is a primitive, or an array:
 *
 * | slot | stands for |
 * |---|---|
 * | `[]` | `undefined` |
 * | `[i]` | node `i` |
 * | `[-1]` | a hole |
 * | `[-2, text]` | a bigint |
 * | `[-3, bin]` | a string that is not well-formed, in UTF-16 |
 *
 * @module
 */

import { classNameOf, encodeMsgpack, isPlainPrototype } from "./msgpack_encode.ts";
import { SerializationError } from "./serialized.ts";

/** Kinds of nodes, the first entry of each. */
export const Kind = {
  Array: 0,
  Object: 1,
  Map: 2,
  Set: 3,
  Date: 4,
  RegExp: 5,
  Error: 6,
  Buffer: 7,
  View: 8,
  Boxed: 9,
  Sparse: 10,
} as const;

/** Smaller buffers are part of the body. */
const INLINE_BYTES = 1024;
/** Alignment that is sufficient for all kinds of views. */
const ALIGNMENT = 8;
/** An array with more holes than this, and with more holes than entries, is written as a list of entries. */
const HOLES_MAX = 64;
/** Fields of an error that are encoded. */
export const ERROR_FIELDS: readonly string[] = ["message", "stack", "cause", "errors"];

/** An encoded value. */
export interface ClonedValue {
  /** The nodes. */
  readonly body: Uint8Array;
  /** Large buffers, not copied. */
  readonly buffers: readonly Uint8Array[];
}

type Slot = unknown;
type Node = unknown[];

/**
 * Encodes `value`; `path` names it in errors.
 *
 * @throws {SerializationError} If it contains a value that structured clone does not support.
 */
export function encodeClone(value: unknown, path: string): ClonedValue {
  const writer = new CloneWriter(path);
  return writer.write(value);
}

interface UsedBuffer {
  readonly node: Node;
  readonly buffer: ArrayBufferLike;
  start: number;
  end: number;
}

class CloneWriter {
  readonly #root: string;
  readonly #ids = new Map<object, number>();
  readonly #objects: object[] = [];
  readonly #nodes: Node[] = [];
  /** First place of each object: its parent, and the step from there. */
  readonly #parents: number[] = [];
  readonly #steps: string[] = [];
  readonly #buffers = new Map<number, UsedBuffer>();
  /** Buffers that occur only through views. */
  readonly #partial = new Set<number>();

  constructor(root: string) {
    this.#root = root;
  }

  write(value: unknown): ClonedValue {
    const root = this.#slot(value, -1, "");
    for (let id = 0; id < this.#objects.length; id++) this.#fill(id);
    const frames: Uint8Array[] = [];
    for (const { node, buffer, start, end } of this.#buffers.values()) {
      const used = new Uint8Array(buffer, start, end - start);
      if (used.byteLength < INLINE_BYTES) node.push(start, used);
      else node.push(start, frames.push(used) - 1);
    }
    return { body: encodeMsgpack([root, this.#nodes]), buffers: frames };
  }

  #slot(value: unknown, parent: number, step: string): Slot {
    switch (typeof value) {
      case "string":
        return value.isWellFormed() ? value : [-3, utf16(value)];
      case "number":
      case "boolean":
        return value;
      case "undefined":
        return [];
      case "bigint":
        return [-2, String(value)];
      case "object":
        return value === null ? null : [this.#idOf(value, parent, step)];
      default: {
        const name = typeof value === "function" && value.name !== "" ? ` "${value.name}"` : "";
        throw this.#refused(`a ${typeof value}${name} is no data`, parent, step);
      }
    }
  }

  #idOf(object: object, parent: number, step: string): number {
    const known = this.#ids.get(object);
    if (known !== undefined) {
      if (this.#partial.has(known)) {
        this.#partial.delete(known);
        this.#use(object as ArrayBuffer, known, 0, (object as ArrayBuffer).byteLength);
      }
      return known;
    }
    const id = this.#objects.length;
    this.#ids.set(object, id);
    this.#objects.push(object);
    this.#nodes.push([]);
    this.#parents.push(parent);
    this.#steps.push(step);
    return id;
  }

  #fill(id: number): void {
    const object = this.#objects[id] as object;
    const node = this.#nodes[id] as Node;
    if (Array.isArray(object)) return this.#array(object, node, id);
    if (isPlainPrototype(Object.getPrototypeOf(object))) {
      node.push(Kind.Object, this.#properties(object, Object.keys(object), id));
      return;
    }
    if (ArrayBuffer.isView(object)) return this.#view(object, node, id);
    switch (tagOf(object)) {
      case "Map":
        return this.#map(object as ReadonlyMap<unknown, unknown>, node, id);
      case "Set":
        return this.#set(object as ReadonlySet<unknown>, node, id);
      case "Date":
        node.push(Kind.Date, (object as Date).getTime());
        return;
      case "RegExp":
        node.push(
          Kind.RegExp,
          this.#slot((object as RegExp).source, id, ".source"),
          (object as RegExp).flags,
        );
        return;
      case "Error":
        return this.#error(object as Error, node, id);
      case "ArrayBuffer":
        if (!this.#partial.has(id)) {
          this.#use(object as ArrayBuffer, id, 0, (object as ArrayBuffer).byteLength);
        }
        return;
      case "Boolean":
      case "Number":
      case "String":
      case "BigInt":
        node.push(Kind.Boxed, this.#slot(object.valueOf(), id, ""));
        return;
      default:
        throw this.#refusedAt(`an instance of "${classNameOf(object)}" would lose its class`, id);
    }
  }

  #array(array: readonly unknown[], node: Node, id: number): void {
    const keys = Object.keys(array);
    let indices = 0;
    while (indices < keys.length && isIndex(keys[indices] as string)) indices++;
    if (array.length - indices > Math.max(HOLES_MAX, indices)) {
      node.push(Kind.Sparse, array.length, this.#properties(array, keys, id));
      return;
    }
    const slots: Slot[] = [];
    for (let i = 0; i < array.length; i++) {
      const isHole = indices < array.length && !(i in array);
      slots.push(isHole ? [-1] : this.#slot(array[i], id, `[${i}]`));
    }
    node.push(Kind.Array, slots);
    if (keys.length > indices) node.push(this.#properties(array, keys.slice(indices), id));
  }

  #properties(object: object, keys: readonly string[], id: number): Slot[] {
    const slots: Slot[] = [];
    for (const key of keys) {
      slots.push(
        this.#slot(key, id, ""),
        this.#slot((object as Readonly<Record<string, unknown>>)[key], id, stepTo(key)),
      );
    }
    return slots;
  }

  #map(map: ReadonlyMap<unknown, unknown>, node: Node, id: number): void {
    const slots: Slot[] = [];
    let i = 0;
    for (const [key, value] of map) {
      slots.push(this.#slot(key, id, `.keys[${i}]`));
      slots.push(
        this.#slot(value, id, typeof key === "string" ? `.get(${JSON.stringify(key)})` : `.values[${i}]`),
      );
      i++;
    }
    node.push(Kind.Map, slots);
  }

  #set(set: ReadonlySet<unknown>, node: Node, id: number): void {
    const slots: Slot[] = [];
    for (const item of set) slots.push(this.#slot(item, id, `.values[${slots.length}]`));
    node.push(Kind.Set, slots);
  }

  #error(error: Error, node: Node, id: number): void {
    const fields = ERROR_FIELDS.filter((field) => Object.hasOwn(error, field));
    node.push(Kind.Error, this.#slot(String(error.name), id, ".name"), this.#properties(error, fields, id));
  }

  #view(view: ArrayBufferView, node: Node, id: number): void {
    const { buffer, byteOffset, byteLength } = view;
    if (tagOf(buffer) !== "ArrayBuffer") throw this.#refusedAt("shared memory can't be sent", id);
    // If a buffer itself is not part of the value, only the bytes that views show are sent.
    let bufferId = this.#ids.get(buffer);
    if (bufferId === undefined) {
      bufferId = this.#idOf(buffer, id, ".buffer");
      this.#partial.add(bufferId);
    }
    this.#use(buffer, bufferId, byteOffset - byteOffset % ALIGNMENT, byteOffset + byteLength);
    const length = view instanceof DataView ? byteLength : (view as Uint8Array).length;
    node.push(Kind.View, viewName(view), [bufferId], byteOffset, length);
  }

  #use(buffer: ArrayBufferLike, id: number, start: number, end: number): void {
    const used = this.#buffers.get(id);
    if (used === undefined) {
      const node = this.#nodes[id] as Node;
      node.push(Kind.Buffer);
      this.#buffers.set(id, { node, buffer, start, end });
    } else {
      used.start = Math.min(used.start, start);
      used.end = Math.max(used.end, end);
    }
  }

  #refusedAt(reason: string, id: number): SerializationError {
    return this.#refused(reason, this.#parents[id] ?? -1, this.#steps[id] ?? "");
  }

  #refused(reason: string, parent: number, step: string): SerializationError {
    let path = step;
    for (let id = parent; id >= 0; id = this.#parents[id] ?? -1) path = (this.#steps[id] ?? "") + path;
    path = this.#root + path;
    return new SerializationError(
      `Cannot serialize "${path}": ${reason}; send plain data, or what structured clone takes`,
      path,
    );
  }
}

function stepTo(key: string): string {
  if (isIndex(key)) return `[${key}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function isIndex(key: string): boolean {
  const index = Number(key);
  return index >= 0 && index < 0xffffffff && String(Math.trunc(index)) === key;
}

/** Returns the class of a builtin, also of another realm. `Symbol.toStringTag` of a class can't fake it. */
function tagOf(object: object): string {
  const tag = Object.prototype.toString.call(object).slice(8, -1);
  if (tag === "Map" || tag === "Set" || tag === "ArrayBuffer" || tag === "BigInt") {
    return object instanceof BUILTIN[tag] || isOfAnotherRealm(object, tag) ? tag : "";
  }
  return tag === "Error" || object instanceof Error ? "Error" : tag;
}

const BUILTIN = { Map, Set, ArrayBuffer, BigInt };

function isOfAnotherRealm(object: object, tag: keyof typeof BUILTIN): boolean {
  const prototype: unknown = BUILTIN[tag].prototype;
  try {
    if (tag === "BigInt") BigInt.prototype.valueOf.call(object);
    else Reflect.get(prototype as object, tag === "ArrayBuffer" ? "byteLength" : "size", object);
    return true;
  } catch {
    return false;
  }
}

/** Returns the name of a view's builtin class, such as `Float64Array`. */
export function viewName(view: ArrayBufferView): string {
  return view instanceof DataView ? "DataView" : String(Reflect.get(view, Symbol.toStringTag));
}

function utf16(text: string): Uint8Array {
  const bytes = new Uint8Array(2 * text.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), true);
  return bytes;
}
