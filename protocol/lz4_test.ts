import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { lz4Compress, lz4Decompress } from "./lz4.ts";
import { maybeCompress } from "./compression.ts";
import { SerializationError } from "./serialized.ts";

const seed = 20260805;

Deno.test("lz4Decompress undoes lz4Compress for any bytes", () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.nat(255), fc.nat(1000)).map(([byte, count]) => new Uint8Array(count).fill(byte)),
    fc.nat(1000).map((count) => Uint8Array.from({ length: count }, (_, i) => i % 7)),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const plain = Uint8Array.from(parts.flatMap((bytes) => [...bytes]));
      assertEquals(lz4Decompress(lz4Compress(plain)), plain);
    }),
    { seed, numRuns: 300 },
  );
});

Deno.test("lz4Compress copes with repetitions beyond its window, and with noise", () => {
  const plain = new Uint8Array(300_000);
  let state = 1;
  for (let i = 0; i < 100_000; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    plain[i] = plain[i + 100_000] = state;
  }
  assertEquals(lz4Decompress(lz4Compress(plain)), plain);
});

Deno.test("lz4Decompress refuses damaged blocks, and never fails otherwise", () => {
  const good = lz4Compress(new TextEncoder().encode("dask and dask and dask and dask and no more"));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, end) => {
      const damaged = good.slice(0, end);
      if (at < end) damaged[at] = byte;
      try {
        lz4Decompress(damaged);
      } catch (error) {
        assert(error instanceof SerializationError, String(error));
      }
    }),
    { seed, numRuns: 3000 },
  );
  assertThrows(() => lz4Decompress(Uint8Array.of(255, 255, 255, 255, 0)), SerializationError, "can't hold");
});

Deno.test("maybeCompress leaves what does not shrink enough, or on a sample alone", () => {
  assert(maybeCompress(new Uint8Array(200_000), "lz4") !== undefined);
  assertEquals(maybeCompress(new Uint8Array(200_000), null), undefined);
  const halfNoise = new Uint8Array(200_000);
  let state = 7;
  for (let i = 0; i < halfNoise.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    halfNoise[i] = i % 10 < 8 ? state : 0;
  }
  assertEquals(maybeCompress(halfNoise, "lz4"), undefined);
});

/** A block that announces `size` bytes. */
function block(size: number, ...bytes: readonly number[]): Uint8Array {
  return Uint8Array.of(size, 0, 0, 0, ...bytes);
}

Deno.test("lz4Compress ends with five literals, and begins no match in the last twelve bytes", () => {
  const [a, size] = [0x61, 30];
  const repeated = new Uint8Array(size).fill(a);
  // One literal, a match of 24 bytes one byte back, five literals.
  assertEquals(lz4Compress(repeated), block(size, 0x1f, a, 1, 0, 5, 0x50, a, a, a, a, a));
  assertEquals(lz4Compress(repeated.subarray(0, 14)), block(14, 0x14, a, 1, 0, 0x50, a, a, a, a, a));
  assertEquals(lz4Compress(repeated.subarray(0, 13)), block(13, 0xd0, ...new Array<number>(13).fill(a)));
  assertEquals(lz4Compress(new Uint8Array(0)), block(0, 0));
});

Deno.test("lz4Compress writes long lengths in bytes of 255", () => {
  for (const count of [15, 16, 15 + 254, 15 + 255, 15 + 256, 15 + 255 * 2]) {
    const literals = Uint8Array.from({ length: count }, (_, i) => (i * 7919) >> 3);
    assertEquals(lz4Decompress(lz4Compress(literals)), literals, `${count} literals`);
    const match = new Uint8Array(count + 10).fill(1);
    assertEquals(lz4Decompress(lz4Compress(match)), match, `match of ${count}`);
  }
});

Deno.test("lz4Decompress copies matches that overlap what they make, and those that do not", () => {
  assertEquals(lz4Decompress(block(9, 0x14, 1, 1, 0, 0x00)), new Uint8Array(9).fill(1));
  assertEquals(lz4Decompress(block(8, 0x40, 1, 2, 3, 4, 4, 0)), Uint8Array.of(1, 2, 3, 4, 1, 2, 3, 4));
  assertEquals(lz4Decompress(block(6, 0x20, 1, 2, 2, 0)), Uint8Array.of(1, 2, 1, 2, 1, 2));
});

Deno.test("lz4Decompress says what is wrong with a block", () => {
  const damaged: readonly (readonly [block: Uint8Array, words: string])[] = [
    [block(1), "too short"],
    [Uint8Array.of(0xff, 0xff, 0, 0, 0x10, 1), "6 bytes can't hold 65535"],
    [block(5, 0x50, 1), "literals beyond the end"],
    [block(1, 0x20, 1, 2), "literals beyond the end"],
    [block(20, 0xf0), "ends in a length"],
    [block(20, 0xf0, 255), "ends in a length"],
    [block(20, 0x1f, 1, 1, 0), "ends in a length"],
    [block(9, 0x14, 1, 0, 0), "a match before the begin"],
    [block(9, 0x14, 1, 2, 0), "a match before the begin"],
    [block(9, 0x14, 1, 1, 1), "a match before the begin"],
    [block(8, 0x14, 1, 1, 0), "a match beyond the end"],
    [block(10, 0x10, 1), "holds 1 bytes and announces 10"],
  ];
  for (const [bytes, words] of damaged) assertThrows(() => lz4Decompress(bytes), SerializationError, words);
});

Deno.test("maybeCompress looks at frames of 10,000 bytes and more, and at all parts of a long one", () => {
  assertEquals(maybeCompress(new Uint8Array(9_999), "lz4"), undefined);
  assert(maybeCompress(new Uint8Array(10_000), "lz4") !== undefined);
  const noise = new Uint8Array(200_000);
  for (let at = 0; at < noise.length; at += 50_000) crypto.getRandomValues(noise.subarray(at, at + 50_000));
  const zerosFirst = noise.slice();
  zerosFirst.fill(0, 0, 60_000);
  assertEquals(maybeCompress(zerosFirst, "lz4"), undefined);
});
