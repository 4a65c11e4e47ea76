/**
 * Compression of frames: which one a link uses, whether a frame is worth it, and how it is undone.
 *
 * @module
 */

import { lz4Compress, lz4Decompress } from "./lz4.ts";
import { SerializationError } from "./serialized.ts";

/** What frames are compressed with; nothing for none. */
export type Compression = "lz4" | null;

/** Frames below this are sent as they are (`distributed/protocol/compression.py`, `maybe_compress`). */
export const COMPRESS_MIN_BYTES = 10_000;
const COMPRESS_MAX_BYTES = 2 ** 31 - 1;
const SAMPLE_BYTES = 10_000;
const SAMPLES = 5;
/** A frame that does not shrink to this is sent as it is. */
const RATIO_MAX = 0.7;

/**
 * The setting `distributed.comm.compression` as the name to announce in the handshake. `"auto"` is `"lz4"`,
 * the first of Dask's choices, and the one there is here.
 *
 * @throws {TypeError} If it names no compression, or one that there is not here.
 */
export function compressionSetting(setting: unknown): Compression {
  if (setting === null || setting === undefined || setting === false) return null;
  if (setting === "auto" || setting === "lz4") return "lz4";
  throw new TypeError(
    `Invalid compression setting "${String(setting)}": valid are null, false, "auto" and "lz4"`,
  );
}

/** What both ends use: equal or none (`distributed/comm/core.py`, `Comm.handshake_configuration`). */
export function negotiateCompression(local: string | null, remote: string | null): Compression {
  return local === remote && local === "lz4" ? "lz4" : null;
}

/** The compressed frame, or nothing if that isn't worth it. */
export function maybeCompress(frame: Uint8Array, compression: Compression): Uint8Array | undefined {
  if (compression === null) return undefined;
  const size = frame.byteLength;
  if (size < COMPRESS_MIN_BYTES || size > COMPRESS_MAX_BYTES) return undefined;
  const sample = sampleOf(frame);
  if (lz4Compress(sample).byteLength > RATIO_MAX * sample.byteLength) return undefined;
  const compressed = lz4Compress(frame);
  return compressed.byteLength <= RATIO_MAX * size ? compressed : undefined;
}

/** Evenly spaced parts. Dask takes random ones; nothing random is needed to see that noise is noise. */
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
 * Undoes the compression of one frame.
 *
 * @throws {SerializationError} If the frame is damaged, or its compression is one that there is not here.
 */
export function decompress(frame: Uint8Array, compression: unknown): Uint8Array {
  if (compression === null || compression === undefined) return frame;
  if (compression === "lz4") return lz4Decompress(frame);
  throw new SerializationError(
    `Cannot read a payload compressed with "${String(compression)}": only "lz4" can be undone here; ` +
      `set distributed.comm.compression to "lz4" or null where it was sent`,
  );
}
