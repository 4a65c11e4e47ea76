/**
 * Splits large frames of payloads into shards and compresses them for the wire, and undoes that.
 *
 * @module
 */

import { COMPRESS_MIN_BYTES, type Compression, decompress, maybeCompress } from "./compression.ts";
import { SerializationError, Serialized } from "./serialized.ts";

/** Larger frames are cut (`distributed.comm.shard`). */
export const SHARD_BYTES: number = 64 * 2 ** 20;

/**
 * Cuts `frame` into parts of whole items, of at most `limit` bytes (`protocol/utils.py`, `frame_split_size`).
 */
export function splitFrame(frame: Uint8Array, limit: number, itemBytes = 1): Uint8Array[] {
  const size = frame.byteLength;
  if (size <= limit) return [frame];
  const step = Math.max(Math.floor(limit / itemBytes), 1) * itemBytes;
  const parts: Uint8Array[] = [];
  for (let at = 0; at < size; at += step) parts.push(frame.subarray(at, at + step));
  return parts;
}

/**
 * Whether a payload has to be split or compressed. A payload that another role already split or compressed
 * stays unchanged.
 */
export function needsSplit(payload: Serialized, compression: Compression, shardBytes: number): boolean {
  const { frames, header } = payload;
  for (let i = 0; i < frames.length; i++) {
    const size = frames[i]?.byteLength ?? 0;
    if (size > shardBytes || (compression !== null && size >= COMPRESS_MIN_BYTES)) {
      return header["compression"] === undefined && header["split-num-sub-frames"] === undefined;
    }
  }
  return false;
}

/**
 * Splits and compresses the frames of a payload, and notes that in its header (`protocol/serialize.py`,
 * `serialize_and_split`, and `protocol/core.py`, `_inplace_compress_frames`).
 */
export function splitPayload(payload: Serialized, compression: Compression, shardBytes: number): Serialized {
  const counts: number[] = [];
  const offsets: number[] = [];
  const names: (string | null)[] = [];
  const frames: Uint8Array[] = [];
  for (const frame of payload.frames) {
    offsets.push(frames.length);
    const shards = splitFrame(frame, shardBytes);
    counts.push(shards.length);
    for (const shard of shards) {
      const compressed = maybeCompress(shard, compression);
      names.push(compressed === undefined ? null : compression);
      frames.push(compressed ?? shard);
    }
  }
  const { "num-sub-frames": _, ...header } = payload.header;
  return new Serialized({
    ...header,
    "split-num-sub-frames": counts,
    "split-offsets": offsets,
    "compression": names,
    "num-sub-frames": frames.length,
  }, frames);
}

/**
 * Returns the frames from before {@linkcode splitPayload} (`protocol/serialize.py`, `merge_and_deserialize`).
 *
 * @throws {SerializationError} If they don't fit the header.
 */
export function joinFrames(payload: Serialized): readonly Uint8Array[] {
  const { header } = payload;
  let frames = payload.frames;
  const names = header["compression"];
  if (names !== undefined) {
    if (!Array.isArray(names) || names.length !== frames.length) throw unfit("compression");
    if (names.some((name) => name !== null)) frames = frames.map((frame, i) => decompress(frame, names[i]));
  }
  const counts = header["split-num-sub-frames"];
  if (counts === undefined) return frames;
  const offsets = header["split-offsets"];
  if (!isIndexList(counts) || !isIndexList(offsets) || counts.length !== offsets.length) {
    throw unfit("split-num-sub-frames");
  }
  if (counts.length > frames.length) throw unfit("split-num-sub-frames");
  const joined: Uint8Array[] = [];
  let next = 0;
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] ?? 0;
    if (offsets[i] !== next || next + count > frames.length) throw unfit("split-offsets");
    joined.push(joinBytes(frames.slice(next, next + count)));
    next += count;
  }
  return joined;
}

function isIndexList(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((index) => Number.isSafeInteger(index) && index >= 0);
}

function unfit(field: string): SerializationError {
  return new SerializationError(`Cannot read a payload: "${field}" of its header does not fit its frames`);
}

/**
 * Undoes {@linkcode splitPayload} if that needs no copy, because the shards are adjacent in memory. Else
 * returns the payload itself.
 */
export function rejoined(payload: Serialized): Serialized {
  const { header, frames } = payload;
  if (header["split-num-sub-frames"] === undefined) return payload;
  const names = header["compression"];
  if (Array.isArray(names) && names.some((name) => name !== null)) return payload;
  if (frames.some(({ buffer }) => buffer !== frames[0]?.buffer)) return payload;
  const { "split-num-sub-frames": _, "split-offsets": __, "compression": ___, ...rest } = header;
  try {
    const joined = joinFrames(payload);
    return new Serialized({ ...rest, "num-sub-frames": joined.length }, joined);
  } catch (error) {
    if (error instanceof SerializationError) return payload; // reading it reports that
    throw error;
  }
}

/** Joins all parts. Makes no copy of a single part, or of parts that are adjacent in memory. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  let size = 0;
  let isTogether = first !== undefined;
  for (const part of parts) {
    isTogether &&= part.buffer === first?.buffer && part.byteOffset === first.byteOffset + size;
    size += part.byteLength;
  }
  if (first !== undefined && isTogether) {
    return parts.length === 1 ? first : new Uint8Array(first.buffer, first.byteOffset, size);
  }
  const joined = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  return joined;
}

/**
 * Returns the bytes in a buffer that contains nothing else, so that a value's `buffer` shows only the value.
 * Copies if necessary.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength
    ? new Uint8Array(buffer)
    : new Uint8Array(bytes);
}
