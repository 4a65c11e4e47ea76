/**
 * What the stand-ins of `@std` must have in common with the real ones, as tables of cases with the answers
 * that the real ones give. These tests pass on either; a job in `.github/workflows/` runs them on the real
 * ones.
 */

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  AssertionError,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { parse as parseYaml } from "@std/yaml/parse";

class Point {
  constructor(readonly x: number) {}
}

class Point3 extends Point {}

/** What it holds can be read from outside. */
class Open {
  #value: number;
  constructor(value: number) {
    this.#value = value;
  }
  get value(): number {
    return this.#value;
  }
}

/** What it holds can't be read from outside. */
class Closed {
  readonly #value: number;
  constructor(value: number) {
    this.#value = value;
  }
  has(value: number): boolean {
    return value === this.#value;
  }
}

class CodedError extends Error {
  constructor(message: string, readonly code: number) {
    super(message);
  }
}

/** Two errors of one place, so that their stacks are the same. */
function errors(make: (n: number) => Error): [Error, Error] {
  const [one, other] = [1, 2].map((n) => make(n));
  return [one as Error, other as Error];
}

const bytes = (...values: readonly number[]): Uint8Array<ArrayBuffer> => new Uint8Array(values);
const bare = (fields: object): object => Object.assign(Object.create(null), fields);
const hidden = (value: number): object => Object.defineProperty({}, "hidden", { value });
const ring = (): object => {
  const made: { self?: unknown } = {};
  made.self = made;
  return made;
};
const sum = (a: number, b: number): number => a + b;

/** Pairs by whether the real `equal` takes them for equal. */
const pairs: Readonly<Record<"equal" | "different", readonly (readonly [unknown, unknown])[]>> = {
  equal: [
    [0, -0],
    [NaN, NaN],
    ["a", "a"],
    [1n, 1n],
    [Symbol.for("a"), Symbol.for("a")],
    [sum, sum],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }],
    [{ a: 1 }, bare({ a: 1 })],
    [{
      get a() {
        return 1;
      },
    }, { a: 1 }],
    [hidden(1), hidden(2)],
    [[1, [2, { b: 3n }]], [1, [2, { b: 3n }]]],
    [[, 1], [, 1]],
    [new Array(2), new Array(3)],
    [ring(), ring()],
    [new Map([["a", [1]]]), new Map([["a", [1]]])],
    [new Map([["a", 1], ["b", 2]]), new Map([["b", 2], ["a", 1]])],
    [new Map([[[1], 2]]), new Map([[[1], 2]])],
    [new Set([[1], [2]]), new Set([[2], [1]])],
    [new Set([[1], [1]]), new Set([[1], [2]])], // each on the left has an equal on the right
    [new Set([0]), new Set([-0])],
    [bytes(1, 2), bytes(1, 2)],
    [bytes(0, 1).subarray(1), bytes(1)],
    [Object.assign(bytes(1), { more: 1 }), bytes(1)],
    [new Float64Array([NaN, 0]), new Float64Array([NaN, -0])],
    [bytes(1).buffer, bytes(1).buffer],
    [new SharedArrayBuffer(1), new SharedArrayBuffer(1)],
    [new DataView(bytes(1, 2).buffer, 1), new DataView(bytes(1, 2).buffer, 1)],
    [new Date(5), new Date(5)],
    [new Date(NaN), new Date(NaN)],
    [/a/g, /a/g],
    [new URL("http://a/b"), new URL("http://a/b")],
    [new URLSearchParams("a=1"), new URLSearchParams("a=1")],
    [new Point(1), new Point(1)],
    [new Open(1), new Open(1)],
    [new Closed(1), new Closed(1)],
    [new Closed(1), new Closed(2)],
    [Object(1), Object(2)],
    [Object("a"), Object("a")],
    [new WeakRef(sum), new WeakRef(sum)],
    [Promise.resolve(1), Promise.resolve(2)],
    errors(() => new Error("a")),
  ],
  different: [
    [1, 2],
    [1, 1n],
    [1, "1"],
    [1, Object(1)],
    [null, undefined],
    [null, {}],
    [Symbol("a"), Symbol("a")],
    [() => 1, () => 1],
    [{ a: undefined }, {}],
    [{ a: undefined }, { b: undefined }],
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ [Symbol.for("s")]: 1 }, { [Symbol.for("s")]: 2 }],
    [{ [Symbol.for("s")]: 1 }, {}],
    [[], {}],
    [[1, 2], [2, 1]],
    [[1], [1, 2]],
    [[1, , 3], [1, undefined, 3]],
    [Object.assign([1], { more: 1 }), [1]],
    [{ x: 1 }, new Point(1)],
    [new Point(1), new Point(2)],
    [new Point(1), new Point3(1)],
    [new Open(1), new Open(2)],
    [new Map([["a", 1]]), new Map([["b", 1]])],
    [new Map([["a", 1]]), new Map([["a", 2]])],
    [new Map([[[1], 1]]), new Map([[[1], 2]])],
    [new Map(), new Set()],
    [new Set([1]), new Set([2])],
    [new Set([1]), new Set([1, 2])],
    [new Set([[1]]), new Set([[2]])],
    [new Set([1]), new Set([[1]])],
    [bytes(1), bytes(2)],
    [bytes(1), bytes(1, 0)],
    [bytes(1), new Int8Array([1])],
    [bytes(1), [1]],
    [bytes(1).buffer, bytes(2).buffer],
    [bytes(1).buffer, bytes(1, 0).buffer],
    [new ArrayBuffer(1), new SharedArrayBuffer(1)],
    [new DataView(bytes(1, 2).buffer, 0, 1), new DataView(bytes(1, 2).buffer, 1, 1)],
    [new DataView(bytes(1).buffer), new DataView(bytes(2).buffer)],
    [new Date(5), new Date(6)],
    [new Date(5), new Date(NaN)],
    [/a/g, /a/i],
    [/a/, /b/],
    [new URL("http://a/b"), new URL("http://a/c")],
    [new URLSearchParams("a=1"), new URLSearchParams("a=2")],
    [Object("a"), Object("b")],
    [new WeakRef(sum), new WeakRef(ring)],
    [new Error("a"), new Error("a")], // two places, two stacks
    errors((n) => new Error(`a${n}`)),
    errors((n) => n === 1 ? new Error("a") : new RangeError("a")),
    errors((n) => new Error("a", { cause: n })),
    errors((n) => new CodedError("a", n)),
    errors((n) => new AggregateError([n])),
  ],
};

