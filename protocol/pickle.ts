/**
 * Decodes Python's pickles, protocol 2 to 5, without running code: imports become names, and calls become
 * descriptions of the call.
 *
 * | Python | here |
 * |---|---|
 * | None, bool, int, float, str | null, boolean, number (bigint beyond 2^53), number, string |
 * | bytes, bytearray, out-of-band buffer | `Uint8Array` |
 * | list, tuple | array, {@linkcode PyTuple} |
 * | dict, set, frozenset | `Map`, `Set` |
 * | class or function | {@linkcode PyGlobal} |
 * | anything else | {@linkcode PyObject} |
 *
 * @module
 */

import { SerializationError } from "./serialized.ts";

/** A tuple. */
export class PyTuple {
  /** Its items. */
  readonly items: readonly unknown[];

  /** Wraps items. */
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** A member of a Python module. */
export class PyGlobal {
  /** Module, such as `builtins`. */
  readonly module: string;
  /** Name in it, such as `ValueError`. */
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }

  /** `module.name`. */
  get path(): string {
    return `${this.module}.${this.name}`;
  }
}

/** Description of the object that a call would return. */
export class PyObject {
  /** The called object, usually a {@linkcode PyGlobal}. */
  readonly callable: unknown;
  /** Its arguments. */
  readonly args: readonly unknown[];
  /** Argument of `__setstate__`; undefined if there is none. */
  state: unknown = undefined;
  /** Items that would be appended or added. */
  readonly items: unknown[] = [];
  /** Entries that would be set, as on a dict. */
  readonly entries: Map<unknown, unknown> = new Map();

  /** Describes a call. */
  constructor(callable: unknown, args: readonly unknown[], state?: unknown) {
    this.callable = callable;
    this.args = args;
    this.state = state;
  }
}

const LONG_BYTES_MAX = 4096;
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Decodes a pickle and its out-of-band buffers. Binary values share memory with them.
 *
 * @throws {SerializationError} If it is damaged, or older than protocol 2.
 */
export function decodePickle(bytes: Uint8Array, buffers: readonly Uint8Array[] = []): unknown {
  return new PickleReader(bytes, buffers).read();
}

class PickleReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #buffers: readonly Uint8Array[];
  #at = 0;
  #buffer = 0;
  #stack: unknown[] = [];
  #marks: number[] = [];
  #memo = new Map<number, unknown>();

  constructor(bytes: Uint8Array, buffers: readonly Uint8Array[]) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#buffers = buffers;
  }

  read(): unknown {
    for (;;) {
      const opcode = this.#view.getUint8(this.#take(1));
      if (opcode === 0x2e) return this.#pop(); // STOP
      if (!this.#constant(opcode) && !this.#structure(opcode) && !this.#object(opcode)) {
        throw damaged(`unknown opcode 0x${opcode.toString(16)} at ${this.#at - 1}`);
      }
    }
  }

  /** Opcodes that push a simple value, or push nothing. */
  #constant(opcode: number): boolean {
    switch (opcode) {
      case 0x80: // PROTO
        this.#take(1);
        return true;
      case 0x95: // FRAME
        this.#take(8);
        return true;
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x4b: // BININT1
        return this.#push(this.#uint8());
      case 0x4d: // BININT2
        return this.#push(this.#view.getUint16(this.#take(2), true));
      case 0x4a: // BININT
        return this.#push(this.#view.getInt32(this.#take(4), true));
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#uint8()));
      case 0x8b: // LONG4
        return this.#push(this.#long(this.#uint32()));
      case 0x47: // BINFLOAT
        return this.#push(this.#view.getFloat64(this.#take(8)));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#text(this.#uint8()));
      case 0x58: // BINUNICODE
        return this.#push(this.#text(this.#uint32()));
      case 0x8d: // BINUNICODE8
        return this.#push(this.#text(this.#uint64()));
      case 0x43: // SHORT_BINBYTES
        return this.#push(this.#binary(this.#uint8()));
      case 0x42: // BINBYTES
        return this.#push(this.#binary(this.#uint32()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(this.#binary(this.#uint64()));
      case 0x97: // NEXT_BUFFER
        return this.#push(this.#buffers[this.#buffer++] ?? fail("an out-of-band buffer is missing"));
      case 0x98: // READONLY_BUFFER
        return true;
    }
    return false;
  }

  /** Opcodes of the stack, the memo and containers. */
  #structure(opcode: number): boolean {
    switch (opcode) {
      case 0x28: // MARK
        this.#marks.push(this.#stack.length);
        return true;
      case 0x30: // POP
        this.#pop();
        return true;
      case 0x31: // POP_MARK
        this.#toMark();
        return true;
      case 0x32: // DUP
        return this.#push(this.#top());
      case 0x94: // MEMOIZE
        return this.#put(this.#memo.size);
      case 0x71: // BINPUT
        return this.#put(this.#uint8());
      case 0x72: // LONG_BINPUT
        return this.#put(this.#uint32());
      case 0x68: // BINGET
        return this.#get(this.#uint8());
      case 0x6a: // LONG_BINGET
        return this.#get(this.#uint32());
      case 0x29: // EMPTY_TUPLE
        return this.#push(new PyTuple([]));
      case 0x85: // TUPLE1 to TUPLE3
      case 0x86:
      case 0x87:
        return this.#push(new PyTuple(this.#popMany(opcode - 0x84)));
      case 0x74: // TUPLE
        return this.#push(new PyTuple(this.#toMark()));
      case 0x5d: // EMPTY_LIST
        return this.#push([]);
      case 0x6c: // LIST
        return this.#push(this.#toMark());
      case 0x7d: // EMPTY_DICT
        return this.#push(new Map<unknown, unknown>());
      case 0x64: { // DICT
        const items = this.#toMark();
        return this.#push(new Map<unknown, unknown>()) && this.#set(items);
      }
      case 0x8f: // EMPTY_SET
        return this.#push(new Set<unknown>());
      case 0x91: // FROZENSET
        return this.#push(new Set<unknown>(this.#toMark()));
      case 0x61: // APPEND
        return this.#add(this.#popMany(1));
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        return this.#add(this.#toMark());
      case 0x73: // SETITEM
        return this.#set(this.#popMany(2));
      case 0x75: // SETITEMS
        return this.#set(this.#toMark());
    }
    return false;
  }

  /** Opcodes that would import or call. */
  #object(opcode: number): boolean {
    switch (opcode) {
      case 0x63: { // GLOBAL
        const module = this.#line();
        return this.#push(new PyGlobal(module, this.#line()));
      }
      case 0x93: { // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        return this.#push(new PyGlobal(String(module), String(name)));
      }
      case 0x52: // REDUCE
      case 0x81: { // NEWOBJ
        const [callable, args] = this.#popMany(2);
        return this.#push(new PyObject(callable, itemsOf(args)));
      }
      case 0x92: { // NEWOBJ_EX
        const [callable, args, keywords] = this.#popMany(3);
        const object = new PyObject(callable, itemsOf(args));
        if (keywords instanceof Map) { for (const [key, value] of keywords) object.entries.set(key, value); }
        return this.#push(object);
      }
      case 0x62: { // BUILD
        const state = this.#pop();
        const object = this.#top();
        if (object instanceof PyObject) object.state = state;
        return true;
      }
      case 0x51: // BINPERSID
        return this.#push(new PyObject(new PyGlobal("pickle", "persistent_id"), [this.#pop()]));
    }
    return false;
  }

  #push(value: unknown): true {
    this.#stack.push(value);
    return true;
  }

  #pop(): unknown {
    this.#checkDepth(1);
    return this.#stack.pop();
  }

  #popMany(count: number): unknown[] {
    this.#checkDepth(count);
    return this.#stack.splice(this.#stack.length - count);
  }

  #top(): unknown {
    this.#checkDepth(1);
    return this.#stack[this.#stack.length - 1];
  }

  #checkDepth(count: number): void {
    if (this.#stack.length - (this.#marks[this.#marks.length - 1] ?? 0) < count) fail("its stack is empty");
  }

  #toMark(): unknown[] {
    return this.#stack.splice(this.#marks.pop() ?? fail("a mark is missing"));
  }

  #put(index: number): true {
    this.#memo.set(index, this.#top());
    return true;
  }

  #get(index: number): true {
    if (!this.#memo.has(index)) fail(`nothing was kept as ${index}`);
    return this.#push(this.#memo.get(index));
  }

  #add(items: readonly unknown[]): true {
    const container = this.#top();
    if (container instanceof Set) { for (const item of items) container.add(item); }
    else {
      const list = container instanceof PyObject ? container.items : container;
      if (!Array.isArray(list)) fail("something is added to what is no list");
      for (const item of items) list.push(item);
    }
    return true;
  }

  #set(items: readonly unknown[]): true {
    const container = this.#top();
    const entries = container instanceof PyObject ? container.entries : container;
    if (!(entries instanceof Map)) fail("something is set in what is no dict");
    for (let i = 0; i + 1 < items.length; i += 2) entries.set(items[i], items[i + 1]);
    return true;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) fail("it ends too early");
    this.#at = at + count;
    return at;
  }

  #uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #uint64(): number {
    const at = this.#take(8);
    return this.#view.getUint32(at + 4, true) * 0x100000000 + this.#view.getUint32(at, true);
  }

  #binary(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  #text(count: number): string {
    return utf8.decode(this.#binary(count));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) fail("a line does not end");
    const text = this.#text(end - this.#at);
    this.#at = end + 1;
    return text;
  }

  #long(count: number): number | bigint {
    if (count > LONG_BYTES_MAX) fail(`an integer has ${count} bytes`);
    const bytes = this.#binary(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
    value = BigInt.asIntN(8 * count, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
}

function itemsOf(args: unknown): readonly unknown[] {
  return args instanceof PyTuple ? args.items : [args];
}

function fail(reason: string): never {
  throw damaged(reason);
}

function damaged(reason: string): SerializationError {
  return new SerializationError(`Cannot read a pickle: ${reason}`);
}
