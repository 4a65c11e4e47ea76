/**
 * Benchmarks of values: small arguments, which every task has, and large results.
 *
 * @module
 */

import { encodeFrames, FrameReader } from "./frames.ts";
import { lz4Compress, lz4Decompress } from "./lz4.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { decodeError, encodeError } from "./remote_error.ts";
import { deserializeArguments, deserializeValue, serializeArguments, serializeValue } from "./values.ts";

const args = [1, 2];
const encodedArgs = serializeArguments(args);
Deno.bench("serializeArguments([1, 2])", () => {
  serializeArguments(args);
});
Deno.bench("deserializeArguments of [1, 2]", () => {
  deserializeArguments(encodedArgs);
});

const values: Readonly<Record<string, unknown>> = {
  "125 thousand doubles": Array.from({ length: 125_000 }, (_, i) => i * 1.1),
  "125 thousand small integers": Array.from({ length: 125_000 }, (_, i) => i % 100),
  "10 thousand small objects": Array.from(
    { length: 10_000 },
    (_, i) => ({ id: i, name: `name ${i}`, score: i / 3 }),
  ),
  "Float64Array of 1 MB": new Float64Array(125_000),
  "10 thousand entries of a Map": new Map(Array.from({ length: 10_000 }, (_, i) => [`key ${i}`, i])),
};
for (const [name, value] of Object.entries(values)) {
  const payload = serializeValue(value);
  Deno.bench(`serializeValue, ${name}`, () => {
    serializeValue(value);
  });
  Deno.bench(`deserializeValue, ${name}`, () => {
    deserializeValue(payload);
  });
}

const small = { op: "x", data: { key: serializeValue(new Uint8Array(100)) } };
Deno.bench("a message with a small payload to bytes and back", () => {
  const reader = new FrameReader();
  for (const chunk of encodeFrames(encodeMessage(small))) reader.push(chunk);
  decodeMessage(reader.next() ?? []);
});

const large = encodeFrames(encodeMessage({ data: serializeValue(new Uint8Array(16 * 2 ** 20)) }));
const pieces = large.flatMap((chunk) =>
  Array.from(
    { length: Math.ceil(chunk.length / 65536) },
    (_, i) => chunk.subarray(i * 65536, (i + 1) * 65536),
  )
);
Deno.bench("FrameReader, 16 MiB in chunks of 64 KiB", () => {
  const reader = new FrameReader();
  for (const piece of pieces) {
    reader.push(piece);
    reader.next();
  }
});

const error = new RangeError("too far");
Deno.bench("encodeError and decodeError", () => {
  decodeError(encodeError(error));
});

const structured = new Uint8Array(new Float64Array(125_000).map((_, i) => i % 1000).buffer);
const compressed = lz4Compress(structured);
Deno.bench("lz4Compress, 1 MB of structured doubles", () => {
  lz4Compress(structured);
});
Deno.bench("lz4Decompress, 1 MB of structured doubles", () => {
  lz4Decompress(compressed);
});
