/**
 * Encodes typed arrays like Dask's one-dimensional numpy arrays (`distributed/protocol/numpy.py`), and
 * decodes Python's array-like values as typed arrays.
 *
 * @module
 */

import { ownBytes } from "./payload.ts";
import { SerializationError, type SerializedHeader } from "./serialized.ts";
import { viewClass } from "./structured_clone_decode.ts";

/** Pickle of the class `numpy.ndarray`. */
const NDARRAY_CLASS = Uint8Array.from([
  ...[0x80, 5, 0x95, 0x15, 0, 0, 0, 0, 0, 0, 0],
  ...[0x8c, 5, 0x6e, 0x75, 0x6d, 0x70, 0x79, 0x94], // numpy
  ...[0x8c, 7, 0x6e, 0x64, 0x61, 0x72, 0x72, 0x61, 0x79, 0x94, 0x93, 0x94, 0x2e], // ndarray
]);

/** numpy's name and the bytes per item, by class. */
const DTYPES: Readonly<Record<string, readonly [dtype: string, bytes: number]>> = {
  Int8Array: ["|i1", 1],
  Uint8Array: ["|u1", 1],
  Uint8ClampedArray: ["|u1", 1],
  Int16Array: ["<i2", 2],
  Uint16Array: ["<u2", 2],
  Int32Array: ["<i4", 4],
  Uint32Array: ["<u4", 4],
  BigInt64Array: ["<i8", 8],
  BigUint64Array: ["<u8", 8],
  Float16Array: ["<f2", 2],
  Float32Array: ["<f4", 4],
  Float64Array: ["<f8", 8],
};

/** Returns the header of a typed array of the class `name`; undefined if numpy has no such type. */
export function ndarrayHeader(name: string, byteLength: number): SerializedHeader | undefined {
  const known = Object.hasOwn(DTYPES, name) ? DTYPES[name] : undefined;
  if (known === undefined) return undefined;
  const [dtype, itemBytes] = known;
  const subHeader = {
    dtype: [0, dtype],
    shape: [byteLength / itemBytes],
    strides: [itemBytes],
    writeable: [true],
  };
  return {
    // The only class that shares its dtype with another one is named here; numpy ignores the field.
    "sub-header": name === "Uint8ClampedArray" ? { ...subHeader, javascript: name } : subHeader,
    "type": "numpy.ndarray",
    "type-serialized": NDARRAY_CLASS,
    "serializer": "dask",
    "num-sub-frames": 1,
  };
}

/**
 * Classes by numpy's names and by the codes of `struct`, which `memoryview` and `array.array` use (on 64 bit
 * Linux).
 */
const CLASSES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(DTYPES).filter(([name]) => name !== "Uint8ClampedArray").map((
      [name, [dtype]],
    ) => [dtype, name]),
  ),
  ...{ b: "Int8Array", B: "Uint8Array", c: "Uint8Array", h: "Int16Array", H: "Uint16Array", i: "Int32Array" },
  ...{ I: "Uint32Array", l: "BigInt64Array", L: "BigUint64Array", q: "BigInt64Array", Q: "BigUint64Array" },
  ...{ e: "Float16Array", f: "Float32Array", d: "Float64Array" },
};

/**
 * Decodes a typed array of the family `dask`. It shares memory with `bytes` if they are their whole buffer.
 *
 * @throws {SerializationError} If JavaScript has no equivalent of Python's type.
 */
export function typedArrayOf(type: string, subHeader: unknown, bytes: Uint8Array): ArrayBufferView {
  const fields = (typeof subHeader === "object" && subHeader !== null ? subHeader : {}) as Record<
    string,
    unknown
  >;
  const name = type === "numpy.ndarray" ? ndarrayClass(fields, bytes.byteLength) : bufferClass(type, fields);
  const View = name === undefined ? undefined : viewClass(name);
  if (View === undefined) throw unreadable(type, JSON.stringify(fields["dtype"] ?? fields["format"] ?? null));
  const itemBytes = DTYPES[name ?? ""]?.[1] ?? 1;
  if (bytes.byteLength % itemBytes !== 0) throw unreadable(type, `${bytes.byteLength} bytes`);
  return new View(ownBytes(bytes).buffer, 0, bytes.byteLength / itemBytes);
}

function ndarrayClass(fields: Record<string, unknown>, byteLength: number): string | undefined {
  const { dtype, shape, strides } = fields;
  if (!Array.isArray(dtype) || dtype[0] !== 0 || typeof dtype[1] !== "string") return undefined;
  const name = Object.hasOwn(CLASSES, dtype[1]) ? CLASSES[dtype[1]] : undefined;
  if (name === undefined) return undefined;
  const itemBytes = DTYPES[name]?.[1] ?? 1;
  if (!Array.isArray(shape) || shape.length !== 1) {
    throw unreadable("numpy.ndarray", `shape ${JSON.stringify(shape ?? null)}: only one dimension is`);
  }
  const isWhole = Array.isArray(strides) && (strides[0] === itemBytes || byteLength <= itemBytes);
  if (fields["broadcast_to"] !== undefined || !isWhole || shape[0] !== byteLength / itemBytes) {
    throw unreadable("numpy.ndarray", "an array that is not contiguous");
  }
  return fields["javascript"] === "Uint8ClampedArray" ? "Uint8ClampedArray" : name;
}

function bufferClass(type: string, fields: Record<string, unknown>): string | undefined {
  const code = type === "memoryview"
    ? fields["format"]
    : type === "array.array"
    ? fields["typecode"]
    : undefined;
  return typeof code === "string" && Object.hasOwn(CLASSES, code) ? CLASSES[code] : undefined;
}

function unreadable(type: string, detail: string): SerializationError {
  return new SerializationError(
    `Cannot read a value of Python's class "${type}" (${detail}): known are bytes, and numpy arrays of numbers with ` +
      `one dimension`,
  );
}
