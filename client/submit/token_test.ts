import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { systemIds } from "../../internal/ids.ts";
import type { FunctionHash, Key } from "../../messages/common.ts";
import type { Reference } from "../../messages/run_spec.ts";
import { serializeArguments, serializeValue } from "../../protocol/values.ts";
import { keyOf, randomToken, taskToken, valueToken } from "./token.ts";

const F = "f".repeat(64) as FunctionHash;
const G = "0".repeat(64) as FunctionHash;

function token(args: readonly unknown[], references: readonly Reference[] = [], fn = F): string {
  return taskToken(fn, serializeArguments(args), references);
}

Deno.test("taskToken is the same in every process", () => {
  assertEquals(token([1, "two", { three: [3] }]), "dd2b4881183bd33040cbdc55602b2da8");
  assertEquals(token([new Date(1e12), 2n ** 70n]), "bda83dec9b586be3b178ee56cac333da");
  assertEquals(token([null], [["x" as Key, 0]]), "61b590921dda27ad09dbf548fb2edb60");
});

Deno.test("taskToken tells functions, arguments, their order and references apart", () => {
  const x = "x" as Key;
  const tokens = [
    token([1, 2]),
    token([2, 1]),
    token([1, 2], [], G),
    token([[1, 2]]),
    token(["1", 2]),
    token([{ a: 1, b: 2 }]),
    token([{ b: 2, a: 1 }]),
    token([new Map([["a", 1]])]),
    token([new Set(["a", 1])]),
    token([null]),
    token([null], [[x, 0]]),
    token([null], [[x, 0, "a"]]),
    token([null], [["y" as Key, 0]]),
    token([new Uint8Array(4)]),
    token([new Int8Array(4)]),
    token([new Uint8Array(5)]),
    token([0]),
    token([-0]),
  ];
  assertEquals(new Set(tokens).size, tokens.length);
  for (const one of tokens) assertMatch(one, /^[0-9a-f]{32}$/);
});

Deno.test("taskToken of equal arguments is equal, whatever the objects are", () => {
  assertEquals(token([{ a: [1, new Date(5)] }]), token([{ a: [1, new Date(5)] }]));
  assertEquals(token([new Float64Array([1, 2])]), token([new Float64Array([1, 2])]));
});

Deno.test("valueToken tells values and their types apart, randomToken everything", () => {
  const values = [
    1,
    "1",
    [1],
    new Uint8Array(8),
    new Float64Array(1),
    new Uint8Array(9),
    new Float32Array(2),
  ];
  assertEquals(new Set(values.map((value) => valueToken(serializeValue(value)))).size, values.length);
  assertEquals(valueToken(serializeValue([1])), valueToken(serializeValue([1])));
  assertNotEquals(randomToken(systemIds), randomToken(systemIds));
  assertMatch(randomToken(systemIds), /^[0-9a-f]{32}$/);
});

Deno.test("keyOf joins a name and a token as Dask does", () => {
  assertEquals([keyOf("inc", "00ff"), keyOf("total")] as string[], ["inc-00ff", "total"]);
});
