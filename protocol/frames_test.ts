import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { BIG_FRAME_BYTES, encodeFrames, FrameError, type FrameLimits, FrameReader } from "./frames.ts";

const tightLimits: FrameLimits = { maxFrames: 8, maxMessageBytes: 4096 };

const seed = 20260801;

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}

/** Reads all messages of `wire` in pieces. Each piece is overwritten when the reader is done with it. */
function readPieces(wire: Uint8Array, cuts: readonly number[]): Uint8Array[][] {
  const reader = new FrameReader();
  const messages: Uint8Array[][] = [];
  let start = 0;
  for (const end of [...cuts, wire.length]) {
    const piece = wire.slice(start, end);
    reader.push(piece);
    for (let frames = reader.next(); frames !== undefined; frames = reader.next()) messages.push(frames);
    piece.fill(0xee);
    start = end;
  }
  assertEquals(reader.isInside, false);
  return messages;
}

function head(count: number | bigint, lengths: readonly (number | bigint)[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(16 + 8 * lengths.length));
  view.setBigUint64(0, 8n, true);
  view.setBigUint64(8, BigInt(count), true);
  lengths.forEach((length, i) => view.setBigUint64(16 + 8 * i, BigInt(length), true));
  return new Uint8Array(view.buffer);
}

const big = new Uint8Array(BIG_FRAME_BYTES + 3).map((_, i) => i * 7);
const sample: readonly (readonly Uint8Array[])[] = [
  [Uint8Array.of(1, 2, 3)],
  [Uint8Array.of(4), new Uint8Array(0), Uint8Array.of(5, 6), new Uint8Array(0)],
  [],
  [new Uint8Array(0)],
  [Uint8Array.of(7), big, Uint8Array.of(8, 9), big.subarray(1)],
  [Uint8Array.of(10)],
];
const sampleWire = concat(sample.flatMap((frames) => encodeFrames(frames)));

Deno.test("FrameReader reads messages that arrive byte by byte", () => {
  const cuts = Array.from({ length: sampleWire.length - 1 }, (_, i) => i + 1);
  assertEquals(readPieces(sampleWire, cuts), sample.map((frames) => [...frames]));
});

Deno.test("FrameReader reads messages that are cut in two anywhere", () => {
  const small = concat(sample.slice(0, 4).flatMap((frames) => encodeFrames(frames)));
  for (let cut = 1; cut < small.length; cut++) {
    assertEquals(readPieces(small, [cut]), sample.slice(0, 4).map((frames) => [...frames]), `cut at ${cut}`);
  }
});

Deno.test("FrameReader reads what encodeFrames wrote, for any frames and any cuts", () => {
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.integer({ min: BIG_FRAME_BYTES - 1, max: BIG_FRAME_BYTES + 1 }).map((size) =>
      new Uint8Array(size).fill(size)
    ),
  );
  const messages = fc.array(fc.array(frame, { maxLength: 6 }), { maxLength: 5 });
  fc.assert(
    fc.property(messages, fc.array(fc.nat(200_000), { maxLength: 12 }), (expected, places) => {
      const wire = concat(expected.flatMap((frames) => encodeFrames(frames)));
      const cuts = places.filter((place) => place < wire.length).sort((a, b) => a - b);
      assertEquals(readPieces(wire, cuts), expected);
    }),
    { seed, numRuns: 60 },
  );
});

Deno.test("FrameReader keeps what is left of a chunk when the next one comes early", () => {
  const reader = new FrameReader();
  const wire = concat([...encodeFrames([Uint8Array.of(1)]), ...encodeFrames([Uint8Array.of(2)])]);
  reader.push(wire.subarray(0, 30));
  assertEquals(reader.next(), [Uint8Array.of(1)]);
  reader.push(wire.subarray(30));
  assertEquals(reader.next(), [Uint8Array.of(2)]);
  assertEquals(reader.next(), undefined);
});

