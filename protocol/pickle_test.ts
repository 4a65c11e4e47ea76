import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decodePickle, PyGlobal, PyObject, PyTuple } from "./pickle.ts";
import { encodePickle } from "./pickle_encode.ts";
import { plainFromPython } from "./python_values.ts";
import { SerializationError } from "./serialized.ts";

const seed = 20260804;

Deno.test("plainFromPython gives back what encodePickle wrote", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 300n }),
      fc.bigInt({ min: -(2n ** 300n), max: -(2n ** 53n) }),
      fc.double(),
      fc.string({ unit: "grapheme", maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie("any")),
      fc.dictionary(fc.string(), tie("any"), { noNullPrototype: true }),
    ),
  })).any;
  fc.assert(
    fc.property(value, (any) => assertEquals(plainFromPython(decodePickle(encodePickle(any))), any)),
    { seed, numRuns: 300 },
  );
});

Deno.test("decodePickle never fails but with a SerializationError, whatever the bytes", () => {
  const bytes = fc.array(
    fc.constantFrom(
      ...Uint8Array.from(
        [
          0x28,
          0x29,
          0x2e,
          0x4b,
          0x52,
          0x5d,
          0x61,
          0x62,
          0x65,
          0x68,
          0x73,
          0x74,
          0x75,
          0x7d,
          0x81,
          0x85,
          0x8a,
          0x8c,
        ],
      ),
      0x8f,
      0x90,
      0x91,
      0x92,
      0x93,
      0x94,
      0x95,
      0x96,
      0x97,
      0,
      1,
      2,
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(bytes, (list) => {
      try {
        plainFromPython(decodePickle(Uint8Array.from(list)));
      } catch (error) {
        assert(error instanceof SerializationError, `${list}: ${error}`);
      }
    }),
    { seed, numRuns: 5000 },
  );
});

Deno.test("decodePickle refuses lengths that the bytes can't hold, and integers without end", () => {
  for (const opcode of [0x58, 0x42, 0x8b]) {
    assertThrows(
      () => decodePickle(Uint8Array.of(opcode, 255, 255, 255, 255)),
      SerializationError,
      "Cannot read",
    );
  }
  assertThrows(
    () => decodePickle(Uint8Array.of(0x8e, 0, 0, 0, 0, 0, 0, 0, 255)),
    SerializationError,
    "too early",
  );
});

Deno.test("plainFromPython refuses a list inside itself a thousand times over", () => {
  // ]  (EMPTY_LIST)  then  0x85 (TUPLE1) many times
  const nested = Uint8Array.from([0x5d, ...new Array<number>(1000).fill(0x85), 0x2e]);
  assert(decodePickle(nested) instanceof PyTuple);
  assertThrows(() => plainFromPython(decodePickle(nested)), SerializationError, "deeper");
});

Deno.test("plainFromPython keeps a list that holds itself", () => {
  const list = plainFromPython(decodePickle(Uint8Array.of(0x5d, 0x94, 0x68, 0, 0x61, 0x2e))) as unknown[];
  assert(list[0] === list);
});

Deno.test("plainFromPython names the class that it can't read", () => {
  const frame = new PyObject(decodePickle(encodePickle("x")), []);
  assertThrows(() => plainFromPython(frame), SerializationError, "Python's class");
  // ccollections\nCounter\n)R.
  const counter = Uint8Array.from("ccollections\nCounter\n)R.", (c) => c.charCodeAt(0));
  assertThrows(() => plainFromPython(decodePickle(counter)), SerializationError, '"collections.Counter"');
});

Deno.test("encodePickle refuses what it has no form for", () => {
  assertThrows(() => encodePickle(() => 1), SerializationError, "a function");
  const cycle: unknown[] = [];
  cycle.push(cycle);
  assertThrows(() => encodePickle(cycle), SerializationError, "deeper");
  assertThrows(() => encodePickle(2n ** 3000n), SerializationError, "too large");
});

/** Returns the bytes of a pickle from numbers and ASCII texts. */
function pickle(...parts: readonly (number | string)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "number" ? [part] : [...part].map((char) => char.charCodeAt(0))),
  );
}

