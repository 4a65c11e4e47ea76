import { assertEquals } from "@std/assert";
import { type ConfigValue, interpretValue } from "./literal.ts";

/** What `dask.config.interpret_value` makes of them, with Python 3.11. */
const CASES: readonly [text: string, value: ConfigValue][] = [
  ["1", 1],
  ["-2", -2],
  ["1.3", 1.3],
  [".5", 0.5],
  ["1e3", 1000],
  ["1_000", 1000],
  ["0x1f", 31],
  ["0", 0],
  ["007", "007"],
  ["True", true],
  ["true", true],
  ["FALSE", false],
  ["None", null],
  ["null", null],
  ["'a'", "a"],
  ['"it\'s"', "it's"],
  ["'a\\nb'", "a\nb"],
  ["[1, 'b', None]", [1, "b", null]],
  ["[1,]", [1]],
  ["[]", []],
  ["()", []],
  ["(1,)", [1]],
  ["(1)", 1],
  ["{'a': [1], 'b': {}}", { a: [1], b: {} }],
  ["tls", "tls"],
  ["30s", "30s"],
  ["/etc/ca.pem", "/etc/ca.pem"],
  ["", ""],
  ["1 2", "1 2"],
  ["[1", "[1"],
  ["[1 2]", "[1 2]"],
  ["[,]", "[,]"],
  ["{'a' 1}", "{'a' 1}"],
  ["'a", "'a"],
  ["1.2.3", "1.2.3"],
  ["-", "-"],
  ["a-b", "a-b"],
];

for (const [text, value] of CASES) {
  Deno.test(`interpretValue reads ${JSON.stringify(text)} as Dask does`, () => {
    assertEquals(interpretValue(text), value);
  });
}

Deno.test("interpretValue takes what is nested without end for text", () => {
  const text = "[".repeat(100_000);
  assertEquals(interpretValue(text), text);
});

Deno.test("interpretValue makes an own key of __proto__", () => {
  const value = interpretValue("{'__proto__': {'a': 1}}");
  assertEquals(Object.keys(value as object), ["__proto__"]);
  assertEquals((value as Record<string, unknown>)["a"], undefined);
});
