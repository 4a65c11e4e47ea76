/**
 * LZ4 blocks as `lz4.block` of Python writes them: the size as 32 bit little-endian, then one block.
 *
 * @module
 */

import { SerializationError } from "./serialized.ts";

const MIN_MATCH = 4;
/**
 * A match must not begin within the last 12 bytes, and the last 5 bytes are literals (LZ4 block format, end
 * of block).
 */
const LAST_MATCH = 12;
const LAST_LITERALS = 5;
const OFFSET_MAX = 0xffff;
const HASH_BITS = 14;
/** Maximum ratio of an LZ4 block: a length byte of 255 stands for at most 255 bytes. */
const RATIO_MAX = 255;

const table = new Int32Array(1 << HASH_BITS);

/** Compresses `plain`, which must be shorter than 2 GiB. */
export function lz4Compress(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = plain.length;
  const out = new Uint8Array(4 + size + Math.ceil(size / RATIO_MAX) + 16);
  new DataView(out.buffer).setUint32(0, size, true);
  table.fill(-1);
  let at = 4;
  let anchor = 0;
  const searchEnd = size - LAST_MATCH;
  const matchEnd = size - LAST_LITERALS;
  let misses = 0;
  for (let i = 0; i < searchEnd;) {
    const word = read32(plain, i);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = table[slot] as number;
    table[slot] = i;
    if (candidate < 0 || i - candidate > OFFSET_MAX || read32(plain, candidate) !== word) {
      i += 1 + (misses++ >> 6); // larger steps through incompressible data
      continue;
    }
    misses = 0;
    let length = MIN_MATCH;
    while (i + length < matchEnd && plain[candidate + length] === plain[i + length]) length++;
    at = writeSequence(out, at, plain, anchor, i, i - candidate, length);
    i += length;
    anchor = i;
  }
  at = writeSequence(out, at, plain, anchor, size, 0, 0);
  return out.slice(0, at);
}

function read32(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24);
}

/** Writes the literals of `plain` from `anchor` to `end`, then a match; no match if `length` is 0. */
function writeSequence(
  out: Uint8Array,
  start: number,
  plain: Uint8Array,
  anchor: number,
  end: number,
  offset: number,
  length: number,
): number {
  const literals = end - anchor;
  const extra = length === 0 ? 0 : length - MIN_MATCH;
  let at = start;
  out[at++] = (Math.min(literals, 15) << 4) | Math.min(extra, 15);
  if (literals >= 15) at = writeLength(out, at, literals - 15);
  out.set(plain.subarray(anchor, end), at);
  at += literals;
  if (length === 0) return at;
  out[at++] = offset & 0xff;
  out[at++] = offset >> 8;
  return extra >= 15 ? writeLength(out, at, extra - 15) : at;
}

function writeLength(out: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 255; rest -= 255) out[at++] = 255;
  out[at++] = rest;
  return at;
}

/**
 * Decompresses the output of {@linkcode lz4Compress}, or of Python's `lz4.block.compress`.
 *
 * @throws {SerializationError} If `packed` is damaged.
 */
export function lz4Decompress(packed: Uint8Array): Uint8Array<ArrayBuffer> {
  if (packed.length < 5) throw damaged("too short");
  const size = new DataView(packed.buffer, packed.byteOffset, 4).getUint32(0, true);
  if (size > packed.length * RATIO_MAX) throw damaged(`${packed.length} bytes can't hold ${size}`);
  const out = new Uint8Array(size);
  let from = 4;
  let to = 0;
  while (from < packed.length) {
    const token = packed[from++] as number;
    let literals = token >> 4;
    if (literals === 15) {
      for (let byte = 255; byte === 255; literals += byte) {
        if (from >= packed.length) throw damaged("ends in a length");
        byte = packed[from++] as number;
      }
    }
    if (to + literals > size || from + literals > packed.length) throw damaged("literals beyond the end");
    out.set(packed.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from >= packed.length) break;
    const offset = (packed[from] as number) | ((packed[from + 1] ?? 0) << 8);
    from += 2;
    if (offset === 0 || offset > to) throw damaged("a match before the begin");
    let length = (token & 15) + MIN_MATCH;
    if ((token & 15) === 15) {
      for (let byte = 255; byte === 255; length += byte) {
        if (from >= packed.length) throw damaged("ends in a length");
        byte = packed[from++] as number;
      }
    }
    if (to + length > size) throw damaged("a match beyond the end");
    if (offset >= length) out.copyWithin(to, to - offset, to - offset + length);
    else for (let i = to; i < to + length; i++) out[i] = out[i - offset] as number;
    to += length;
  }
  if (to !== size) throw damaged(`holds ${to} bytes and announces ${size}`);
  return out;
}

function damaged(reason: string): SerializationError {
  return new SerializationError(`Cannot decompress an LZ4 block: ${reason}`);
}