Deno.test("decodePickle reads every opcode of protocols 2 to 5 that builtins and exceptions are written with", () => {
  const STOP = 0x2e;
  const [MARK, ONE, TWO] = ["(", [0x4b, 1], [0x4b, 2]] as const;
  const wide = (count: number): number[] => [count, 0, 0, 0, 0, 0, 0, 0];
  const cases: readonly (readonly [name: string, parts: readonly (number | string)[], value: unknown])[] = [
    ["PROTO, FRAME, NONE", [0x80, 5, 0x95, ...wide(2), "N"], null],
    ["NEWTRUE", [0x88], true],
    ["NEWFALSE", [0x89], false],
    ["BININT1", [0x4b, 255], 255],
    ["BININT2", [0x4d, 1, 2], 513],
    ["BININT", [0x4a, 254, 255, 255, 255], -2],
    ["LONG1", [0x8a, 2, 0, 128], -32768],
    ["LONG1 of no bytes", [0x8a, 0], 0],
    ["LONG4", [0x8b, 2, 0, 0, 0, 255, 0], 255],
    ["BINFLOAT", [0x47, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], 1.5],
    ["SHORT_BINUNICODE", [0x8c, 2, 0xc3, 0xa9], "\u00e9"],
    ["BINUNICODE", [0x58, 1, 0, 0, 0, "a"], "a"],
    ["BINUNICODE8", [0x8d, ...wide(1), "a"], "a"],
    ["SHORT_BINBYTES", [0x43, 1, 7], Uint8Array.of(7)],
    ["BINBYTES", [0x42, 1, 0, 0, 0, 7], Uint8Array.of(7)],
    ["BINBYTES8", [0x8e, ...wide(1), 7], Uint8Array.of(7)],
    ["BYTEARRAY8", [0x96, ...wide(1), 7], Uint8Array.of(7)],
    ["NEXT_BUFFER, READONLY_BUFFER", [0x97, 0x98], Uint8Array.of(8, 9)],
    ["POP", [...ONE, ...TWO, "0"], 1],
    ["POP_MARK", [...ONE, MARK, ...TWO, ...TWO, "1"], 1],
    ["DUP", [...ONE, "2", 0x86], new PyTuple([1, 1])],
    ["MEMOIZE, BINGET", [...ONE, 0x94, ...TWO, 0x94, "h", 0, "h", 1, 0x87], new PyTuple([2, 1, 2])],
    ["BINPUT, BINGET", [...ONE, "q", 7, "h", 7, 0x86], new PyTuple([1, 1])],
    ["LONG_BINPUT, LONG_BINGET", [...ONE, "r", 0, 1, 0, 0, "j", 0, 1, 0, 0, 0x86], new PyTuple([1, 1])],
    ["EMPTY_TUPLE", [")"], new PyTuple([])],
    ["TUPLE1", [...ONE, 0x85], new PyTuple([1])],
    ["TUPLE3", [...ONE, ...TWO, ...ONE, 0x87], new PyTuple([1, 2, 1])],
    ["TUPLE", [MARK, ...ONE, ...TWO, "t"], new PyTuple([1, 2])],
    ["EMPTY_LIST, APPEND, APPENDS", ["]", ...ONE, "a", MARK, ...TWO, ...ONE, "e"], [1, 2, 1]],
    ["LIST", [MARK, ...ONE, ...TWO, "l"], [1, 2]],
    [
      "EMPTY_DICT, SETITEM, SETITEMS",
      ["}", ...ONE, ...TWO, "s", MARK, ...TWO, ...ONE, "u"],
      new Map([[1, 2], [2, 1]]),
    ],
    ["DICT", [MARK, ...ONE, ...TWO, "d"], new Map([[1, 2]])],
    ["EMPTY_SET, ADDITEMS", [0x8f, MARK, ...ONE, ...TWO, 0x90], new Set([1, 2])],
    ["FROZENSET", [MARK, ...ONE, 0x91], new Set([1])],
    ["GLOBAL", ["cm.n\nC\n"], new PyGlobal("m.n", "C")],
    ["STACK_GLOBAL", [0x8c, 1, "m", 0x8c, 1, "C", 0x93], new PyGlobal("m", "C")],
    ["REDUCE", ["cm\nC\n", ...ONE, 0x85, "R"], new PyObject(new PyGlobal("m", "C"), [1])],
    ["NEWOBJ", ["cm\nC\n", ...ONE, 0x85, 0x81], new PyObject(new PyGlobal("m", "C"), [1])],
    ["BUILD", ["cm\nC\n", ")R", ...ONE, "b"], new PyObject(new PyGlobal("m", "C"), [], 1)],
    ["BUILD of what is no call", ["]", ...ONE, "b"], []],
    ["BINPERSID", [...ONE, "Q"], new PyObject(new PyGlobal("pickle", "persistent_id"), [1])],
  ];
  for (const [name, parts, value] of cases) {
    assertEquals(decodePickle(pickle(...parts, STOP), [Uint8Array.of(8, 9)]), value, name);
  }
});

