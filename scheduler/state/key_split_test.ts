import { assert, assertEquals } from "@std/assert";
import { keySplit } from "./key_split.ts";

interface Vector {
  readonly key: unknown;
  readonly fn?: string;
  readonly ok?: string;
}

const { vectors } = JSON.parse(
  Deno.readTextFileSync(new URL("../../tests/vectors/key-split.json", import.meta.url)),
) as { readonly vectors: readonly Vector[] };

Deno.test("keySplit gives what Dask gives for every key that is a string", () => {
  const strings = vectors.filter(({ key, fn }) => typeof key === "string" && fn === undefined);
  assert(strings.length > 20, `only ${strings.length} vectors`);
  for (const { key, ok } of strings) assertEquals(keySplit(key as string), ok, `key ${String(key)}`);
});

Deno.test("keySplit takes the name of the function from our keys", () => {
  assertEquals(keySplit("sumOfSquares-1f3a9b2c-17"), "sumOfSquares");
});
