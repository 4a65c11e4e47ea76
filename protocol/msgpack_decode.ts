/**
 * Reads MessagePack as Dask writes it.
 *
 * | MessagePack | here |
 * |---|---|
 * | integer | number; bigint beyond 2^53 |
 * | bin | `Uint8Array` that shares the input's memory |
 * | array | array |
 * | map with string keys alone | plain object |
 * | other map | `Map` |
 * | Dask's `__Set__`, `__Enum__` | `Set`, {@linkcode EnumMember} |
 * | extension | refused: Dask writes none |
 *
 * @module
 */

import { DEPTH_MAX, MsgpackError } from "./msgpack_encode.ts";
import { EnumMember } from "./serialized.ts";

/** Limits on a decoded value. */
export interface DecodeLimits {
  /** Nesting of arrays and maps, at most {@linkcode DEPTH_MAX}. */
  readonly depth: number;
  /** Number of values in arrays and maps, including keys of maps. */
  readonly values: number;
}

const NO_LIMITS: DecodeLimits = { depth: DEPTH_MAX, values: Infinity };

/** Returns the payloads for placeholders in the body of a message. */
export interface PayloadSource {
  /** Returns the payload for `{"__Serialized__": index}` or `{"__Pickled__": index}`. */
  payload(index: number, pickled: boolean): unknown;
}

/**
 * Strings up to this length are cached and compared by their bytes, because names of fields, hashes of
 * functions and addresses occur often. For longer strings `TextDecoder` is faster; see `msgpack_bench.ts`.
 */
const INTERNED_BYTES = 64;
const INTERNED_SLOTS = 4096;
/** Larger arrays grow while their entries are read, because a length alone costs a peer nothing. */
const PREALLOCATED_ENTRIES = 4096;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

/** Reads one value at a time. Not re-entrant. */
export class Decoder {
  #bytes: Uint8Array = NO_BYTES;
  #view: DataView = NO_VIEW;
  #at = 0;
  #depth = 0;
  #values = 0;
  #limits = NO_LIMITS;
  #payloads: PayloadSource | undefined = undefined;
  #interned: string[] = new Array<string>(INTERNED_SLOTS).fill("");

  /**
   * Reads the single value in `bytes`.
   *
   * @throws {MsgpackError} If `bytes` is not MessagePack, contains more than one value, or exceeds the
   * limits.
   */
  decode(bytes: Uint8Array, payloads?: PayloadSource, limits: DecodeLimits = NO_LIMITS): unknown {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
    this.#depth = 0;
    this.#values = 0;
    this.#limits = limits;
    this.#payloads = payloads;
    const value = this.#value();
    const rest = bytes.byteLength - this.#at;
    this.#bytes = NO_BYTES; // so that the decoder does not keep a large message in memory
    this.#view = NO_VIEW;
    this.#payloads = undefined;
    if (rest > 0) throw new MsgpackError(`Cannot decode: ${rest} bytes follow the value`);
    return value;
  }