Deno.test("equal judges as the real one does, at any depth and from either side", () => {
  for (const [answer, cases] of Object.entries(pairs)) {
    for (const [a, b] of cases) {
      const shown = `${answer}: ${Deno.inspect([a, b])}`;
      assertStrictEquals(equal(a, b), answer === "equal", shown);
      assertStrictEquals(equal({ in: [a] }, { in: [b] }), answer === "equal", shown);
      assertStrictEquals(equal(new Map([[1, a]]), new Map([[1, b]])), answer === "equal", shown);
    }
  }
});

Deno.test("equal refuses to judge weak collections, which can't be looked into", () => {
  for (const make of [() => new WeakMap(), () => new WeakSet()]) {
    assertThrows(() => equal(make(), make()), TypeError, "Cannot compare Weak");
    assertThrows(() => equal([make()], [make()]), TypeError, "Cannot compare Weak");
    const one = make();
    assert(equal(one, one));
  }
});

const far = new RangeError("\x1b[31mtoo\x1b[0m far");
const throwFar = (): never => {
  throw far;
};
const throwText = (): never => {
  throw "text";
};

/** Assertions by whether they hold with the real ones. */
const assertions: Readonly<Record<"holds" | "fails", readonly (() => void)[]>> = {
  holds: [
    () => assert("a"),
    () => assertFalse(""),
    () => assertEquals({ a: 1 }, { a: 1 }),
    () => assertNotEquals({ a: 1 }, { a: 2 }),
    () => assertStrictEquals(NaN, NaN),
    () => assertNotStrictEquals(0, -0),
    () => assertNotStrictEquals([], []),
    () => assertAlmostEquals(1, 1 + 1e-8),
    () => assertAlmostEquals(0, 1e-20, 1e-10),
    () => assertInstanceOf(new Point3(1), Point),
    () => assertStringIncludes("abc", "b"),
    () => assertMatch("abc", /b/),
    () => assertNotMatch("abc", /d/),
    () => assertThrows(throwFar),
    () => assertThrows(throwFar, Error),
    () => assertThrows(throwFar, RangeError, "too far"),
    () => assertThrows(throwText),
  ],
  fails: [
    () => assert(0),
    () => assertFalse(1),
    () => assertEquals({ a: 1 }, { a: 2 }),
    () => assertNotEquals([1], [1]),
    () => assertStrictEquals([], []),
    () => assertStrictEquals<number>(0, -0),
    () => assertNotStrictEquals(far, far),
    () => assertAlmostEquals(1, 1.1, 0.01),
    () => assertAlmostEquals(0, 1e-20),
    () => assertAlmostEquals(NaN, 1),
    () => assertInstanceOf({ x: 1 }, Point),
    () => assertInstanceOf(null, Point),
    () => assertStringIncludes("abc", "d"),
    () => assertMatch("abc", /d/),
    () => assertNotMatch("abc", /b/),
    () => assertThrows(() => {}),
    () => assertThrows(() => {}, Error),
    () => assertThrows(throwFar, TypeError),
    () => assertThrows(throwFar, RangeError, "near"),
    () => assertThrows(throwText, Error),
  ],
};

