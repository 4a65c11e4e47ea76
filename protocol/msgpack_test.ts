import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { runInNewContext } from "node:vm";
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
  assertEquals(decodeMsgpack(encodeMsgpack([1])), [1]); // the decoder can still be used
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

Deno.test("encodeMsgpack writes the shortest form of every size, and decodeMsgpack reads it", () => {
  const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(7);
  const list = (count: number): unknown[] => new Array<unknown>(count).fill(null);
  const dict = (count: number): Record<string, unknown> =>
    Object.fromEntries(list(count).map((_, i) => [`k${i}`, i]));
  const map = (count: number): Map<unknown, unknown> => new Map(list(count).map((_, i) => [i, null]));
  const cases: readonly (readonly [value: unknown, head: string])[] = [
    ["", "a0"],
    ["x".repeat(31), "bf"],
    ["x".repeat(32), "d920"],
    ["x".repeat(47), "d92f"],
    ["x".repeat(48), "d930"],
    ["x".repeat(255), "d9ff"],
    ["x".repeat(256), "da0100"],
    ["x".repeat(65535), "daffff"],
    ["x".repeat(65536), "db00010000"],
    [bytes(255), "c4ff"],
    [bytes(256), "c50100"],
    [bytes(65535), "c5ffff"],
    [bytes(65536), "c600010000"],
    [list(15), "9f"],
    [list(16), "dc0010"],
    [list(65535), "dcffff"],
    [list(65536), "dd00010000"],
    [dict(15), "8f"],
    [dict(16), "de0010"],
    [dict(65535), "deffff"],
    [dict(65536), "df00010000"],
    [map(15), "8f"],
    [map(16), "de0010"],
    [map(65536), "df00010000"],
  ];
  for (const [value, head] of cases) {
    const encoded = encodeMsgpack(value);
    assertEquals(encoded.subarray(0, head.length / 2).toHex(), head);
    assertEquals(decodeMsgpack(encoded), value, head);
  }
});

Deno.test("encodeMsgpack writes the shortest form of every number, as Python does", () => {
  const cases: readonly (readonly [value: number | bigint, hex: string])[] = [
    [0, "00"],
    [127, "7f"],
    [128, "cc80"],
    [255, "ccff"],
    [256, "cd0100"],
    [65535, "cdffff"],
    [65536, "ce00010000"],
    [2 ** 32 - 1, "ceffffffff"],
    [2 ** 32, "cf0000000100000000"],
    [2 ** 53 - 1, "cf001fffffffffffff"],
    [-1, "ff"],
    [-32, "e0"],
    [-33, "d0df"],
    [-128, "d080"],
    [-129, "d1ff7f"],
    [-32768, "d18000"],
    [-32769, "d2ffff7fff"],
    [-(2 ** 31), "d280000000"],
    [-(2 ** 31) - 1, "d3ffffffff7fffffff"],
    [-(2 ** 53) + 1, "d3ffe0000000000001"],
    [2n ** 53n, "cf0020000000000000"],
    [-(2n ** 53n), "d3ffe0000000000000"],
    [2n ** 53n - 1n, "cf001fffffffffffff"],
    [-(2n ** 53n) + 1n, "d3ffe0000000000001"],
    [0.5, "cb3fe0000000000000"],
    [-0, "cb8000000000000000"],
  ];
  for (const [value, hex] of cases) {
    assertEquals(encodeMsgpack(value).toHex(), hex, String(value));
    assertEquals(encodeMsgpack([value, 1]).toHex(), `92${hex}01`, String(value));
  }
  assertEquals(decodeMsgpack(Uint8Array.fromHex("ca3fc00000")), 1.5); // a 32 bit float, which Python does not write
});

Deno.test("decodeMsgpack leaves maps that only look like a set, an enumeration or a payload", () => {
  const records = [
    { __Set__: true },
    { "__Set__": true, "as-list": 5 },
    { "__Set__": 1, "as-list": [1] },
    { "__Set__": true, "as-list": [1], "more": 1 },
    { __Enum__: true, name: "a", __module__: "m" },
    { __Enum__: true, name: "a", __module__: "m", __name__: "C", more: 1 },
    { __Enum__: 1, name: "a", __module__: "m", __name__: "C" },
    { __Enum__: true, name: 1, __module__: "m", __name__: "C" },
    { __Enum__: true, name: "a", __module__: 1, __name__: "C" },
    { __Enum__: true, name: "a", __module__: "m", __name__: 1 },
    { __Serialized__: 1 },
    { __Pickled__: 1 },
    { __other__: 1, _x: 2 },
  ];
  for (const record of records) assertEquals(decodeMsgpack(encodeMsgpack(record)), record);
});

Deno.test("encodePlain leaves it to others to write maps that Dask would take for something else", () => {
  for (const key of ["__Set__", "__Enum__", "__Serialized__", "__Pickled__"]) {
    assertEquals(encodePlain({ [key]: 1 }), undefined, key);
  }
  for (const key of ["__set__", "_Set__", "__other__", "a__Set__"]) {
    assertEquals(decodeMsgpack(encodePlain({ [key]: 1 }) ?? new Uint8Array()), { [key]: 1 }, key);
  }
});

Deno.test("encodeMsgpack takes objects without a prototype and of another realm", () => {
  const bare = Object.assign(Object.create(null), { a: [1] });
  const foreign: unknown = runInNewContext("({ a: [1] })");
  for (const value of [bare, foreign]) assertEquals(encodePlain(value), encodeMsgpack({ a: [1] }));
  assertEquals(encodeMsgpack(bare), encodeMsgpack({ a: [1] }));
});

Deno.test("decodeMsgpack reads texts that are no ASCII, whatever their length, and refuses half ones", () => {
  for (const text of ["\u00e9", "\u00e9".repeat(16), "a".repeat(47) + "\u00e9", "\u{1f600}".repeat(20)]) {
    const encoded = encodeMsgpack(text);
    assertEquals(decodeMsgpack(encoded), text);
    assertEquals(encoded.byteLength, new TextEncoder().encode(text).length + (encoded[0] === 0xd9 ? 2 : 1));
  }
  for (const hex of ["a180", "a2c328", "a1ff", "a3e282ac".slice(0, 6).replace("a3", "a2")]) {
    assertThrows(() => decodeMsgpack(Uint8Array.fromHex(hex)), MsgpackError, "not UTF-8");
  }
});

Deno.test("decodeMsgpack reads large arrays one after the other", () => {
  for (const count of [4096, 4097, 70_000]) {
    const list = Array.from({ length: count }, (_, i) => i);
    assertEquals(decodeMsgpack(encodeMsgpack([list, list])), [list, list]);
  }
});
