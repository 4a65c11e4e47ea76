import { assert, assertEquals, assertThrows } from "@std/assert";
import { placeAt } from "./references.ts";

Deno.test("placeAt puts a value where the path leads", () => {
  const args: unknown[] = [
    null,
    [0, null],
    { a: { b: null } },
    new Map<string, unknown>([["x", null], ["y", [null]]]),
  ];
  placeAt(args, [0], "first");
  placeAt(args, [1, 1], "second");
  placeAt(args, [2, "a", "b"], "third");
  placeAt(args, [3, 0], "fourth");
  placeAt(args, [3, 1, 0], "fifth");
  assertEquals(args, [
    "first",
    [0, "second"],
    { a: { b: "third" } },
    new Map<string, unknown>([["x", "fourth"], ["y", ["fifth"]]]),
  ]);
});

Deno.test("placeAt keeps an own property __proto__ one, and the prototype as it was", () => {
  const record = JSON.parse(`{"__proto__": null}`) as object;
  placeAt([record], [0, "__proto__"], { polluted: true });
  assert(Object.hasOwn(record, "__proto__"));
  assertEquals(Object.getPrototypeOf(record), Object.prototype);
});

Deno.test("placeAt refuses a place that is not there", () => {
  const refused: readonly (readonly (string | number)[])[] = [
    [],
    [1],
    [-1],
    ["length"],
    [0, "b"],
    [0, "toString"],
    [0, "a", "c"],
    [0, "__proto__", "x"],
    [0, "m", 1],
    [0, "m", "k"],
  ];
  for (const path of refused) {
    const args = [{ a: 1, m: new Map([["k", 1]]) }];
    assertThrows(
      () => placeAt(args, path, 0),
      RangeError,
      "Cannot put the result of a task into the arguments",
    );
    assertEquals(args, [{ a: 1, m: new Map([["k", 1]]) }]);
  }
});
