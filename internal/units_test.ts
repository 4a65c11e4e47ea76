import { assertEquals, assertThrows } from "@std/assert";
import { parseBytes, parseTimedelta } from "./units.ts";

const BYTES: readonly [string | number, number][] = [
  ["100", 100],
  ["100 MB", 100e6],
  ["100M", 100e6],
  ["5kB", 5000],
  ["5.4 kB", 5400],
  ["1kiB", 1024],
  ["1e6", 1000000],
  ["1e6 kB", 1e9],
  ["MB", 1e6],
  ["4 GiB", 4 * 2 ** 30],
  ["5.9", 5],
  [123.9, 123],
];

for (const [text, bytes] of BYTES) {
  Deno.test(`parseBytes reads ${JSON.stringify(text)} as ${bytes}`, () => {
    assertEquals(parseBytes(text), bytes);
  });
}

for (const text of ["5 foos", "", "GiBs", "1 2 MB x", "constructor"]) {
  Deno.test(`parseBytes refuses ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseBytes(text), RangeError, "as a number of bytes");
  });
}

const SECONDS: readonly [string | number, number][] = [
  ["3s", 3],
  ["3.5 seconds", 3.5],
  ["300ms", 0.3],
  ["1 minute", 60],
  ["h", 3600],
  ["2d", 172800],
  ["1e3 us", 1e-3],
  ["7", 7],
  [2.5, 2.5],
];

for (const [text, seconds] of SECONDS) {
  Deno.test(`parseTimedelta reads ${JSON.stringify(text)} as ${seconds} s`, () => {
    assertEquals(Math.abs(parseTimedelta(text) - seconds) < 1e-12, true);
  });
}

Deno.test("parseTimedelta takes bare numbers in the unit that is asked for", () => {
  assertEquals(parseTimedelta(250, "ms"), 0.25);
  assertEquals(parseTimedelta("250", "ms"), 0.25);
});

for (const text of ["5 fortnights", "soon", "--3s", "toString"]) {
  Deno.test(`parseTimedelta refuses ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseTimedelta(text), RangeError, "as a duration");
  });
}
