/**
 * Writes MessagePack as Dask does (`use_bin_type`, integers of 64 bit, sets and enumerations as marked maps).
 *
 * @module
 */

import { EnumMember, Float, Pickled, Serialized } from "./serialized.ts";

/** Bytes are not MessagePack in Dask's dialect, or a value can't be written in it. */
export class MsgpackError extends Error {
  /** Class name. */
  override readonly name = "MsgpackError";
}

/** Maximum nesting. Python's packer stops at 511 (`DEFAULT_RECURSE_LIMIT`). */
export const DEPTH_MAX = 511;

/**
 * Thrown by a plain {@linkcode Encoder} at the first value that is not plain data. A constant, because this
 * is not a failure and needs no stack.
 */
export const NOT_PLAIN: Error = new Error("Not plain data");

/** A payload that a message carries outside its body. */
export type Payload = Serialized | Pickled;

/** Splits and compresses a payload; called once, before its placeholder is written. */
export type PreparePayload = (payload: Payload) => Payload;

const INITIAL_BYTES = 4096;
/** A buffer that grew beyond this size is not kept for the next message. */
const KEPT_BYTES = 1 << 20;
/**
 * For shorter strings a loop over the characters is faster than `TextEncoder.encodeInto`; see
 * `msgpack_bench.ts`.
 */
const LOOP_LENGTH = 48;

const textEncoder = new TextEncoder();

/**
 * Writes values into one growing buffer. Not re-entrant: {@linkcode Encoder.begin}, any number of values,
 * then {@linkcode Encoder.end}.
 */
export class Encoder {
  /**
   * Whether only plain data is written: a value that would not be decoded as the same value throws
   * {@linkcode NOT_PLAIN}.
   */
  readonly #plain: boolean;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** Containers that are being written, to detect a cycle at its first repetition. */
  #open: object[] = [];
  /** Payloads in order; their placeholders name frames from 1 on. */
  #payloads: Payload[] = [];
  #nextFrame = 1;
  #prepare: PreparePayload | undefined = undefined;

  /** @param plain Whether the encoder is for plain data; else it is for messages. */
  constructor(plain: boolean) {
    this.#plain = plain;
  }

  /**
   * Returns, and forgets, the payloads for which placeholders were written since {@linkcode Encoder.begin},
   * in order.
   */
  takePayloads(): readonly Payload[] {
    const payloads = this.#payloads;
    if (payloads.length > 0) this.#payloads = [];
    this.#prepare = undefined;
    return payloads;
  }

  /** Starts over. */
  begin(prepare?: PreparePayload): void {
    this.#length = 0;
    this.#prepare = prepare;
    this.#nextFrame = 1;
    if (this.#open.length > 0) this.#open = [];
    if (this.#payloads.length > 0) this.#payloads = [];
  }

  /** Returns the bytes that were written since {@linkcode Encoder.begin}; the caller owns them. */
  end(): Uint8Array<ArrayBuffer> {
    const length = this.#length;
    if (this.#bytes.length <= KEPT_BYTES) return this.#bytes.slice(0, length);
    const written = this.#bytes.subarray(0, length);
    this.#allocate(INITIAL_BYTES);
    return written;
  }

  /**
   * Writes a value.
   *
   * @throws {MsgpackError} If it can't be written as MessagePack.
   */
  value(value: unknown): void { // hot: per value
    switch (typeof value) {
      case "string":
        return this.#string(value);
      case "number":
        return this.#number(value);
      case "boolean":
        return this.#byte(value ? 0xc3 : 0xc2);
      case "object":
        if (value === null) return this.#byte(0xc0);
        if (Array.isArray(value)) return this.#array(value);
        return this.#object(value);
      case "undefined":
        if (this.#plain) throw NOT_PLAIN;
        return this.#byte(0xc0);
      case "bigint":
        if (this.#plain) throw NOT_PLAIN;
        return this.#bigint(value);
      default:
        return this.#refuse(value);
    }
  }

  #object(value: object): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.#record(value);
    if (this.#plain) {
      // Objects of another realm (node:vm) are plain, too.
      if (isPlainPrototype(prototype as object)) return this.#record(value);
      throw NOT_PLAIN;
    }
    if (value instanceof Uint8Array) return this.#binary(value);
    if (value instanceof Serialized) return this.#payload(value, "__Serialized__");
    if (value instanceof Pickled) return this.#payload(value, "__Pickled__");
    if (value instanceof Map) return this.#map(value);
    if (value instanceof Set) return this.#set(value);
    if (value instanceof Float) return this.#float(value.value);
    if (value instanceof EnumMember) {
      return this.#record({
        __Enum__: true,
        name: value.name,
        __module__: value.module,
        __name__: value.className,
      });
    }
    this.#refuse(value);
  }

  #array(value: readonly unknown[]): void {
    this.#enter(value);
    const length = value.length;
    this.#head(length, 0x90, 0xdc);
    for (let i = 0; i < length; i++) this.value(value[i]);
    this.#open.pop();
  }

  #record(value: object): void {
    this.#enter(value);
    const record = value as Readonly<Record<string, unknown>>;
    const keys = Object.keys(record);
    let count = keys.length;
    if (!this.#plain) { // undefined fields are left out
      for (let i = 0; i < keys.length; i++) if (record[keys[i] as string] === undefined) count--;
    }
    this.#head(count, 0x80, 0xde);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      const field = record[key];
      if (field === undefined && !this.#plain) continue;
      if (this.#plain && isMarker(key)) throw NOT_PLAIN;
      this.#string(key);
      this.value(field);
    }
    this.#open.pop();
  }

  #map(value: ReadonlyMap<unknown, unknown>): void {
    this.#enter(value);
    this.#head(value.size, 0x80, 0xde);
    for (const [key, entry] of value) {
      this.value(key);
      this.value(entry);
    }
    this.#open.pop();
  }

