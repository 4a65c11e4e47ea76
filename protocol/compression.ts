/**
 * Compression of frames: negotiates it for a link, compresses frames that shrink enough, and decompresses.
 *
 * @module
 */

import { lz4Compress, lz4Decompress } from "./lz4.ts";
import { SerializationError } from "./serialized.ts";

/** Name of a compression; null for none. */
export type Compression = "lz4" | null;

/** Smaller frames are not compressed (`distributed/protocol/compression.py`, `maybe_compress`). */
export const COMPRESS_MIN_BYTES = 10_000;
const COMPRESS_MAX_BYTES = 2 ** 31 - 1;
const SAMPLE_BYTES = 10_000;
const SAMPLES = 5;
/** A frame that does not shrink to this ratio is sent uncompressed. */
const RATIO_MAX = 0.7;

/**
 * Returns the compression to announce in the handshake, from the setting `distributed.comm.compression`.
 * `"auto"` is `"lz4"`: Dask's first choice, and the only one that this package has.
 *
 * @throws {TypeError} If the setting is not the name of a compression that this package has.
 */
export function compressionSetting(setting: unknown): Compression {
  if (setting === null || setting === undefined || setting === false) return null;
  if (setting === "auto" || setting === "lz4") return "lz4";
  throw new TypeError(
    `Invalid compression setting "${String(setting)}": valid are null, false, "auto" and "lz4"`,
  );
}

/**
 * Returns the compression of a link: that of both ends if it is the same, else none
 * (`distributed/comm/core.py`, `Comm.handshake_configuration`).
 */
export function negotiateCompression(local: string | null, remote: string | null): Compression {
  return local === remote && local === "lz4" ? "lz4" : null;
}

/** Returns the compressed frame; undefined if it does not shrink enough. */
export function maybeCompress(frame: Uint8Array, compression: Compression): Uint8Array | undefined {
  if (compression === null) return undefined;
  const size = frame.byteLength;
  if (size < COMPRESS_MIN_BYTES || size > COMPRESS_MAX_BYTES) return undefined;
  const sample = sampleOf(frame);
  if (lz4Compress(sample).byteLength > RATIO_MAX * sample.byteLength) return undefined;
  const compressed = lz4Compress(frame);
  return compressed.byteLength <= RATIO_MAX * size ? compressed : undefined;
}

/** Returns evenly spaced parts of a frame, to estimate the ratio. Dask takes random parts. */
function sampleOf(frame: Uint8Array): Uint8Array {
  if (frame.byteLength <= SAMPLES * SAMPLE_BYTES) return frame;
  const sample = new Uint8Array(SAMPLES * SAMPLE_BYTES);
  const step = (frame.byteLength - SAMPLE_BYTES) / (SAMPLES - 1);
  for (let i = 0; i < SAMPLES; i++) {
    const start = Math.floor(i * step);
    sample.set(frame.subarray(start, start + SAMPLE_BYTES), i * SAMPLE_BYTES);
  }
  return sample;
}

/**
 * Decompresses one frame.
 *
 * @throws {SerializationError} If the frame is damaged, or this package does not have its compression.
 */
export function decompress(frame: Uint8Array, compression: unknown): Uint8Array {
  if (compression === null || compression === undefined) return frame;
  if (compression === "lz4") return lz4Decompress(frame);
  throw new SerializationError(
    `Cannot read a payload compressed with "${String(compression)}": only "lz4" can be undone here; ` +
      `set distributed.comm.compression to "lz4" or null where it was sent`,
  );
}