/** Whether an assertion held. It throws what is no `AssertionError`. */
function outcome(assertion: () => void): "holds" | "fails" {
  try {
    assertion();
    return "holds";
  } catch (error) {
    if (error instanceof AssertionError) return "fails";
    throw error;
  }
}

Deno.test("assertions hold and fail as the real ones do", () => {
  for (const [answer, cases] of Object.entries(assertions)) {
    for (const assertion of cases) {
      if (outcome(assertion) !== answer) throw new Error(`does not do what the real one does: ${assertion}`);
    }
  }
});

Deno.test("assertThrows and assertRejects return the error", async () => {
  assertStrictEquals(assertThrows(throwFar, RangeError), far);
  assertStrictEquals(await assertRejects(() => Promise.reject(far), RangeError), far);
});

Deno.test("assertRejects wants a promise that rejects with an error of the class and text", async () => {
  await assertRejects(() => Promise.reject("text"));
  await assertRejects(() => Promise.reject(far), Error, "too far");
  const failing: readonly (() => Promise<unknown>)[] = [
    () => assertRejects(() => Promise.resolve()),
    () => assertRejects(throwFar),
    () => assertRejects(() => Promise.reject(far), TypeError),
    () => assertRejects(() => Promise.reject(far), RangeError, "near"),
    () => assertRejects(() => Promise.reject("text"), Error),
  ];
  for (const fails of failing) {
    const error = await fails().then(() => undefined, (error: unknown) => error);
    assert(error instanceof AssertionError, String(fails));
  }
});

const commandLine = {
  string: ["name", "port"],
  boolean: ["nanny", "quick", "plain"],
  negatable: ["nanny", "quick"],
};

/** Command lines, and what the real one makes of them beside what is off by default. */
const commandLines: readonly (readonly [args: string, parsed: Record<string, unknown>])[] = [
  ["", { _: [] }],
  ["--name a --port=1 --no-nanny --quick tls://h:1 -- --name b", {
    name: "a",
    port: "1",
    quick: true,
    _: ["tls://h:1", "--name", "b"],
  }],
  ["--name 8 7 0x10 1e3 1_0", { name: "8", _: [7, 16, 1000, "1_0"] }],
  ["--name --port 1", { name: "", port: "1", _: [] }],
  ["--name=--port", { name: "--port", _: [] }],
  ["--name=a=b --port=", { name: "a=b", port: "", _: [] }],
  ["--name a --name b", { name: "b", _: [] }],
  ["--quick true a", { quick: true, _: ["a"] }],
  ["--quick --no-quick", { _: [] }],
  ["--nanny=false --quick=no", { quick: true, _: [] }],
  ["--no-plain a", { "no-plain": "a", _: [] }],
  ["--unknown 1 --other --more=2 -", { unknown: 1, other: true, more: 2, _: ["-"] }],
];

