import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decodeMsgpack, encodeMsgpack, encodePlain, MsgpackError } from "./msgpack.ts";
import { EnumMember, Float, Serialized } from "./serialized.ts";

const seed = 20260802;

Deno.test("encodeMsgpack and decodeMsgpack give back every integer of 64 bit", () => {
  const edges = [
    0,
    31,
    32,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53 - 1,
  ];
  for (const edge of edges) {
    for (const value of [edge, edge + 1, -edge, -edge - 1]) {
      assertEquals(decodeMsgpack(encodeMsgpack(value)), value === 0 ? 0 : value, String(value));
    }
  }
  for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 53n), -(2n ** 63n)]) {
    assertEquals(decodeMsgpack(encodeMsgpack(value)), value);
  }
  assertEquals(decodeMsgpack(encodeMsgpack(5n)), 5);
  for (const value of [2n ** 64n, -(2n ** 63n) - 1n]) {
    assertThrows(() => encodeMsgpack(value), MsgpackError, "64 bit");
  }
});

Deno.test("encodeMsgpack writes doubles that are no integers as doubles, -0 and NaN included", () => {
  for (const value of [-0, NaN, Infinity, -Infinity, 0.5, 2 ** 53, 1e300]) {
    assert(Object.is(decodeMsgpack(encodeMsgpack(value)), value), String(value));
  }
  assertEquals(encodeMsgpack(new Float(1)).byteLength, 9);
});

Deno.test("decodeMsgpack gives back plain data", () => {
  const plain = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double(),
      fc.string({ unit: "binary", maxLength: 100 }),
      fc.array(tie("value"), { maxLength: 20 }),
      fc.dictionary(fc.string({ unit: "binary" }), tie("value"), { noNullPrototype: true }),
    ),
  })).value;
  fc.assert(
    fc.property(plain, (value) => {
      const encoded = encodePlain(value);
      assert(encoded !== undefined);
      assertEquals(decodeMsgpack(encoded), value);
      assertEquals(encodeMsgpack(value), encoded);
    }),
    { seed, numRuns: 300 },
  );
});

Deno.test("decodeMsgpack never fails but with a MsgpackError, whatever the bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeMsgpack(bytes);
      } catch (error) {
        assert(error instanceof MsgpackError, String(error));
      }
    }),
    { seed, numRuns: 3000 },
  );
});

Deno.test("decodeMsgpack refuses every truncation of a message", () => {
  const bytes = encodeMsgpack({
    a: [1, "text", new Uint8Array(5), 1e10, 0.5, -70000],
    b: new Map([[1, "x".repeat(300)]]),
  });
  for (let end = 0; end < bytes.length; end++) {
    assertThrows(() => decodeMsgpack(bytes.subarray(0, end)), MsgpackError, "Cannot decode", `${end} bytes`);
  }
});

Deno.test("decodeMsgpack refuses lengths that the bytes can't hold, before it makes anything", () => {
  const hostile = [[0xdd, 255, 255, 255, 255], [0xdf, 255, 255, 255, 255], [0xc6, 255, 255, 255, 255], [
    0xdb,
    255,
    255,
    255,
    255,
  ]];
  for (const bytes of hostile) {
    assertThrows(() => decodeMsgpack(Uint8Array.from([...bytes, 1, 2])), MsgpackError, "longer than");
  }
});

Deno.test("decodeMsgpack and encodeMsgpack stop at 511 levels, as Python's does", () => {
  const nested = (depth: number): Uint8Array => Uint8Array.from([...new Array<number>(depth).fill(0x91), 1]);
  assertEquals(encodeMsgpack(decodeMsgpack(nested(511))), nested(511));
  assertThrows(() => decodeMsgpack(nested(512)), MsgpackError, "deeper than 511");
  assertEquals(decodeMsgpack(encodeMsgpack([1])), [1]); // and goes on working
  let deep: unknown = 1;
  for (let i = 0; i < 512; i++) deep = [deep];
  assertThrows(() => encodeMsgpack(deep), MsgpackError, "deeper than 511");
  assertEquals(encodePlain(deep), undefined);
});

Deno.test("decodeMsgpack refuses extension types, the unused byte, bad UTF-8 and trailing bytes", () => {
  for (const bytes of [[0xd4, 1, 2], [0xd6, 255, 0, 0, 0, 0], [0xc7, 0, 1]]) {
    assertThrows(() => decodeMsgpack(Uint8Array.from(bytes)), MsgpackError, "extension");
  }
  assertThrows(() => decodeMsgpack(Uint8Array.of(0xc1)), MsgpackError, "begins no value");
  assertThrows(() => decodeMsgpack(Uint8Array.of(0xa2, 0xc3, 0x28)), MsgpackError, "UTF-8");
  assertThrows(() => decodeMsgpack(Uint8Array.of(0x81, 0xa2, 0xc3, 0x28, 1)), MsgpackError, "UTF-8");
  assertThrows(() => decodeMsgpack(Uint8Array.of(1, 2)), MsgpackError, "1 bytes follow");
});

