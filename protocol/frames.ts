/**
 * Encodes a message's frames as bytes for a link, and decodes them (`distributed/comm/tcp.py`).
 *
 * | offset | bytes | meaning (integers of 64 bit, little-endian) |
 * |---|---|---|
 * | 0 | 8 | bytes of the reader's first bulk read after this field: a hint, on a frame's boundary |
 * | 8 | 8 | number `n` of frames |
 * | 16 | 8·n | length of each frame |
 * | 16 + 8·n | | the frames |
 *
 * @module
 */

/** A peer's bytes are not a message, or exceed the limits. The link can't be used any more. */
export class FrameError extends Error {
  /** Class name. */
  override readonly name = "FrameError";
}

/** Limits on one message of a peer. */
export interface FrameLimits {
  /** Number of frames. */
  readonly maxFrames: number;
  /** Bytes of all frames together. */
  readonly maxMessageBytes: number;
}

/**
 * Limits for authenticated peers. A message may be as large as memory allows: memory is allocated while data
 * arrives, so a length alone costs nothing.
 */
export const defaultLimits: FrameLimits = { maxFrames: 500_000, maxMessageBytes: 2 ** 40 };

/**
 * Frames of at least this size are not merged with others when written, and don't share memory with others
 * when read.
 */
export const BIG_FRAME_BYTES: number = 64 * 1024;
/** Maximum size of the blocks into which small frames of a message are read. */
const BLOCK_BYTES = 2 ** 20;
/**
 * Bytes that are allocated at once for a big frame, before its data arrives. Peers of this package and of
 * Dask cut frames at this size; the system commits no memory until bytes arrive. Memory for a longer frame
 * grows by doubling.
 */
const TRUSTED_BYTES = 64 * 2 ** 20;
/** Same as {@linkcode TRUSTED_BYTES}, for all shards of one frame, which are read into adjacent memory. */
const TRUSTED_RUN_BYTES = 512 * 2 ** 20;
/** Shards contain whole items, so they can be shorter by almost one item. */
const SHARD_SLACK_BYTES = 64;
const HEAD_BYTES = 16;

/**
 * Returns the chunks to write, in order. Small frames are merged; frames of 64 KiB and more are not copied.
 */
export function encodeFrames(frames: readonly Uint8Array[]): Uint8Array[] { // hot: per message
  const count = frames.length;
  const chunks: Uint8Array[] = [];
  let at = HEAD_BYTES + 8 * count;
  let merged = at;
  let i = 0;
  for (; i < count; i++) {
    const size = (frames[i] as Uint8Array).byteLength;
    if (size >= BIG_FRAME_BYTES) break;
    merged += size;
  }
  const head = new Uint8Array(merged);
  writeHead(new DataView(head.buffer), frames);
  for (let j = 0; j < i; j++) {
    const frame = frames[j] as Uint8Array;
    head.set(frame, at);
    at += frame.byteLength;
  }
  chunks.push(head);
  while (i < count) {
    const frame = frames[i] as Uint8Array;
    if (frame.byteLength >= BIG_FRAME_BYTES) {
      chunks.push(frame);
      i++;
    } else i = mergeSmall(frames, i, chunks);
  }
  return chunks;
}

/** Merges the small frames from `start` on. Returns the index of the next big frame. */
function mergeSmall(frames: readonly Uint8Array[], start: number, chunks: Uint8Array[]): number {
  let size = 0;
  let end = start;
  for (; end < frames.length; end++) {
    const length = (frames[end] as Uint8Array).byteLength;
    if (length >= BIG_FRAME_BYTES) break;
    size += length;
  }
  if (size === 0) return end;
  const merged = new Uint8Array(size);
  let at = 0;
  for (let i = start; i < end; i++) {
    const frame = frames[i] as Uint8Array;
    merged.set(frame, at);
    at += frame.byteLength;
  }
  chunks.push(merged);
  return end;
}

/**
 * Writes the head. The first bulk read ends before the second big buffer, so that a Python peer can free each
 * buffer separately; shards of one buffer stay together (`distributed/comm/tcp.py`, `_add_frames_header`).
 */
function writeHead(view: DataView, frames: readonly Uint8Array[]): void {
  let firstRead = 8 + 8 * frames.length;
  let big: ArrayBufferLike | undefined;
  let inFirst = true;
  for (let i = 0; i < frames.length; i++) {
    const frame = frames[i] as Uint8Array;
    const size = frame.byteLength;
    setSize(view, HEAD_BYTES + 8 * i, size);
    if (inFirst && size >= BIG_FRAME_BYTES) {
      if (big === undefined) big = frame.buffer;
      else if (big !== frame.buffer) inFirst = false;
    }
    if (inFirst) firstRead += size;
  }
  setSize(view, 0, firstRead);
  setSize(view, 8, frames.length);
}

