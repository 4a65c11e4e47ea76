import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { decodeMsgpack } from "../../protocol/msgpack.ts";
import { loadFunction } from "../../worker/executor/inside/load_function.ts";
import { functionBody, FunctionSourceError } from "./function_source.ts";

type AnyFunction = (...args: never[]) => unknown;

function refusal(fn: AnyFunction): FunctionSourceError {
  return assertThrows(() => functionBody(fn), FunctionSourceError);
}

/** Returns a function from source text, as in a plain JavaScript program. */
function of(source: string): AnyFunction {
  return (0, eval)(`(${source}\n)`) as AnyFunction;
}

function call(fn: AnyFunction, ...args: unknown[]): unknown {
  return loadFunction(functionBody(fn).body)(...args);
}

Deno.test("functionBody makes a body of kind source and its SHA-256", () => {
  function add(a: number, b: number): number {
    return a + b;
  }
  const { hash, body, name } = functionBody(add);
  assertEquals(name, "add");
  assertEquals(hash as string, createHash("sha256").update(body).digest("hex"));
  assertEquals(decodeMsgpack(body), { kind: "source", name: "add", source: add.toString() });
});

Deno.test("functionBody parses a function once", () => {
  const fn = (x: number) => x;
  assertStrictEquals(functionBody(fn), functionBody(fn));
});

Deno.test("functionBody gives functions of equal source one hash", () => {
  const make = () => (x: number) => x * 3;
  assertEquals(functionBody(make()).hash, functionBody(make()).hash);
});

Deno.test("functionBody calls a function without a name lambda, as Dask does", () => {
  assertEquals(functionBody(of("(x) => x")).name, "lambda");
});

Deno.test("functionBody ships arrow functions, functions, methods and asynchronous ones", async () => {
  const object = {
    method(x: number) {
      return x + 1;
    },
    async later(x: number) {
      return await Promise.resolve(x + 1);
    },
    "a name"(x: number) {
      return x + 1;
    },
    [`computed${1 + 1}`](x: number) {
      return x + 1;
    },
    get(x: number) {
      return x + 1;
    },
  };
  class Holder {
    static make(x: number) {
      return x + 1;
    }
    static async makeLater(x: number) {
      return await Promise.resolve(x + 1);
    }
  }
  assertEquals(call((x: number) => x + 1, 1), 2);
  assertEquals(call(of("x => x + 1 // a comment"), 1), 2);
  assertEquals(
    call(function (x: number) {
      return x + 1;
    }, 1),
    2,
  ); // deno-fmt-ignore-line
  assertEquals(call(function count(x: number): number { return x === 0 ? 0 : 1 + count(x - 1); }, 3), 3); // deno-fmt-ignore-line
  assertEquals(await call(async (x: number) => await Promise.resolve(x + 1), 1), 2);
  assertEquals(
    await call(async function (x: number) {
      return await Promise.resolve(x + 1);
    }, 1),
    2,
  ); // deno-fmt-ignore-line
  assertEquals(call(object.method, 1), 2);
  assertEquals(await call(object.later, 1), 2);
  assertEquals(call(object["a name"], 1), 2);
  assertEquals(call((object as unknown as Record<string, AnyFunction>)["computed2"] as AnyFunction, 1), 2);
  assertEquals(call(object.get, 1), 2);
  assertEquals(call(Holder.make, 1), 2);
  assertEquals(await call(Holder.makeLater, 1), 2);
});

Deno.test("functionBody names a free variable, its line, and what to do", () => {
  const offset = 1;
  const error = refusal((x: number) => {
    const twice = x * 2;
    return twice + offset;
  });
  assertEquals(error.variable, "offset");
  assertEquals(error.line, 3);
  assertEquals(
    error.message,
    `Cannot send function "lambda" to a worker: it uses "offset" (line 3 of the function), which is neither ` +
      `declared in it nor a global of a worker; pass it as an argument, or declare it inside`,
  );
  assert(error instanceof TypeError);
});

Deno.test("functionBody names every free variable once", () => {
  const error = refusal(of("(x) => a + b * a"));
  assert(error.message.includes(`it uses "a" (line 1 of the function) and "b" (line 1 of the function)`));
});