Deno.test("decodePickle keeps what would be added to, set on, and given to an object", () => {
  const call = "cm\nC\n)R";
  const filled = decodePickle(pickle(call, "K", 1, "a", "(K", 2, "e", "K", 3, "K", 4, "s.")) as PyObject;
  assertEquals([filled.items, [...filled.entries]], [[1, 2], [[3, 4]]]);
  const keywords = decodePickle(pickle("cm\nC\n", "K", 1, 0x85, "}K", 2, "K", 3, "s", 0x92, ".")) as PyObject;
  assertEquals([keywords.args, [...keywords.entries]], [[1], [[2, 3]]]);
  const none = decodePickle(pickle("cm\nC\n", ")N", 0x92, ".")) as PyObject;
  assertEquals([none.args, none.entries.size], [[], 0]);
  assertEquals(decodePickle(pickle("cm\nC\n", "K", 5, "R.")), new PyObject(new PyGlobal("m", "C"), [5]));
});

Deno.test("decodePickle refuses damaged pickles, and says what is wrong with them", () => {
  const damaged: readonly (readonly [parts: readonly (number | string)[], words: string])[] = [
    [["."], "its stack is empty"],
    [["K", 1, 0x86, "."], "its stack is empty"],
    [["2."], "its stack is empty"],
    [["K", 1, "(."], "its stack is empty"],
    [["t."], "a mark is missing"],
    [["h", 0, "."], "nothing was kept as 0"],
    [["K", 1, "K", 2, "a."], "something is added to what is no list"],
    [["]K", 1, "K", 2, "s."], "something is set in what is no dict"],
    [["cm.n"], "a line does not end"],
    [[0x97, "."], "an out-of-band buffer is missing"],
    [["\xff"], "unknown opcode 0xff at 0"],
    [["N", "\xff"], "unknown opcode 0xff at 1"],
    [["K", 1], "it ends too early"],
    [[0x8b, 1, 0x10, 0, 0], "an integer has 4097 bytes"],
    [[0x8b, 0, 0x10, 0, 0], "it ends too early"],
  ];
  for (const [parts, words] of damaged) {
    assertThrows(() => decodePickle(pickle(...parts)), SerializationError, words);
  }
});

Deno.test("encodePickle writes numbers as Python does", () => {
  const written: readonly (readonly [value: number | bigint, hex: string])[] = [
    [0, "4b00"],
    [255, "4bff"],
    [256, "4a00010000"],
    [-1, "4affffffff"],
    [2 ** 31 - 1, "4affffff7f"],
    [-(2 ** 31), "4a00000080"],
    [2 ** 31, "8a050000008000"],
    [-0, "478000000000000000"],
    [0.5, "473fe0000000000000"],
    [2 ** 53, "474340000000000000"],
    [127n, "8a017f"],
    [128n, "8a028000"],
    [-128n, "8a0180"],
    [-129n, "8a027fff"],
  ];
  for (const [value, hex] of written) {
    assertEquals(encodePickle(value).toHex(), `8004${hex}2e`, String(value));
  }
  const widest = 2n ** (8n * 255n - 1n);
  assertEquals(decodePickle(encodePickle(-widest)), -widest);
  assertThrows(() => encodePickle(widest), SerializationError, "too large");
});

Deno.test("encodePickle writes texts of any length, tuples, calls with state, and no more than 100 levels", () => {
  for (const length of [255, 256]) {
    assertEquals(decodePickle(encodePickle("x".repeat(length))), "x".repeat(length));
  }
  assertEquals(encodePickle("x".repeat(255))[2], 0x8c);
  assertEquals(encodePickle("x".repeat(256))[2], 0x58);
  for (
    const value of [
      null,
      true,
      false,
      new PyTuple([1, "a"]),
      new PyGlobal("m", "C"),
      new PyObject(new PyGlobal("m", "C"), [1], new Map([["a", 1]])),
      new Map<unknown, unknown>([[1, [2]]]),
    ]
  ) assertEquals(decodePickle(encodePickle(value)), value);
  assertEquals(decodePickle(encodePickle(undefined)), null);
  assertEquals(decodePickle(encodePickle({ a: undefined })), new Map([["a", null]]));
  const nested = (depth: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = [value];
    return value;
  };
  assertEquals(decodePickle(encodePickle(nested(100))), nested(100));
  assertThrows(() => encodePickle(nested(101)), SerializationError, "deeper than 100");
});
