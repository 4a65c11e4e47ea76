import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import type { Key } from "../messages/common.ts";
import { extractFutures } from "./arguments.ts";
import { type Future, type FutureOwner, makeFuture } from "./future.ts";
import { KeyState } from "./state/client_state.ts";
import { replaceFutures } from "./structure.ts";

const OWNER: FutureOwner = {
  waitFor: () => Promise.resolve(),
  fetch: () => Promise.resolve([]),
  cancel: () => {},
  retry: () => Promise.resolve(),
  errorOf: () => new Error("unused"),
  drop: () => {},
};

function future(key: string): Future<unknown> {
  return makeFuture<unknown>(OWNER, new KeyState(key as Key, undefined));
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

Deno.test("extractFutures does not look into class instances, Sets and typed arrays", () => {
  class Box {
    inside = future("a");
  }
  const given = [new Box(), new Set([future("b")]), new Float64Array(2)];
  const { args, references } = extractFutures(given);
  assertEquals(references, []);
  assertStrictEquals(args[0], given[0]);
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