  #value(): unknown { // hot: per value
    const at = this.#at;
    if (at >= this.#bytes.length) return this.#truncated();
    const tag = this.#bytes[at] as number;
    this.#at = at + 1;
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag >= 0xa0 && tag < 0xc0) return this.#string(tag & 0x1f);
    if (tag < 0x90) return this.#map(tag & 0x0f);
    if (tag < 0xa0) return this.#array(tag & 0x0f);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#uint8());
      case 0xc5:
        return this.#binary(this.#uint16());
      case 0xc6:
        return this.#binary(this.#uint32());
      case 0xd9:
        return this.#string(this.#uint8());
      case 0xda:
        return this.#string(this.#uint16());
      case 0xdb:
        return this.#string(this.#uint32());
      case 0xdc:
        return this.#array(this.#uint16());
      case 0xdd:
        return this.#array(this.#uint32());
      case 0xde:
        return this.#map(this.#uint16());
      case 0xdf:
        return this.#map(this.#uint32());
      default:
        return this.#number(tag);
    }
  }

  #number(tag: number): number | bigint {
    switch (tag) {
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
        return this.#uint8();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf:
        return this.#wide(false);
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return this.#wide(true);
      default:
        throw new MsgpackError(
          `Cannot decode: byte 0x${tag.toString(16)} at ${this.#at - 1} ` +
            (tag === 0xc1 ? "begins no value" : "begins an extension type, which Dask does not use"),
        );
    }
  }

  #wide(signed: boolean): number | bigint {
    const at = this.#take(8);
    const high = signed ? this.#view.getInt32(at) : this.#view.getUint32(at);
    const value = high * 0x100000000 + this.#view.getUint32(at + 4);
    if (Number.isSafeInteger(value)) return value;
    return signed ? this.#view.getBigInt64(at) : this.#view.getBigUint64(at);
  }

  #array(count: number): unknown[] {
    this.#enter(count);
    let array: unknown[];
    if (count <= PREALLOCATED_ENTRIES) {
      array = new Array<unknown>(count);
      for (let i = 0; i < count; i++) array[i] = this.#value();
    } else {
      array = [];
      for (let i = 0; i < count; i++) array.push(this.#value());
    }
    this.#depth--;
    return array;
  }

  #map(count: number): unknown {
    this.#enter(2 * count);
    const record: Record<string, unknown> = {};
    let marked = false;
    for (let i = 0; i < count; i++) {
      const key = this.#value();
      if (typeof key !== "string") return this.#mapFrom(record, i, count, key);
      const value = this.#value();
      if (key.charCodeAt(0) === 0x5f && key.charCodeAt(1) === 0x5f) {
        marked = true;
        if (key === "__proto__") {
          define(record, key, value);
          continue;
        }
      }
      record[key] = value;
    }
    this.#depth--;
    return marked ? this.#unmark(record, count) : record;
  }

  /** Continues with a `Map` at the first key that is not a string. */
  #mapFrom(record: Record<string, unknown>, done: number, count: number, key: unknown): unknown {
    const map = new Map<unknown, unknown>();
    for (const name of Object.keys(record)) map.set(name, record[name]);
    map.set(key, this.#value());
    for (let i = done + 1; i < count; i++) {
      const next = this.#value();
      map.set(next, this.#value());
    }
    this.#depth--;
    return map;
  }

  /**
   * Decodes marked maps (`distributed/protocol/serialize.py`, `msgpack_decode_default`), and placeholders of
   * payloads (`core.py`, `loads`).
   */
  #unmark(record: Record<string, unknown>, count: number): unknown {
    const items = record["as-list"];
    if (record["__Set__"] === true && count === 2 && Array.isArray(items)) return new Set<unknown>(items);
    if (record["__Enum__"] === true && count === 4) {
      const { name, __module__: module, __name__: className } = record;
      if (typeof name === "string" && typeof module === "string" && typeof className === "string") {
        return new EnumMember(module, className, name);
      }
    }
    if (this.#payloads === undefined || count !== 1) return record;
    const serialized = record["__Serialized__"];
    if (typeof serialized === "number" && serialized > 0) return this.#payloads.payload(serialized, false);
    const pickled = record["__Pickled__"];
    if (typeof pickled === "number" && pickled > 0) return this.#payloads.payload(pickled, true);
    return record;
  }

  #enter(values: number): void {
    if (values > this.#bytes.length - this.#at) this.#truncated();
    const limits = this.#limits;
    if (++this.#depth > limits.depth) {
      throw new MsgpackError(`Cannot decode: nested deeper than ${limits.depth}`);
    }
    if ((this.#values += values) > limits.values) {
      throw new MsgpackError(`Cannot decode: more than ${limits.values} values`);
    }
  }

  #binary(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  #string(count: number): string { // hot: per string
    const at = this.#take(count);
    if (count > INTERNED_BYTES || count === 0) return count === 0 ? "" : this.#text(at, count);
    const bytes = this.#bytes;
    const end = at + count;
    let hash = count;
    let bits = 0;
    for (let i = at; i < end; i++) {
      const byte = bytes[i] as number;
      bits |= byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (bits >= 0x80) return this.#text(at, count); // not ASCII: bytes and characters can't be compared
    const slot = (hash ^ (hash >>> 11)) & (INTERNED_SLOTS - 1);
    const known = this.#interned[slot] as string;
    if (known.length === count) {
      let i = 0;
      while (i < count && known.charCodeAt(i) === bytes[at + i]) i++;
      if (i === count) return known;
    }
    let text = "";
    for (let i = at; i < end; i++) text += String.fromCharCode(bytes[i] as number);
    this.#interned[slot] = text;
    return text;
  }

  #text(at: number, count: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(at, at + count));
    } catch (cause) {
      throw new MsgpackError(`Cannot decode: the string at ${at} is not UTF-8`, { cause });
    }
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) this.#truncated();
    this.#at = at + count;
    return at;
  }

  #uint8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  #uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  #truncated(): never {
    throw new MsgpackError(`Cannot decode: a value is longer than the ${this.#bytes.length} bytes given`);
  }
}

/** Sets an own property, also `__proto__`, for which an assignment would set the prototype. */
export function define(record: object, key: string, value: unknown): void {
  Object.defineProperty(record, key, { value, writable: true, enumerable: true, configurable: true });
}

const shared = new Decoder();

/**
 * Reads one value without payloads. Binary values share memory with `bytes`.
 *
 * @throws {MsgpackError} If it is not MessagePack as Dask writes it.
 */
export function decodeMsgpack(bytes: Uint8Array): unknown { // hot: per task
  return shared.decode(bytes);
}
