/**
 * What the stand-ins must have in common with the real `@std`: these tests pass on either.
 */

import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  AssertionError,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
  equal,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { parse as parseYaml } from "@std/yaml/parse";

const bare = Object.assign(Object.create(null), { a: 1 });
class Point {
  readonly x = 1;
}

const same: readonly (readonly [unknown, unknown])[] = [
  [0, -0],
  [NaN, NaN],
  [{ a: 1 }, bare],
  [[1, [2, { b: 3n }]], [1, [2, { b: 3n }]]],
  [new Map([["a", [1]]]), new Map([["a", [1]]])],
  [new Map([[[1], 2]]), new Map([[[1], 2]])],
  [new Set([[1], [2]]), new Set([[2], [1]])],
  [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  [new Date(5), new Date(5)],
  [/a/g, /a/g],
  [new URL("http://a/b"), new URL("http://a/b")],
  [new Point(), new Point()],
];

const different: readonly (readonly [unknown, unknown])[] = [
  [1, 1n],
  [1, "1"],
  [null, undefined],
  [{ a: undefined }, {}],
  [[], {}],
  [{ x: 1 }, new Point()],
  [[1, 2], [2, 1]],
  [new Map([["a", 1]]), new Map([["b", 1]])],
  [new Set([1]), new Set([2])],
  [new Uint8Array([1]), new Uint8Array([2])],
  [new Uint8Array([1]), new Uint8Array([1, 0])],
  [new Uint8Array([1]), new Int8Array([1])],
  [new Date(5), new Date(6)],
  [/a/g, /a/i],
  [{ [Symbol.for("s")]: 1 }, { [Symbol.for("s")]: 2 }],
];

Deno.test("equal holds for what is deeply the same", () => {
  for (const [a, b] of same) {
    assert(equal(a, b), Deno.inspect([a, b]));
    assert(equal({ in: [a] }, { in: [b] }), Deno.inspect([a, b]));
  }
});

Deno.test("equal tells different things apart, at any depth", () => {
  for (const [a, b] of different) {
    assert(!equal(a, b), Deno.inspect([a, b]));
    assert(!equal({ in: [a] }, { in: [b] }), Deno.inspect([a, b]));
  }
});

Deno.test("equal ends on circular values", () => {
  const ring = (): unknown => {
    const made: { self?: unknown; n: number } = { n: 1 };
    made.self = made;
    return made;
  };
  assert(equal(ring(), ring()));
});

Deno.test("assertions throw AssertionError when they don't hold", () => {
  const failing: readonly (() => void)[] = [
    () => assert(0),
    () => assertEquals({ a: 1 }, { a: 2 }),
    () => assertStrictEquals([], []),
    () => assertAlmostEquals(1, 1.1, 0.01),
    () => assertArrayIncludes([1, 2], [3]),
    () => assertObjectMatch({ a: { b: 1 } }, { a: { b: 2 } }),
    () => assertObjectMatch({ a: 1 }, { a: 1, b: 1 }),
  ];
  for (const fn of failing) assertThrows(fn, AssertionError);
  assertObjectMatch({ a: { b: 1, c: 2 }, d: 3 }, { a: { b: 1 } });
});

Deno.test("assertThrows and assertRejects check class and text, and return the error", async () => {
  const error = new RangeError("too far");
  const throws = (): never => {
    throw error;
  };
  assertStrictEquals(assertThrows(throws, RangeError, "far"), error);
  assertStrictEquals(await assertRejects(() => Promise.reject(error), RangeError, "far"), error);
  assertThrows(() => assertThrows(throws, TypeError), AssertionError);
  assertThrows(() => assertThrows(throws, RangeError, "near"), AssertionError);
  assertThrows(() => assertThrows(() => {}), AssertionError);
  await assertRejects(() => assertRejects(() => Promise.resolve()), AssertionError);
  await assertRejects(() => assertRejects(throws), AssertionError);
});

Deno.test("parseArgs reads texts, switches, negations and what is left", () => {
  const args = ["--name", "a", "--port=1", "--no-nanny", "--quick", "tls://h:1", "--", "--name", "b"];
  assertEquals(
    parseArgs(args, {
      string: ["name", "port"],
      boolean: ["nanny", "quick", "other"],
      negatable: ["nanny", "quick", "other"],
    }),
    { name: "a", port: "1", nanny: false, quick: true, other: false, _: ["tls://h:1", "--name", "b"] },
  );
});

Deno.test("parseYaml reads sections, lists, numbers, texts and JSON, and nothing as null", () => {
  const cases: readonly (readonly [text: string, value: unknown])[] = [
    ["a:\n  b-c: 1.2\n  d: [x, 'y', \"z\"]\n  e:\n", { a: { "b-c": 1.2, d: ["x", "y", "z"], e: null } }],
    ["a: true\nb: False\nc: yes\nd: ~\ne: .inf\nf: 1e3\ng: 0x1f\n", {
      a: true,
      b: false,
      c: "yes",
      d: null,
      e: Infinity,
      f: 1000,
      g: 31,
    }],
    ["- a: 1\n- b # comment\n", [{ a: 1 }, "b"]],
    ["a: |\n  x\n  y\nb: >\n  x\n  y\n", { a: "x\ny\n", b: "x y\n" }],
    ["x: &x {a: 1}\ny: {<<: *x, b: 2}\n", { x: { a: 1 }, y: { a: 1, b: 2 } }],
    ['\ufeff{"a": [1, null, true, "\\u00e9"]}', { a: [1, null, true, "é"] }],
    ["", null],
    ["# nothing\n", null],
  ];
  for (const [text, value] of cases) assertEquals(parseYaml(text), value, text);
  assertEquals(Object.keys(parseYaml("__proto__: {a: 1}\n") as object), ["__proto__"]);
});

Deno.test("parseYaml refuses what is no YAML, with its line", () => {
  for (
    const text of ["a:\n  b: [1\n c: 2\n", "a: 1\na: 2\n", "a: 1\n b: 2\n", "a: 'x\n", "a: *b\n", "a: !x 1\n"]
  ) {
    assertThrows(() => parseYaml(text), SyntaxError, "at line");
  }
});