function setSize(view: DataView, at: number, size: number): void {
  view.setUint32(at, size, true);
  if (size >= 0x100000000) view.setUint32(at + 4, Math.floor(size / 0x100000000), true);
}

/**
 * Reads messages from a link's chunks of any size. Add a chunk with `push`, then call `next` until it returns
 * `undefined`.
 *
 * Bytes are copied once, from the chunk to the message's memory. The chunk must not change until
 * {@linkcode FrameReader.next} returns `undefined`.
 */
export class FrameReader {
  /** Limits from the next message on. */
  limits: FrameLimits;
  #chunk: Uint8Array | undefined = undefined;
  #at = 0;
  /** Bytes of a head, or of a length, that is split between chunks. */
  #part = new Uint8Array(HEAD_BYTES);
  #partView = new DataView(this.#part.buffer);
  #partLength = 0;
  /** Number of frames of the current message; -1 before its head was read. */
  #count = -1;
  #lengths: number[] = [];
  #total = 0;
  #frames: Uint8Array[] = [];
  /** Memory of the current frame, and the number of bytes that are filled. */
  #frame: Uint8Array | undefined = undefined;
  #filled = 0;
  /** Memory for all shards of a frame. */
  #run: Uint8Array | undefined = undefined;
  #runAt = 0;
  /** Memory for small frames of this message. */
  #block: Uint8Array | undefined = undefined;
  #blockAt = 0;
  /** Bytes of small frames for which no memory is allocated yet. */
  #smallBytes = 0;

  /** Starts at the beginning of a message. */
  constructor(limits: FrameLimits = defaultLimits) {
    this.limits = limits;
  }

  /** Whether part of a message was read: if the link ends now, the message is incomplete. */
  get isInside(): boolean {
    return this.#count >= 0 || this.#partLength > 0 || this.#chunk !== undefined;
  }

  /** Adds bytes of the link. The rest of an earlier chunk is read first. */
  push(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return;
    const rest = this.#chunk?.subarray(this.#at);
    this.#at = 0;
    if (rest === undefined) {
      this.#chunk = chunk;
      return;
    }
    const both = new Uint8Array(rest.byteLength + chunk.byteLength);
    both.set(rest);
    both.set(chunk, rest.byteLength);
    this.#chunk = both;
  }