Deno.test("FrameReader says whether a link that ends was cut inside a message", () => {
  const reader = new FrameReader();
  assertEquals(reader.isInside, false);
  for (const end of [1, 15, 16, 20, 24, 25]) {
    const cut = new FrameReader();
    cut.push(sampleWire.slice(0, end));
    assertEquals(cut.next(), undefined);
    assertEquals(cut.isInside, true, `${end} bytes`);
  }
});

Deno.test("FrameReader gives a big frame memory of its own, and small frames no more than their message's", () => {
  const [frames] = readPieces(concat(encodeFrames(sample[4] ?? [])), [20, 1000]);
  assert(frames !== undefined);
  assertEquals(frames[1]?.buffer.byteLength, big.byteLength);
  assertEquals(frames[0]?.buffer.byteLength, 3);
});

Deno.test("encodeFrames passes big frames on uncopied and merges small ones", () => {
  const chunks = encodeFrames([
    Uint8Array.of(1),
    Uint8Array.of(2),
    big,
    Uint8Array.of(3),
    Uint8Array.of(4),
    big,
  ]);
  assertEquals(chunks.map((chunk) => chunk.byteLength), [16 + 48 + 2, big.byteLength, 2, big.byteLength]);
  assert(chunks[1] === big && chunks[3] === big);
});

Deno.test("encodeFrames ends the first read before the second big buffer, and not between parts of one", () => {
  const firstRead = (frames: readonly Uint8Array[]): bigint => {
    const chunk = encodeFrames(frames)[0] ?? new Uint8Array(8);
    return new DataView(chunk.buffer).getBigUint64(0, true);
  };
  const other = big.slice();
  assertEquals(firstRead([Uint8Array.of(1), big, other]), BigInt(8 + 24 + 1 + big.byteLength));
  const whole = new Uint8Array(3 * BIG_FRAME_BYTES);
  const parts = [0, 1, 2].map((i) => whole.subarray(i * BIG_FRAME_BYTES, (i + 1) * BIG_FRAME_BYTES));
  assertEquals(firstRead(parts), BigInt(8 + 24 + whole.byteLength));
});

Deno.test("FrameReader refuses too many frames as soon as their number is there", () => {
  for (const count of [500_001n, 2n ** 32n, 2n ** 60n, 2n ** 64n - 1n]) {
    const reader = new FrameReader();
    reader.push(head(count, []));
    assertThrows(() => reader.next(), FrameError, "at most 500000");
  }
});

Deno.test("FrameReader refuses too long frames, also when their sum alone is too long", () => {
  for (const lengths of [[2n ** 60n], [2n ** 64n - 1n], [2n ** 39n, 2n ** 39n, 1n]]) {
    for (const step of [8, 1000]) {
      const reader = new FrameReader();
      const wire = head(lengths.length, lengths);
      assertThrows(
        () => {
          for (let at = 0; at < wire.length; at += step) {
            reader.push(wire.subarray(at, at + step));
            reader.next();
          }
        },
        FrameError,
        "bytes or more",
      );
    }
  }
});

Deno.test("FrameReader with tight limits takes a handshake and refuses more, until they are lifted", () => {
  const handshake = encodeFrames([new Uint8Array(150)]);
  const large = encodeFrames([new Uint8Array(5000)]);
  const reader = new FrameReader(tightLimits);
  reader.push(concat([...handshake, ...large]));
  assertEquals(reader.next()?.length, 1);
  reader.limits = { maxFrames: 10, maxMessageBytes: 10_000 };
  assertEquals(reader.next()?.[0]?.byteLength, 5000);
  const strict = new FrameReader(tightLimits);
  strict.push(concat(large));
  assertThrows(() => strict.next(), FrameError, "at most 4096");
  const many = new FrameReader(tightLimits);
  many.push(head(9, []));
  assertThrows(() => many.next(), FrameError, "9 frames");
});

Deno.test("FrameReader takes what is no Dask at all for what it is", () => {
  for (
    const text of [
      "GET / HTTP/1.1\r\nHost: scheduler\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaa",
    ]
  ) {
    const reader = new FrameReader(tightLimits);
    reader.push(Uint8Array.from(text, (c) => c.charCodeAt(0)));
    assertThrows(() => reader.next(), FrameError, "does it speak TLS");
  }
});

