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
