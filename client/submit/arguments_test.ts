import { assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { systemPlatform } from "../../comm/platform.ts";
import type { Address, Key } from "../../messages/common.ts";
import { extractFutures } from "./arguments.ts";
import { type Future, type FutureOwner, makeFuture } from "../futures/future.ts";
import { KeyRecord } from "../state/key_state.ts";
import { replaceFutures } from "./structure.ts";

const OWNER: FutureOwner = {
  platform: systemPlatform,
  schedulerAddress: "tls://127.0.0.1:8786" as Address,
  waitFor: () => Promise.resolve(),
  fetch: () => Promise.resolve([]),
  cancel: () => {},
  retry: () => Promise.resolve(),
  errorOf: () => new Error("unused"),
  drop: () => {},
  watch: () => {},
  unwatch: () => {},
};

function future(key: string): Future<unknown> {
  return makeFuture<unknown>(OWNER, new KeyRecord(key as Key, 0, undefined));
}

Deno.test("extractFutures leaves plain arguments alone", () => {
  const args = [1, "a", null];
  assertStrictEquals(extractFutures(args).args, args);
  const nested = [{ rows: [1, 2] }, new Map([["k", new Date(0)]])];
  assertStrictEquals(extractFutures(nested).args, nested);
});

Deno.test("extractFutures finds Futures in arrays, objects and Maps, and notes their places", () => {
  const [a, b, c] = [future("a"), future("b"), future("c")];
  const untouched = { deep: [1] };
  const given = [1, a, { rows: [0, { cell: b }], untouched }, new Map<unknown, unknown>([["x", 1], [2, c]])];
  const { args, references } = extractFutures(given);
  assertEquals(
    references,
    [["a", 1], ["b", 2, "rows", 1, "cell"], ["c", 3, 1]] as unknown as typeof references,
  );
  assertEquals(args, [
    1,
    null,
    { rows: [0, { cell: null }], untouched },
    new Map<unknown, unknown>([["x", 1], [2, null]]),
  ]);
  assertStrictEquals((args[2] as { untouched: unknown }).untouched, untouched);
  assertStrictEquals((given[2] as { rows: unknown[] }).rows.length, 2);
  assertNotStrictEquals(args[2], given[2]);
});

Deno.test("extractFutures refuses Futures whose place nothing can take, and names key and path", () => {
  class Box {
    inside = future("a");
  }
  const cases: [unknown, string][] = [
    [new Box(), `"a" at "args[0].inside"`],
    [new Set([1, future("b")]), `"b" at "args[0][1]"`],
    [{ rows: [new Set([[future("c")]])] }, `"c" at "args[0].rows[0][0][0]"`],
    [new Map([[future("d"), 1]]), `"d" at "args[0][0]"`],
  ];
  for (const [given, text] of cases) assertThrows(() => extractFutures([given]), TypeError, text);
  const fine = [new Set([1]), new Float64Array(2), new Map([["k", 1]])];
  assertStrictEquals(extractFutures(fine).args, fine);
});

Deno.test("extractFutures refuses Futures that the caller refuses, with its reason", () => {
  const refusal = ({ key }: Future<unknown>) => key === "b" ? "it was released" : undefined;
  assertEquals(extractFutures([future("a")], refusal).references.length, 1);
  assertThrows(
    () => extractFutures([[future("a"), { x: future("b") }]], refusal),
    TypeError,
    `Cannot use the Future "b" at "args[0][1].x": it was released`,
  );
});

Deno.test("extractFutures walks a cycle once", () => {
  const loop: Record<string, unknown> = { a: future("a") };
  loop["self"] = loop;
  assertEquals(extractFutures([loop]).references, [["a", 0, "a"]] as unknown as never);
});

Deno.test("replaceFutures replaces in order, also a Future that stands twice", () => {
  const a = future("a");
  let count = 0;
  assertEquals(replaceFutures({ x: a, y: [a, a] }, () => count++), { x: 0, y: [1, 2] });
});

Deno.test("replaceFutures makes another Set where a Future is in it, in order", () => {
  const plain = new Set([1]);
  assertStrictEquals(replaceFutures(plain, () => 0), plain);
  const replaced = replaceFutures(new Set([3, future("a"), 1]), () => 2);
  assertEquals([...replaced as Set<unknown>], [3, 2, 1]);
});
