/**
 * Serializes values as payloads, and deserializes them: the families of `docs/wire.md`.
 *
 * @module
 */

import { decodeMsgpack } from "./msgpack_decode.ts";
import { classNameOf, encodePlain } from "./msgpack_encode.ts";
import { ndarrayHeader, typedArrayOf } from "./numpy.ts";
import { joinBytes, joinFrames, ownBytes } from "./payload.ts";
import { decodePickle } from "./pickle.ts";
import { plainFromPython } from "./python_values.ts";
import { SerializationError, Serialized, type SerializedHeader } from "./serialized.ts";
import { encodeClone, viewName } from "./structured_clone.ts";
import { decodeClone } from "./structured_clone_decode.ts";

export { SerializationError };

const MSGPACK_HEADER: SerializedHeader = Object.freeze({ "serializer": "msgpack", "num-sub-frames": 1 });

/** Pickle of Python's class `bytes`. */
const BYTES_CLASS = Uint8Array.from([
  ...[0x80, 5, 0x95, 0x16, 0, 0, 0, 0, 0, 0, 0],
  ...[0x8c, 8, 0x62, 0x75, 0x69, 0x6c, 0x74, 0x69, 0x6e, 0x73, 0x94], // builtins
  ...[0x8c, 5, 0x62, 0x79, 0x74, 0x65, 0x73, 0x94, 0x93, 0x94, 0x2e], // bytes
]);

const BYTES_HEADER: SerializedHeader = Object.freeze({
  "sub-header": Object.freeze({}),
  "type": "bytes",
  "type-serialized": BYTES_CLASS,
  "serializer": "dask",
  "num-sub-frames": 1,
});

/** Returns a payload that Python reads as `bytes`. Makes no copy. */
export function bytesPayload(bytes: Uint8Array): Serialized {
  return new Serialized(BYTES_HEADER, [bytes]);
}

/**
 * Serializes a value. Memory of typed arrays and buffers is not copied, so it must not change until the
 * payload was sent. Plain data is copied: arrays lose properties that are not elements, and an object that
 * occurs twice is decoded as two objects.
 *
 * @param path Name of the value in errors.
 * @throws {SerializationError} If a part of it can't be serialized; the error has its path.
 */
export function serializeValue(value: unknown, path = "value"): Serialized {
  const frame = encodePlain(value);
  if (frame !== undefined) return new Serialized(MSGPACK_HEADER, [frame]);
  if (ArrayBuffer.isView(value)) {
    const payload = viewPayload(value);
    if (payload !== undefined) return payload;
  }
  return clonePayload(value, path);
}

function viewPayload(view: ArrayBufferView): Serialized | undefined {
  if (!(view.buffer instanceof ArrayBuffer)) return undefined;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const name = viewName(view);
  if (name === "Uint8Array") return bytesPayload(bytes);
  const header = ndarrayHeader(name, bytes.byteLength);
  return header === undefined ? undefined : new Serialized(header, [bytes]);
}

function clonePayload(value: unknown, path: string): Serialized {
  const { body, buffers } = encodeClone(value, path);
  return new Serialized({ "serializer": "javascript", "num-sub-frames": 1 + buffers.length }, [
    body,
    ...buffers,
  ]);
}

/**
 * Deserializes a payload. The value can share memory with the frames, so deserialize a payload only once, or
 * don't change the value.
 *
 * @throws {SerializationError} If JavaScript can't represent it.
 * @throws {MsgpackError} If it is damaged.
 */
export function deserializeValue(payload: Serialized): unknown {
  return fromFrames(payload.header, joinFrames(payload), 0);
}

/** Deserializes the only frame of a payload of the family `msgpack`. */
export function deserializeFrame(frame: Uint8Array): unknown { // hot: per task
  return decodeMsgpack(frame);
}

const NESTED_MAX = 64;

function fromFrames(header: SerializedHeader, frames: readonly Uint8Array[], depth: number): unknown {
  if (header["is-collection"] === true) return collectionOf(header, frames, depth);
  switch (header["serializer"]) {
    case "msgpack":
      return decodeMsgpack(joinBytes(frames));
    case "dask":
      return daskValue(header, frames);
    case "javascript":
      return decodeClone(frames[0] ?? missing(), frames.slice(1));
    case "pickle":
      return plainFromPython(decodePickle(frames[0] ?? missing(), frames.slice(1)));
    case "error":
      throw new SerializationError(
        `The sender could not serialize the value: ${
          frames.map((f) => new TextDecoder().decode(f)).join("\n")
        }`,
      );
    default:
      throw new SerializationError(
        `Cannot read a value of the family "${String(header["serializer"])}": known are "msgpack", "dask", ` +
          `"javascript" and "pickle"`,
      );
  }
}

function daskValue(header: SerializedHeader, frames: readonly Uint8Array[]): unknown {
  const type = String(header["type"]);
  switch (type) {
    case "bytes":
    case "bytearray":
      return ownBytes(joinBytes(frames));
    default:
      return typedArrayOf(type, header["sub-header"], joinBytes(frames));
  }
}

/**
 * Deserializes a list, tuple, set or dict whose items have headers of their own
 * (`distributed/protocol/serialize.py`, `deserialize`).
 */
function collectionOf(header: SerializedHeader, frames: readonly Uint8Array[], depth: number): unknown {
  const headers = header["sub-headers"];
  const counts = header["frame-lengths"];
  if (depth > NESTED_MAX || !Array.isArray(headers) || !Array.isArray(counts)) throw damagedCollection();
  const type = header["type-serialized"];
  const items: unknown[] = [];
  const keys: unknown[] = [];
  let at = 0;
  for (let i = 0; i < headers.length; i++) {
    const itemHeader = headers[i] as SerializedHeader | null;
    const count: unknown = counts[i];
    if (typeof count !== "number" || typeof itemHeader !== "object" || itemHeader === null) {
      throw damagedCollection();
    }
    items.push(fromFrames(itemHeader, frames.slice(at, at + count), depth + 1));
    keys.push(itemHeader["key"]);
    at += count;
  }
  if (type === "set") return new Set(items);
  if (type !== "dict") return items;
  const map = new Map(keys.map((key, i) => [key, items[i]] as const));
  return keys.every((key) => typeof key === "string") ? Object.fromEntries(map) : map;
}

function damagedCollection(): SerializationError {
  return new SerializationError("Cannot read a collection: its header does not fit");
}

function missing(): never {
  throw new SerializationError("Cannot read a payload: it has no frames");
}

/**
 * Serializes the arguments of a task for its run spec: one MessagePack frame if they are plain data, else a
 * payload.
 *
 * @param name Name of the array of arguments in errors.
 * @throws {SerializationError} If a part of them can't be serialized; the error has its path, such as
 * `args[1].rows[3]`.
 */
export function serializeArguments(args: readonly unknown[], name = "args"): Uint8Array | Serialized {
  return encodePlain(args) ?? clonePayload(args, name); // hot: per task
}

/**
 * Deserializes the output of {@linkcode serializeArguments}.
 *
 * @throws {SerializationError} If it is not an array of arguments.
 */
export function deserializeArguments(args: Uint8Array | Serialized): unknown[] {
  const value = args instanceof Uint8Array ? decodeMsgpack(args) : deserializeValue(args);
  if (Array.isArray(value)) return value;
  throw new SerializationError(
    `Cannot read the arguments of a task: they are no array, but ${typenameOf(value)}`,
  );
}

/**
 * Returns the name of a value's type, for people: `number`, `Array`, `Float64Array`, the class of an
 * instance.
 */
export function typenameOf(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? classNameOf(value) : typeof value;
}
