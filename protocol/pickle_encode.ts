/**
 * Writes pickles of protocol 4, which all supported versions of Python read: names, plain values and
 * exceptions.
 *
 * @module
 */

import { PyGlobal, PyObject, PyTuple } from "./pickle.ts";
import { SerializationError } from "./serialized.ts";

const DEPTH_MAX = 100;
const textEncoder = new TextEncoder();

/**
 * Pickles null, booleans, numbers, bigints, strings, `Uint8Array`, arrays, plain objects and Maps (as dict),
 * and the descriptions of `pickle.ts`.
 *
 * @throws {SerializationError} If `value` contains another type.
 */
export function encodePickle(value: unknown): Uint8Array<ArrayBuffer> {
  const out: number[] = [0x80, 4];
  write(out, value, 0);
  out.push(0x2e); // STOP
  return Uint8Array.from(out);
}

function write(out: number[], value: unknown, depth: number): void {
  if (depth > DEPTH_MAX) {
    throw new SerializationError(`Cannot write a pickle: nested deeper than ${DEPTH_MAX}`);
  }
  switch (typeof value) {
    case "boolean":
      out.push(value ? 0x88 : 0x89);
      return;
    case "number":
      return writeNumber(out, value);
    case "bigint":
      return writeLong(out, value);
    case "string":
      return writeString(out, value);
    case "undefined":
      out.push(0x4e);
      return;
    case "object":
      return writeObject(out, value, depth + 1);
    default:
      throw new SerializationError(`Cannot write a pickle: a ${typeof value} is no data`);
  }
}

function writeObject(out: number[], value: object | null, depth: number): void {
  if (value === null) out.push(0x4e);
  else if (value instanceof Uint8Array) {
    out.push(0x42); // BINBYTES
    writeUint32(out, value.byteLength);
    pushAll(out, value);
  } else if (Array.isArray(value)) {
    out.push(0x5d, 0x28); // EMPTY_LIST, MARK
    for (const item of value) write(out, item, depth);
    out.push(0x65); // APPENDS
  } else if (value instanceof PyTuple) {
    out.push(0x28); // MARK
    for (const item of value.items) write(out, item, depth);
    out.push(0x74); // TUPLE
  } else if (value instanceof PyGlobal) {
    writeString(out, value.module);
    writeString(out, value.name);
    out.push(0x93); // STACK_GLOBAL
  } else if (value instanceof PyObject) {
    write(out, value.callable, depth);
    write(out, new PyTuple(value.args), depth);
    out.push(0x52); // REDUCE
    if (value.state !== undefined) {
      write(out, value.state, depth);
      out.push(0x62); // BUILD
    }
  } else {
    out.push(0x7d, 0x28); // EMPTY_DICT, MARK
    const entries = value instanceof Map ? value.entries() : Object.entries(value);
    for (const [key, entry] of entries) {
      write(out, key, depth);
      write(out, entry, depth);
    }
    out.push(0x75); // SETITEMS
  }
}

function writeNumber(out: number[], value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    if (value >= 0 && value < 0x100) out.push(0x4b, value); // BININT1
    else if (value === (value | 0)) {
      out.push(0x4a); // BININT
      writeUint32(out, value >>> 0);
    } else writeLong(out, BigInt(value));
    return;
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  out.push(0x47, ...bytes); // BINFLOAT
}

function writeLong(out: number[], value: bigint): void {
  let count = 1;
  while (count < 0xff && BigInt.asIntN(8 * count, value) !== value) count++;
  if (BigInt.asIntN(8 * count, value) !== value) {
    throw new SerializationError("Cannot write a pickle: integer too large");
  }
  out.push(0x8a, count); // LONG1
  for (let i = 0; i < count; i++) out.push(Number((value >> BigInt(8 * i)) & 0xffn));
}

function writeString(out: number[], value: string): void {
  const bytes = textEncoder.encode(value);
  if (bytes.length < 0x100) out.push(0x8c, bytes.length); // SHORT_BINUNICODE
  else {
    out.push(0x58); // BINUNICODE
    writeUint32(out, bytes.length);
  }
  pushAll(out, bytes);
}

function writeUint32(out: number[], value: number): void {
  out.push(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

function pushAll(out: number[], bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) out.push(bytes[i] as number);
}
