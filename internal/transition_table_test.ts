import { assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "./assert.ts";
import { TransitionTable } from "./transition_table.ts";

Deno.test("TransitionTable knows the rows that it was given, and no others", () => {
  const table = new TransitionTable<number, string>(3, [[1, 2, "grow"], [2, 1, "shrink"]]);
  assertEquals([table.get(1, 2), table.get(2, 1), table.get(1, 1), table.get(0, 2)], [
    "grow",
    "shrink",
    undefined,
    undefined,
  ]);
  assertEquals([table.has(1, 2), table.has(2, 2)], [true, false]);
});

Deno.test("TransitionTable refuses two steps for a pair of states, and states that it has no room for", () => {
  assertThrows(() => new TransitionTable(3, [[1, 2, "grow"], [1, 2, "again"]]), AssertionError, "Two steps");
  assertThrows(() => new TransitionTable(3, [[1, 3, "grow"]]), AssertionError, "no 1 → 3");
});