  /**
   * Returns the frames of the next message; undefined if more bytes are needed.
   *
   * @throws {FrameError} If the peer exceeds a limit. No more messages can be read then.
   */
  next(): Uint8Array[] | undefined { // hot: per message
    while (this.#chunk !== undefined) {
      if (this.#count < 0) {
        const whole = this.#wholeMessage();
        if (whole !== undefined) return whole;
        if (!this.#fillPart(HEAD_BYTES)) return undefined;
        this.#count = this.#checkCount(size64(this.#partView, 8));
      } else if (this.#lengths.length < this.#count) {
        if (!this.#fillPart(8)) return undefined;
        this.#addLength(size64(this.#partView, 0));
      } else if (this.#frames.length < this.#count) {
        if (!this.#fillFrame(this.#lengths[this.#frames.length] as number)) return undefined;
      }
      if (this.#count >= 0 && this.#frames.length === this.#count) return this.#finish();
    }
    return undefined;
  }

  /** Fast path: a small message that is complete in the chunk. */
  #wholeMessage(): Uint8Array[] | undefined {
    const chunk = this.#chunk as Uint8Array;
    const start = this.#at;
    if (this.#partLength > 0 || chunk.byteLength - start < HEAD_BYTES) return undefined;
    const view = new DataView(chunk.buffer, chunk.byteOffset + start, chunk.byteLength - start);
    const count = this.#checkCount(size64(view, 8));
    let size = HEAD_BYTES + 8 * count;
    if (size > view.byteLength) return undefined;
    for (let i = 0; i < count; i++) {
      const length = size64(view, HEAD_BYTES + 8 * i);
      if (length >= BIG_FRAME_BYTES) return undefined;
      size += length;
    }
    this.#checkTotal(size - HEAD_BYTES - 8 * count);
    if (size > view.byteLength || size > BLOCK_BYTES) return undefined;
    const copy = new Uint8Array(size - HEAD_BYTES - 8 * count);
    copy.set(chunk.subarray(start + HEAD_BYTES + 8 * count, start + size));
    const frames: Uint8Array[] = [];
    let at = 0;
    for (let i = 0; i < count; i++) {
      const end = at + view.getUint32(HEAD_BYTES + 8 * i, true);
      frames.push(count === 1 ? copy : copy.subarray(at, end));
      at = end;
    }
    this.#advance(size);
    return frames;
  }

  #checkCount(count: number): number {
    if (count <= this.limits.maxFrames) return count;
    throw new FrameError(
      `Cannot read a message of ${count} frames: at most ${this.limits.maxFrames} are allowed here ` +
        `(is the peer a Dask role, and does it speak TLS or not as this end does?)`,
    );
  }

  #checkTotal(bytes: number): void {
    if (bytes <= this.limits.maxMessageBytes) return;
    throw new FrameError(
      `Cannot read a message of ${bytes} bytes or more: at most ${this.limits.maxMessageBytes} are allowed here`,
    );
  }

  /** Collects `size` bytes. Returns false until they are complete. */
  #fillPart(size: number): boolean {
    const chunk = this.#chunk as Uint8Array;
    const take = Math.min(size - this.#partLength, chunk.byteLength - this.#at);
    this.#part.set(chunk.subarray(this.#at, this.#at + take), this.#partLength);
    this.#partLength += take;
    this.#advance(take);
    if (this.#partLength < size) return false;
    this.#partLength = 0;
    return true;
  }

  #addLength(length: number): void {
    this.#total += length;
    this.#checkTotal(this.#total);
    this.#lengths.push(length);
    if (length < BIG_FRAME_BYTES) this.#smallBytes += length;
    if (this.#lengths.length === this.#count) this.#addEmpty();
  }

  /** Completes empty frames. */
  #addEmpty(): void {
    while (this.#lengths[this.#frames.length] === 0) this.#frames.push(new Uint8Array(0));
  }

  #fillFrame(length: number): boolean {
    const chunk = this.#chunk as Uint8Array;
    let frame = this.#frame ?? this.#memory(length);
    const take = Math.min(length - this.#filled, chunk.byteLength - this.#at);
    if (this.#filled + take > frame.byteLength) frame = grown(frame, this.#filled, take, length);
    frame.set(chunk.subarray(this.#at, this.#at + take), this.#filled);
    this.#frame = frame;
    this.#filled += take;
    this.#advance(take);
    if (this.#filled < length) return false;
    this.#frames.push(frame);
    this.#frame = undefined;
    this.#filled = 0;
    this.#addEmpty();
    return true;
  }

  /** Returns memory for a frame whose first byte has arrived. */
  #memory(length: number): Uint8Array {
    if (length >= BIG_FRAME_BYTES) {
      return this.#shardMemory(length) ?? allocate(Math.min(length, TRUSTED_BYTES));
    }
    if (this.#block === undefined || this.#blockAt + length > this.#block.byteLength) {
      this.#block = allocate(Math.max(length, Math.min(this.#smallBytes, BLOCK_BYTES)));
      this.#blockAt = 0;
    }
    const memory = this.#block.subarray(this.#blockAt, this.#blockAt + length);
    this.#blockAt += length;
    this.#smallBytes -= length;
    return memory;
  }

  /**
   * Returns memory for a frame that is one of several shards. Their memory is adjacent, so joining them needs
   * no copy.
   */
  #shardMemory(length: number): Uint8Array | undefined {
    if (this.#run === undefined) {
      const total = this.#runBytes();
      if (total === length || total > TRUSTED_RUN_BYTES) return undefined;
      this.#run = allocate(total);
      this.#runAt = 0;
    }
    const memory = this.#run.subarray(this.#runAt, this.#runAt + length);
    this.#runAt += length;
    if (this.#runAt === this.#run.byteLength) this.#run = undefined;
    return memory;
  }

  /**
   * Returns the bytes of the current frame and of the shards that continue it. All shards but the last one
   * are full.
   */
  #runBytes(): number {
    let index = this.#frames.length;
    let total = this.#lengths[index] ?? 0;
    while (isFullShard(this.#lengths[index]) && (this.#lengths[index + 1] ?? 0) >= BIG_FRAME_BYTES) {
      total += this.#lengths[++index] ?? 0;
    }
    return total;
  }

  #advance(bytes: number): void {
    this.#at += bytes;
    if (this.#at === this.#chunk?.byteLength) {
      this.#chunk = undefined;
      this.#at = 0;
    }
  }

  #finish(): Uint8Array[] {
    const frames = this.#frames;
    this.#count = -1;
    this.#lengths = [];
    this.#total = 0;
    this.#frames = [];
    this.#run = undefined;
    this.#block = undefined;
    this.#blockAt = 0;
    this.#smallBytes = 0;
    return frames;
  }
}

/** Whether a frame has the length of a full shard: 64 MiB, or the end of the last item before that. */
function isFullShard(length: number | undefined): boolean {
  return length !== undefined && length <= TRUSTED_BYTES && length > TRUSTED_BYTES - SHARD_SLACK_BYTES;
}

/** Reads a size of 64 bit. Beyond 2^53 it is inexact, but larger than every limit anyway. */
function size64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x100000000 + view.getUint32(at, true);
}

function grown(frame: Uint8Array, filled: number, more: number, length: number): Uint8Array {
  const larger = allocate(Math.min(length, Math.max(2 * frame.byteLength, filled + more)));
  larger.set(frame.subarray(0, filled));
  return larger;
}

function allocate(bytes: number): Uint8Array {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new FrameError(`Cannot read a message: no memory for a frame of ${bytes} bytes`, { cause });
  }
}