  /** `distributed/protocol/serialize.py`, `msgpack_encode_default`. */
  #set(value: ReadonlySet<unknown>): void {
    this.#byte(0x82);
    this.#string("__Set__");
    this.#byte(0xc3);
    this.#string("as-list");
    this.#array([...value]);
  }

  #payload(payload: Payload, marker: string): void {
    this.#byte(0x81);
    this.#string(marker);
    this.#number(this.#nextFrame);
    const prepared = this.#prepare === undefined ? payload : this.#prepare(payload);
    this.#payloads.push(prepared);
    this.#nextFrame += 1 + prepared.frames.length;
  }

  #enter(container: object): void {
    const open = this.#open;
    for (let i = 0; i < open.length; i++) {
      if (open[i] !== container) continue;
      if (this.#plain) throw NOT_PLAIN;
      throw new MsgpackError("Cannot encode a message: an object contains itself");
    }
    if (open.length >= DEPTH_MAX) {
      if (this.#plain) throw NOT_PLAIN;
      throw new MsgpackError(`Cannot encode a message: nested deeper than ${DEPTH_MAX}`);
    }
    open.push(container);
  }

  #refuse(value: unknown): never {
    if (this.#plain) throw NOT_PLAIN;
    const what = typeof value === "object" ? `an instance of "${classNameOf(value)}"` : `a ${typeof value}`;
    throw new MsgpackError(`Cannot encode a message: ${what} has no form in MessagePack`);
  }

  #room(bytes: number): void {
    if (this.#length + bytes > this.#bytes.length) this.#grow(bytes);
  }

  #grow(bytes: number): void {
    const old = this.#bytes;
    this.#allocate(Math.max(old.length * 2, this.#length + bytes));
    this.#bytes.set(old.subarray(0, this.#length));
  }

  #allocate(bytes: number): void {
    this.#bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #byte(byte: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = byte;
  }

  /** Writes the head of an array or map: `fix` for less than 16 entries, `wide` and `wide + 1` for more. */
  #head(count: number, fix: number, wide: number): void {
    this.#room(5);
    if (count < 16) this.#bytes[this.#length++] = fix | count;
    else if (count < 0x10000) {
      this.#bytes[this.#length] = wide;
      this.#view.setUint16(this.#length + 1, count);
      this.#length += 3;
    } else {
      this.#bytes[this.#length] = wide + 1;
      this.#view.setUint32(this.#length + 1, count);
      this.#length += 5;
    }
  }

  #number(value: number): void {
    this.#room(9);
    const at = this.#length;
    if (!Number.isSafeInteger(value) || (value === 0 && 1 / value < 0)) return this.#float(value);
    if (value >= 0) {
      if (value < 0x80) {
        this.#bytes[at] = value;
        this.#length = at + 1;
      } else if (value < 0x100) {
        this.#bytes[at] = 0xcc;
        this.#bytes[at + 1] = value;
        this.#length = at + 2;
      } else if (value < 0x10000) {
        this.#bytes[at] = 0xcd;
        this.#view.setUint16(at + 1, value);
        this.#length = at + 3;
      } else if (value < 0x100000000) {
        this.#bytes[at] = 0xce;
        this.#view.setUint32(at + 1, value);
        this.#length = at + 5;
      } else this.#wide(0xcf, value);
    } else if (value >= -0x20) {
      this.#bytes[at] = value & 0xff;
      this.#length = at + 1;
    } else if (value >= -0x80) {
      this.#bytes[at] = 0xd0;
      this.#view.setInt8(at + 1, value);
      this.#length = at + 2;
    } else if (value >= -0x8000) {
      this.#bytes[at] = 0xd1;
      this.#view.setInt16(at + 1, value);
      this.#length = at + 3;
    } else if (value >= -0x80000000) {
      this.#bytes[at] = 0xd2;
      this.#view.setInt32(at + 1, value);
      this.#length = at + 5;
    } else this.#wide(0xd3, value);
  }

  #wide(tag: number, value: number): void {
    const high = Math.floor(value / 0x100000000);
    this.#bytes[this.#length] = tag;
    this.#view.setInt32(this.#length + 1, high);
    this.#view.setUint32(this.#length + 5, value - high * 0x100000000);
    this.#length += 9;
  }

  #float(value: number): void {
    this.#room(9);
    this.#bytes[this.#length] = 0xcb;
    this.#view.setFloat64(this.#length + 1, value);
    this.#length += 9;
  }

  #bigint(value: bigint): void {
    if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) {
      return this.#number(Number(value));
    }
    if (BigInt.asUintN(64, value) !== value && BigInt.asIntN(64, value) !== value) {
      throw new MsgpackError(`Cannot encode a message: integer ${value} needs more than 64 bit`);
    }
    this.#room(9);
    this.#bytes[this.#length] = value < 0n ? 0xd3 : 0xcf;
    this.#view.setBigUint64(this.#length + 1, BigInt.asUintN(64, value));
    this.#length += 9;
  }

  #binary(value: Uint8Array): void {
    const count = value.byteLength;
    this.#room(5 + count);
    const at = this.#length;
    let head = 2;
    if (count < 0x100) {
      this.#bytes[at] = 0xc4;
      this.#bytes[at + 1] = count;
    } else if (count < 0x10000) {
      this.#bytes[at] = 0xc5;
      this.#view.setUint16(at + 1, count);
      head = 3;
    } else {
      if (count > 0xffffffff) throw new MsgpackError(`Cannot encode a message: ${count} bytes in one value`);
      this.#bytes[at] = 0xc6;
      this.#view.setUint32(at + 1, count);
      head = 5;
    }
    this.#bytes.set(value, at + head);
    this.#length = at + head + count;
  }

  #string(value: string): void {
    const length = value.length;
    this.#room(5 + 3 * length);
    const start = this.#length;
    if (length < LOOP_LENGTH) {
      const bytes = this.#bytes;
      let at = start + (length < 32 ? 1 : 2);
      let i = 0;
      for (; i < length; i++) {
        const unit = value.charCodeAt(i);
        if (unit >= 0x80) break;
        bytes[at++] = unit;
      }
      if (i === length) {
        this.#stringHead(start, length);
        this.#length = at;
        return;
      }
    }
    this.#longString(value, start);
  }

  #longString(value: string, start: number): void {
    if (!value.isWellFormed()) {
      if (this.#plain) throw NOT_PLAIN;
      throw new MsgpackError("Cannot encode a message: a string holds half of a surrogate pair");
    }
    const guess = stringHeadBytes(value.length);
    const { written } = textEncoder.encodeInto(value, this.#bytes.subarray(start + guess));
    const head = stringHeadBytes(written);
    if (head !== guess) this.#bytes.copyWithin(start + head, start + guess, start + guess + written);
    this.#stringHead(start, written);
    this.#length = start + head + written;
  }

  #stringHead(at: number, count: number): void {
    if (count < 32) this.#bytes[at] = 0xa0 | count;
    else if (count < 0x100) {
      this.#bytes[at] = 0xd9;
      this.#bytes[at + 1] = count;
    } else if (count < 0x10000) {
      this.#bytes[at] = 0xda;
      this.#view.setUint16(at + 1, count);
    } else {
      this.#bytes[at] = 0xdb;
      this.#view.setUint32(at + 1, count);
    }
  }
}

