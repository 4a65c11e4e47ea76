import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { encodeFrames, FrameReader } from "./frames.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { joinBytes, rejoined, SHARD_BYTES, splitPayload } from "./payload.ts";
import { Serialized } from "./serialized.ts";
import { deserializeValue, serializeValue } from "./values.ts";

/** A message as a peer gets it: in chunks of 1 MiB. */
function received(message: unknown): unknown {
  const reader = new FrameReader();
  for (const chunk of encodeFrames(encodeMessage(message))) {
    for (let at = 0; at < chunk.length; at += 2 ** 20) {
      reader.push(chunk.subarray(at, at + 2 ** 20));
      const frames = reader.next();
      if (frames !== undefined) return decodeMessage(frames);
    }
  }
  throw new Error("The message has no end");
}

function marked(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += SHARD_BYTES) bytes[at] = 1 + at / SHARD_BYTES;
  bytes[length - 1] = 9;
  return bytes;
}

Deno.test("FrameReader puts the shards of a value side by side, so that nothing is copied to join them", () => {
  const sent = marked(SHARD_BYTES + 100_000);
  const { values } = received({ values: [serializeValue(sent), serializeValue(marked(70_000))] }) as {
    values: Serialized[];
  };
  const [large, small] = values;
  assert(large instanceof Serialized && small instanceof Serialized);
  assertEquals(large.frames.length, 2);
  const whole = rejoined(large);
  assertEquals([whole.frames.length, whole.nbytes], [1, sent.length]);
  assertStrictEquals(whole.frames[0]?.buffer, large.frames[0]?.buffer);
  const value = deserializeValue(whole) as Uint8Array;
  assertStrictEquals(value.buffer, large.frames[0]?.buffer);
  assertEquals([value.length, value[0], value[SHARD_BYTES], value.at(-1)], [sent.length, 1, 2, 9]);
  assertEquals(small.frames[0]?.buffer.byteLength, 70_000);
});

Deno.test("rejoined undoes splitPayload where shards lie side by side, and leaves every other payload", () => {
  const payload = serializeValue(new Uint8Array([1, 2, 3, 4, 5]));
  const split = splitPayload(payload, null, 2);
  assertEquals(split.frames.length, 3);
  assertEquals(rejoined(split), payload);
  assertStrictEquals(rejoined(payload), payload);
  const scattered = new Serialized(split.header, split.frames.map((frame) => frame.slice()));
  assertStrictEquals(rejoined(scattered), scattered);
  const damaged = new Serialized({ ...split.header, "split-offsets": [7] }, split.frames);
  assertStrictEquals(rejoined(damaged), damaged);
});

Deno.test("joinBytes copies parts that do not lie side by side", () => {
  const bytes = new Uint8Array([1, 2, 3, 4]);
  const [one, two] = [bytes.subarray(0, 1), bytes.subarray(1)];
  assertStrictEquals(joinBytes([one, two]).buffer, bytes.buffer);
  assertEquals(joinBytes([one, two]), bytes);
  assertEquals(joinBytes([two, one]), new Uint8Array([2, 3, 4, 1]));
  assertEquals(joinBytes([one, one]), new Uint8Array([1, 1]));
  assertEquals(joinBytes([]), new Uint8Array(0));
});