Deno.test("decodeMsgpack keeps a byte order mark", () => {
  const text = "\ufeffx".padEnd(100);
  assertEquals(decodeMsgpack(encodeMsgpack(text)), text);
});

Deno.test("decodeMsgpack makes a plain property of __proto__", () => {
  const encoded = Uint8Array.from([
    0x81,
    0xa9,
    ...new TextEncoder().encode("__proto__"),
    0x81,
    0xa1,
    0x78,
    1,
  ]);
  const decoded = decodeMsgpack(encoded) as object;
  assertEquals(Object.getPrototypeOf(decoded), Object.prototype);
  assertEquals(Object.keys(decoded), ["__proto__"]);
  assertEquals((decoded as { x?: number }).x, undefined);
  assertEquals(encodeMsgpack(decoded), encoded);
});

Deno.test("decodeMsgpack makes a Map where keys are no strings, with all entries", () => {
  const map = new Map<unknown, unknown>([["a", 1], [["x", 0], 2], [1, 3], [null, 4], ["b", 5]]);
  assertEquals(decodeMsgpack(encodeMsgpack(map)), map);
  assertEquals(decodeMsgpack(encodeMsgpack(new Map([["a", 1]]))), { a: 1 });
});

Deno.test("decodeMsgpack tells keys apart that look alike as bytes or hash alike", () => {
  const keys = [
    "é",
    "Ã©",
    "a",
    "aa",
    "",
    "Aa",
    "BB",
    "C#",
    "x".repeat(39),
    "x".repeat(40),
    "x".repeat(41),
    "\u00ff",
  ];
  const record = Object.fromEntries(keys.map((key, i) => [key, i]));
  for (let round = 0; round < 3; round++) assertEquals(decodeMsgpack(encodeMsgpack(record)), record);
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 3 })), (names) => {
      const fields = Object.fromEntries(names.map((name) => [name, name]));
      assertEquals(decodeMsgpack(encodeMsgpack(fields)), fields);
    }),
    { seed, numRuns: 300 },
  );
});

Deno.test("decodeMsgpack reads binary values without copying", () => {
  const bytes = encodeMsgpack({ data: new Uint8Array(1000).fill(3) });
  const { data } = decodeMsgpack(bytes) as { readonly data: Uint8Array };
  assertStrictEquals(data.buffer, bytes.buffer);
  assertEquals(data, new Uint8Array(1000).fill(3));
});

Deno.test("encodeMsgpack leaves out fields without a value, and writes sets and enumerations as Dask does", () => {
  assertEquals(decodeMsgpack(encodeMsgpack({ a: undefined, b: 1, c: [undefined] })), { b: 1, c: [null] });
  assertEquals(decodeMsgpack(encodeMsgpack(new Set(["x", 1]))), new Set<unknown>(["x", 1]));
  const member = new EnumMember("distributed.core", "Status", "running");
  assertEquals(decodeMsgpack(encodeMsgpack([member])), [member]);
});

Deno.test("encodeMsgpack refuses what has no form, cycles included, and goes on working", () => {
  const cycle: unknown[] = [];
  cycle.push({ cycle });
  assertThrows(() => encodeMsgpack(cycle), MsgpackError, "contains itself");
  assertThrows(() => encodeMsgpack(() => 1), MsgpackError, "a function");
  assertThrows(() => encodeMsgpack({ x: Symbol("s") }), MsgpackError, "a symbol");
  assertThrows(() => encodeMsgpack(new Date(0)), MsgpackError, '"Date"');
  assertThrows(() => encodeMsgpack(new Float64Array(1)), MsgpackError, '"Float64Array"');
  assertThrows(() => encodeMsgpack(new Serialized({}, [])), MsgpackError, "payload");
  assertThrows(() => encodeMsgpack("x".repeat(50) + "\udc00"), MsgpackError, "surrogate");
  assertEquals(encodeMsgpack([1]), Uint8Array.of(0x91, 1));
});

Deno.test("encodePlain says no to anything that would come back changed", () => {
  class Point {
    x = 1;
  }
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  const refused = [
    undefined,
    [undefined],
    { a: undefined },
    [, 1],
    1n,
    () => 1,
    Symbol("s"),
    new Map(),
    new Set(),
  ];
  const more = [
    new Date(),
    /x/,
    new Uint8Array(1),
    new Point(),
    new Float(1),
    cycle,
    { __Set__: true },
    "\ud800",
  ];
  const keys = [{ __Serialized__: 1 }, { a: { __Pickled__: 1 } }, { "\ud800": 1 }, { __Enum__: 1 }];
  for (const value of [...refused, ...more, ...keys]) assertEquals(encodePlain(value), undefined);
  assertEquals(encodePlain({ __proto__: null, a: [1] }), encodeMsgpack({ a: [1] }));
});

Deno.test("encodeMsgpack gives up a buffer that one large message needed, and its results stay", () => {
  const large = "é".repeat(2 ** 20);
  const first = encodeMsgpack(large);
  const second = encodeMsgpack("x");
  assertEquals(decodeMsgpack(first), large);
  assertEquals(second, Uint8Array.of(0xa1, 0x78));
  assert(second.buffer.byteLength < 100);
});