Deno.test("parseArgs reads command lines as the real one does", () => {
  for (const [args, parsed] of commandLines) {
    const expected: Record<string, unknown> = { nanny: false, quick: false, plain: false, ...parsed };
    assertEquals<Record<string, unknown>>(
      parseArgs(args === "" ? [] : args.split(" "), commandLine),
      expected,
      args,
    );
  }
});

/** Scalars, and what the real one, and PyYAML for whole numbers, makes of them. */
const scalars: readonly (readonly [text: string, value: unknown])[] = [
  ["0", 0],
  ["-0", 0],
  ["12", 12],
  ["-12", -12],
  ["+12", 12],
  ["017", 15],
  ["-017", -15],
  ["00", 0],
  ["09", "09"],
  ["018", "018"],
  ["0o17", "0o17"],
  ["0x1f", 31],
  ["-0x1F", -31],
  ["0x", "0x"],
  ["0b101", 5],
  ["0b2", "0b2"],
  ["1_000", 1000],
  ["0_7", 7],
  ["_1", "_1"],
  ["1_", "1_"],
  ["1:30", "1:30"],
  ["1.5", 1.5],
  ["1.", 1],
  [".5", 0.5],
  ["-.5", "-.5"],
  ["0.5", 0.5],
  ["00.5", "00.5"],
  ["1e3", 1000],
  ["1.5e-1", 0.15],
  ["1e", "1e"],
  [".inf", Infinity],
  ["-.INF", -Infinity],
  [".nan", NaN],
  ["+.nan", "+.nan"],
  ["true", true],
  ["False", false],
  ["yes", "yes"],
  ["on", "on"],
  ["~", null],
  ["null", null],
  ["Null", null],
  ["none", "none"],
  ["'017'", "017"],
  ['"\\u00e9"', "é"],
  ["!!str 017", "017"],
  ["!!int 017", 15],
  ["!!float 1", 1],
  ["!!binary aGk=", new TextEncoder().encode("hi")],
  ["2001-02-03", new Date("2001-02-03T00:00:00Z")],
  ["2001-02-03t04:05:06.7-01:00", new Date("2001-02-03T05:05:06.700Z")],
];

/** Documents, and what the real one makes of them. */
const documents: readonly (readonly [text: string, value: unknown])[] = [
  ["", null],
  ["# nothing\n", null],
  ["---\na: 1\n...\n", { a: 1 }],
  ["a:\n  b-c: 1.2\n  d: [x, 'y', \"z\"]\n  e:\n", { a: { "b-c": 1.2, d: ["x", "y", "z"], e: null } }],
  ["- a: 1\n- b # comment\n", [{ a: 1 }, "b"]],
  ["a: |\n  x\n  y\nb: >\n  x\n  y\n", { a: "x\ny\n", b: "x y\n" }],
  ["x: &x {a: 1}\ny: {<<: *x, b: 2}\n", { x: { a: 1 }, y: { a: 1, b: 2 } }],
  ['\ufeff{"a": [1, null, true, "\\u00e9"]}', { a: [1, null, true, "é"] }],
  ["1: a\n017: b\nnull: c\n", { 1: "a", 15: "b", null: "c" }],
];

Deno.test("parseYaml reads scalars and documents as the real one does", () => {
  for (const [text, value] of scalars) {
    assertEquals(parseYaml(text), value, text);
    assertEquals(parseYaml(`a: [${text}]\n`), { a: [value] }, text);
  }
  for (const [text, value] of documents) assertEquals(parseYaml(text), value, text);
});

Deno.test("parseYaml makes own properties of names that objects inherit", () => {
  assertEquals(Object.keys(parseYaml("__proto__: {a: 1}\n") as object), ["__proto__"]);
});

Deno.test("parseYaml refuses what is no YAML, with its line", () => {
  const malformed = [
    "a:\n  b: [1\n c: 2\n",
    "a: 1\na: 2\n",
    "a: 1\n b: 2\n",
    "a: 'x\n",
    "a: *b\n",
    "a: !x 1\n",
    "a: 1\n---\nb: 2\n",
  ];
  for (const text of malformed) assertThrows(() => parseYaml(text), SyntaxError, "at line");
});