function stringHeadBytes(count: number): number {
  return count < 32 ? 1 : count < 0x100 ? 2 : count < 0x10000 ? 3 : 5;
}

/** Whether Dask would not decode a map with this key as a map (`msgpack_decode_default`, `loads`). */
function isMarker(key: string): boolean {
  return key.charCodeAt(0) === 0x5f && key.charCodeAt(1) === 0x5f &&
    (key === "__Set__" || key === "__Enum__" || key === "__Serialized__" || key === "__Pickled__");
}

/** Whether objects with this prototype are plain, in this realm or another. */
export function isPlainPrototype(prototype: object | null): boolean {
  return prototype === null || prototype === Object.prototype ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf"));
}

/** Name of an object's class, for messages. */
export function classNameOf(value: unknown): string {
  const constructor = (value as { readonly constructor?: { readonly name?: unknown } } | null)?.constructor;
  return typeof constructor?.name === "string" && constructor.name !== "" ? constructor.name : "Object";
}

const shared = new Encoder(false);

/**
 * Writes one value without payloads.
 *
 * @throws {MsgpackError} If it can't be written as MessagePack.
 */
export function encodeMsgpack(value: unknown): Uint8Array<ArrayBuffer> {
  shared.begin();
  shared.value(value);
  if (shared.takePayloads().length > 0) {
    throw new MsgpackError("Cannot encode: a payload needs a message around it");
  }
  return shared.end();
}

const plain = new Encoder(true);

/**
 * Writes plain data that {@linkcode decodeMsgpack} decodes as the same value. Returns undefined if it is not
 * plain.
 */
export function encodePlain(value: unknown): Uint8Array<ArrayBuffer> | undefined { // hot: per task
  plain.begin();
  try {
    plain.value(value);
  } catch (error) {
    if (error === NOT_PLAIN) return undefined;
    throw error;
  }
  return plain.end();
}
