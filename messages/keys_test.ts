import { assertEquals, assertStrictEquals } from "@std/assert";
import { keyFromWire } from "./keys.ts";

Deno.test("keyFromWire takes strings as they are", () => {
  for (const key of ["x", "", "('x', 1)", "__proto__", "k".repeat(10_000)]) {
    assertStrictEquals(keyFromWire(key), key);
  }
});

Deno.test("keyFromWire refuses what is no string, and what is too long", () => {
  for (const value of [1, 1n, null, undefined, ["x", 1], new Uint8Array([120]), {}, "k".repeat(10_001)]) {
    assertEquals(keyFromWire(value), undefined);
  }
});