Deno.test("FrameReader spends no memory on announced lengths", () => {
  const before = Deno.memoryUsage().rss;
  const readers: FrameReader[] = [];
  for (let i = 0; i < 64; i++) {
    const reader = new FrameReader();
    reader.push(concat([head(2, [100, 2 ** 39]), new Uint8Array(101)]));
    assertEquals(reader.next(), undefined);
    readers.push(reader);
    const wide = new FrameReader();
    wide.push(head(400_000, []));
    assertEquals(wide.next(), undefined);
    readers.push(wide);
  }
  assert(readers.every((reader) => reader.isInside));
  assert(Deno.memoryUsage().rss - before < 2 ** 30, "less than 16 MiB for each announced 512 GiB");
});

Deno.test("FrameReader gathers a frame that is longer than it takes at its word", () => {
  const size = 65 * 2 ** 20 + 17;
  const piece = new Uint8Array(2 ** 20);
  const reader = new FrameReader();
  reader.push(head(1, [size]));
  let frames = reader.next();
  for (let left = size; left > 0; left -= piece.length) {
    assertEquals(frames, undefined);
    reader.push(piece.slice(0, left).fill(left / piece.length));
    frames = reader.next();
  }
  assertEquals(frames?.[0]?.byteLength, size);
  for (let at = 0; at < size; at += piece.length) {
    const byte = Math.floor((size - at) / piece.length);
    assertEquals(
      [frames?.[0]?.[at], frames?.[0]?.[Math.min(at + piece.length, size) - 1]],
      [byte, byte],
      `${at}`,
    );
  }
});

Deno.test("FrameReader takes messages of exactly the bytes and frames that are allowed, in one piece and in many", () => {
  const frames = Array.from({ length: 8 }, (_, i) => new Uint8Array(512).fill(i));
  const wire = concat(encodeFrames(frames));
  for (const step of [wire.length, 100]) {
    const reader = new FrameReader(tightLimits);
    const strict = new FrameReader({ maxFrames: 8, maxMessageBytes: 4095 });
    let read: Uint8Array[] | undefined;
    for (let at = 0; at < wire.length; at += step) {
      reader.push(wire.slice(at, at + step));
      read = reader.next();
    }
    assertEquals(read, frames, `${step}`);
    assertThrows(
      () => {
        for (let at = 0; at < wire.length; at += step) {
          strict.push(wire.slice(at, at + step));
          strict.next();
        }
      },
      FrameError,
      "4096 bytes or more: at most 4095",
    );
  }
});

Deno.test("FrameReader reads many small frames into memory of at most 1 MiB each", () => {
  const frames = Array.from({ length: 40 }, (_, i) => new Uint8Array(60_000).fill(i + 1));
  const wire = concat(encodeFrames(frames));
  const [read] = readPieces(wire, [30_000, 900_000, 2_000_000]);
  assertEquals(read, frames);
  const buffers = new Set(read?.map(({ buffer }) => buffer));
  assertEquals([...buffers].map(({ byteLength }) => byteLength), [
    2 ** 20,
    2 ** 20,
    40 * 60_000 - 34 * 60_000,
  ]);
});

Deno.test("encodeFrames writes sizes of 64 bit, and no chunk of nothing", () => {
  const none = encodeFrames([new Uint8Array(0), big, new Uint8Array(0), big, new Uint8Array(0)]);
  assertEquals(none.map(({ byteLength }) => byteLength), [16 + 8 * 5, big.byteLength, big.byteLength]);
  assertEquals(encodeFrames([]), [head(0, [])]);
  const huge = Object.defineProperty(new Uint8Array(0), "byteLength", { value: 2 ** 33 + 5 });
  const view = new DataView((encodeFrames([huge])[0] ?? new Uint8Array(24)).buffer);
  assertEquals(view.getBigUint64(16, true), 2n ** 33n + 5n);
  assertEquals(view.getBigUint64(0, true), 2n ** 33n + 5n + 16n);
});
