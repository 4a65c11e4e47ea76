/**
 * Encodes messages as frames: the body in MessagePack, and separate payloads, which are not decoded here
 * (`distributed/protocol/core.py`, `dumps` and `loads` with `deserialize=False`).
 *
 * @module
 */

import type { Compression } from "./compression.ts";
import { type DecodeLimits, Decoder, type PayloadSource } from "./msgpack_decode.ts";
import { encodeMsgpack, Encoder, MsgpackError, type Payload } from "./msgpack_encode.ts";
import { needsSplit, SHARD_BYTES, splitPayload } from "./payload.ts";
import { Pickled, Serialized, type SerializedHeader } from "./serialized.ts";

export { MsgpackError };

/** Options for messages to one peer. */
export interface EncodeOptions {
  /** Compression that the link negotiated. Default: none. */
  readonly compression?: string | null;
  /** Larger frames of payloads are cut. Default: 64 MiB (`distributed.comm.shard`). */
  readonly shardBytes?: number;
}

const bodies = new Encoder(false);

/**
 * Returns the frames of a message. Frames of payloads are not copied, so they must not change until the
 * message is written.
 *
 * @throws {MsgpackError} If a value in the message can't be written as MessagePack.
 */
export function encodeMessage(message: unknown, options?: EncodeOptions): Uint8Array[] { // hot: per message
  const compression: Compression = options?.compression === "lz4" ? "lz4" : null;
  const shardBytes = options?.shardBytes ?? SHARD_BYTES;
  bodies.begin((payload) =>
    payload instanceof Serialized && needsSplit(payload, compression, shardBytes)
      ? splitPayload(payload, compression, shardBytes)
      : payload
  );
  bodies.value(message);
  const payloads = bodies.takePayloads();
  const frames: Uint8Array[] = [bodies.end()];
  for (let i = 0; i < payloads.length; i++) {
    const payload = payloads[i] as Payload;
    frames.push(encodeHeader(payload.header, payload.frames.length));
    for (let j = 0; j < payload.frames.length; j++) frames.push(payload.frames[j] as Uint8Array);
  }
  return frames;
}

/** Encoded bytes of frozen headers, which are the headers of values that were made here. */
const encodedHeaders = new WeakMap<SerializedHeader, Uint8Array>();

function encodeHeader(header: SerializedHeader, count: number): Uint8Array {
  const known = encodedHeaders.get(header);
  if (known !== undefined) return known;
  if (header["num-sub-frames"] !== count) return encodeMsgpack({ ...header, "num-sub-frames": count });
  const encoded = encodeMsgpack(header);
  if (Object.isFrozen(header)) encodedHeaders.set(header, encoded);
  return encoded;
}

/**
 * Decodes the message in `frames`. Binary values and payloads share memory with `frames`.
 *
 * @throws {MsgpackError} If `frames` is not a message, or exceeds `limits`.
 */
export function decodeMessage(frames: readonly Uint8Array[], limits?: DecodeLimits): unknown { // hot: per message
  const body = frames[0];
  if (body === undefined) throw new MsgpackError("Cannot decode a message: it has no frames");
  return decoder.decode(body, new FramePayloads(frames), limits);
}

const decoder = new Decoder();
const headerDecoder = new Decoder();

class FramePayloads implements PayloadSource {
  readonly #frames: readonly Uint8Array[];

  constructor(frames: readonly Uint8Array[]) {
    this.#frames = frames;
  }

  payload(index: number, pickled: boolean): Payload {
    const encoded = this.#frames[index];
    if (encoded === undefined) {
      throw new MsgpackError(
        `Cannot decode a message: a payload stands in frame ${index} of ${this.#frames.length}`,
      );
    }
    const header = headerDecoder.decode(encoded);
    if (typeof header !== "object" || header === null || Object.getPrototypeOf(header) !== Object.prototype) {
      throw new MsgpackError("Cannot decode a message: the header of a payload is not a map");
    }
    const fields = header as SerializedHeader;
    const count = fields["num-sub-frames"];
    const start = index + 1;
    if (
      typeof count !== "number" || !Number.isSafeInteger(count) || count < 0 ||
      start + count > this.#frames.length
    ) {
      throw new MsgpackError(
        `Cannot decode a message: a payload of ${String(count)} frames begins at ${start}`,
      );
    }
    const frames = this.#frames.slice(start, start + count);
    return pickled ? new Pickled(fields, frames) : new Serialized(fields, frames);
  }
}