const STANDALONE: readonly string[] = [
  "(a, { b, c: [d, ...e], f = b, ...g }, ...h) => [a, b, d, e, f, g, h]",
  "(a, b = a) => b",
  "() => { let x = 1; { const x = 2; } return x }",
  "() => { if (true) { var hoisted = 1 } return hoisted }",
  "() => { for (var i = 0; i < 1; i++); return i }",
  "() => { for (let i = 0, n = 3; i < n; i++) {} }",
  "(xs) => { for (const [k, { v }] of xs) k(v) }",
  "(o) => { for (const k in o) o[k] }",
  "() => { try { f() } catch { } finally { } function f() {} }",
  "() => { try { } catch ({ message, cause: c }) { return message + c } }",
  "() => { label: for (;;) { continue label } }",
  "function () { return arguments.length }",
  "function self() { return self }",
  "() => { return later() + new Later().x; function later() {} class Later {} }",
  "() => { return g(); function g() { return h() } function h() { return 1 } }",
  "(o) => o.free + o?.free.free + o.free() + { free: 1, 'x': 2, free2() {}, get free3() { return this } }.free",
  "(free) => ({ free, [free]: free })",
  "() => class C extends Array { static n = C.name; #p = this; m() { return this.#p ?? super.length } }",
  "() => { class D { static { var x = 1; this.y = x } } return D }",
  "() => { const E = class F { g() { return F } }; return E }",
  "(x) => { switch (x) { case 1: let y = 2; return y; default: y = 3; return y } }",
  "(x) => typeof undeclared === 'undefined' ? x : x",
  "() => `${Math.max(1, 2)}` + undefined + NaN + Infinity + globalThis.name",
  "() => /free/u.test('free')",
  "() => import('node:os')",
  "function () { return function () { return this } }",
  "function () { return new.target }",
  "({ a: { b = () => a2 } = {}, a2 }) => b",
  "() => { let x; [x, ...x] = []; ({ x } = {}); ({ y: x = 1 } = {}); return x }",
  "() => { const f = (n) => n ? f(n - 1) : 0; return f }",
  "async (xs) => { for await (const x of xs) await x }",
  "() => 10n ** 2n",
  "() => { { function inBlock() {} inBlock() } }",
  "(a = () => b, b) => a()",
  "() => console.log(new Uint8Array(1), process, Buffer, Deno, setTimeout, fetch, crypto, structuredClone)",
];

Deno.test("functionBody finds that a function declares what it uses", async (t) => {
  for (const source of STANDALONE) {
    await t.step(source, () => {
      functionBody(of(source));
    });
  }
});

const FREE: readonly (readonly [source: string, variable: string, line: number])[] = [
  ["() => free", "free", 1],
  ["(x = free) => x", "free", 1],
  ["({ [free]: x }) => x", "free", 1],
  ["() => { { let free = 1 } return free }", "free", 1],
  ["() => { for (const free of []) {} return free }", "free", 1],
  ["() => { try {} catch (free) {} return free }", "free", 1],
  ["() => { (function free() {}); return free }", "free", 1],
  ["() => { (class free {}); return free }", "free", 1],
  ["() => { { function free() {} } return free }", "free", 1],
  ["() => { free = 1 }", "free", 1],
  ["() => { free++ }", "free", 1],
  ["() => { ({ x: free } = {}) }", "free", 1],
  ["() => ({ free })", "free", 1],
  ["() => ({ [free]: 1 })", "free", 1],
  ["(o) => o[free]", "free", 1],
  ["() => free.x", "free", 1],
  ["() => free`x`", "free", 1],
  ["() => `${free}`", "free", 1],
  ["() => class extends free {}", "free", 1],
  ["() => class { [free]() {} }", "free", 1],
  ["() => class { x = free }", "free", 1],
  ["() => class { static { free() } }", "free", 1],
  ["() => {\n\n  return () => () => free }", "free", 3],
  ["() => { function f() { var free } return free }", "free", 1],
  ["() => arguments", "arguments", 1],
  ["() => import(free)", "free", 1],
  ["() => typeof free.x", "free", 1],
  ["(x) => { switch (x) { case free: } }", "free", 1],
  ["() => { const { a = free } = {} }", "free", 1],
  ["() => new free()", "free", 1],
  ["async () => await free", "free", 1],
  ["() => name", "name", 1],
  ["() => window", "window", 1],
  ["() => this", "this", 1],
  ["function () { return this.x }", "this", 1],
  ["function () { return () =>\n this.x }", "this", 2],
  ["() => import('./other.js')", `import("./other.js")`, 1],
];

Deno.test("functionBody finds what a function takes from around itself", async (t) => {
  for (const [source, variable, line] of FREE) {
    await t.step(source, () => {
      const error = refusal(of(source));
      assertEquals([error.variable, error.line], [variable, line]);
    });
  }
});

Deno.test("functionBody refuses import.meta and super", () => {
  assertEquals(refusal(() => import.meta.url).variable, "import.meta");
  const object = {
    method() {
      return super.toString();
    },
  };
  assertEquals(refusal(object.method).variable, "super");
});

Deno.test("functionBody refuses what has no source or no meaning elsewhere, and says why", async (t) => {
  class Point {}
  const accessor = Object.getOwnPropertyDescriptor({
    get x() {
      return 1;
    },
  }, "x")?.get; // deno-fmt-ignore-line
  const cases: readonly (readonly [AnyFunction, string])[] = [
    [Math.max, "it is native and has no source"],
    [((x: number) => x).bind(null), "a bound function has no source"],
    [Point as unknown as AnyFunction, "it is a class"],
    [function* () { yield 1; }, "it is a generator"], // deno-fmt-ignore-line
    [async function* () { yield await Promise.resolve(1); }, "it is a generator"], // deno-fmt-ignore-line
    [{ *steps() { yield 1; } }.steps, "it is a generator"], // deno-fmt-ignore-line
    [accessor as AnyFunction, "it is a getter or setter"],
    [(0, eval)("(function () { return 017 })") as AnyFunction, "can't be parsed as strict JavaScript"],
  ];
  for (const [fn, reason] of cases) {
    await t.step(reason, () => {
      const error = refusal(fn);
      assert(error.message.includes(reason), error.message);
    });
  }
});
