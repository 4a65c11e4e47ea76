import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { encodeFrames, FrameReader } from "./frames.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { COMPRESS_MIN_BYTES } from "./compression.ts";
import {
  joinBytes,
  joinFrames,
  needsSplit,
  ownBytes,
  rejoined,
  SHARD_BYTES,
  splitFrame,
  splitPayload,
} from "./payload.ts";
import { Serialized } from "./serialized.ts";
import { deserializeValue, serializeValue } from "./values.ts";

/** Returns a message as a peer receives it: in chunks of 1 MiB. */
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

Deno.test("needsSplit asks for what is too large or can be compressed, unless it came so", () => {
  const of = (header: Record<string, unknown>, ...sizes: readonly number[]): Serialized =>
    new Serialized(header, sizes.map((size) => new Uint8Array(size)));
  assertEquals(needsSplit(of({}, 5, 100), null, 100), false);
  assertEquals(needsSplit(of({}, 5, 101), null, 100), true);
  assertEquals(needsSplit(of({ compression: [null, null] }, 5, 101), null, 100), false);
  assertEquals(needsSplit(of({ "split-num-sub-frames": [1, 1] }, 5, 101), null, 100), false);
  assertEquals(needsSplit(of({}, 5, COMPRESS_MIN_BYTES), "lz4", 2 ** 20), true);
  assertEquals(needsSplit(of({}, 5, COMPRESS_MIN_BYTES - 1), "lz4", 2 ** 20), false);
  assertEquals(needsSplit(of({}, 5, COMPRESS_MIN_BYTES), null, 2 ** 20), false);
  assertEquals(needsSplit(of({}), "lz4", 2 ** 20), false);
});

Deno.test("splitFrame cuts between items, and never into nothing", () => {
  const frame = Uint8Array.from({ length: 10 }, (_, i) => i);
  const lengths = (limit: number, itemBytes?: number): number[] =>
    splitFrame(frame, limit, itemBytes).map(({ length }) => length);
  assertEquals(lengths(10), [10]);
  assertEquals(lengths(9), [9, 1]);
  assertEquals(lengths(7, 4), [4, 4, 2]);
  assertEquals(lengths(3, 4), [4, 4, 2]);
  assertStrictEquals(splitFrame(frame, 3)[1]?.buffer, frame.buffer);
});

Deno.test("splitPayload says in its header what it did, and joinFrames undoes it", () => {
  const frames = [new Uint8Array(5).fill(1), new Uint8Array(25_000), new Uint8Array(0)];
  const payload = new Serialized({ "serializer": "x", "num-sub-frames": 3 }, frames);
  const split = splitPayload(payload, "lz4", 10_000);
  assertEquals(split.header, {
    "serializer": "x",
    "split-num-sub-frames": [1, 3, 1],
    "split-offsets": [0, 1, 4],
    "compression": [null, "lz4", "lz4", null, null],
    "num-sub-frames": 5,
  });
  assertEquals(joinFrames(split), frames);
  const { "split-num-sub-frames": _, "split-offsets": __, ...rest } = split.header;
  assertEquals(joinFrames(new Serialized(rest, split.frames)).length, 5); // compressed, but not cut
});

Deno.test("rejoined leaves payloads that are compressed, lie apart, or are damaged", () => {
  const split = splitPayload(serializeValue(new Uint8Array(100)), null, 30);
  const whole = rejoined(split);
  assertEquals([whole.frames.length, whole.header["num-sub-frames"]], [1, 1]);
  for (const field of ["split-num-sub-frames", "split-offsets", "compression"]) {
    assert(!(field in whole.header));
  }
  const apart = new Serialized(split.header, split.frames.map((frame) => frame.slice()));
  const compressed = splitPayload(serializeValue(new Uint8Array(30_000)), "lz4", 2 ** 20);
  const wrong = new Serialized({ ...split.header, "split-offsets": [1] }, split.frames);
  const shorter = new Serialized({ ...split.header, "compression": [null] }, split.frames);
  const none = new Serialized({ ...split.header, "split-num-sub-frames": [], "split-offsets": [] }, []);
  for (const payload of [apart, compressed, wrong, shorter]) assertStrictEquals(rejoined(payload), payload);
  assertStrictEquals(rejoined(none), none);
});

Deno.test("joinBytes and ownBytes copy only where they must", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const [left, right] = [bytes.subarray(0, 2), bytes.subarray(2)];
  assertStrictEquals(joinBytes([left]), left);
  assertEquals(joinBytes([right, left]), Uint8Array.of(3, 4, 1, 2));
  assertEquals(joinBytes([left, left]), Uint8Array.of(1, 2, 1, 2));
  assertEquals(joinBytes([left, right.slice()]), bytes);
  assertEquals(joinBytes([]), new Uint8Array(0));
  assertStrictEquals(ownBytes(bytes).buffer, bytes.buffer);
  assertEquals([ownBytes(left), ownBytes(left).buffer.byteLength], [left, 2]);
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  assert(ownBytes(shared).buffer instanceof ArrayBuffer);
});
