import { assertEquals, assertThrows } from "@std/assert";
import { samplesOf } from "./micro.ts";

Deno.test("samplesOf names benchmarks by group and name, and gives seconds", () => {
  const ok = { n: 10, min: 1, max: 9e9, avg: 7e9, p75: 2e9, p99: 5e9, p995: 6e9, p999: 7e9 };
  const bench = (group: string | null) => ({
    origin: "file:///a_bench.ts",
    group,
    name: "b",
    results: [{ ok }],
  });
  assertEquals(samplesOf(JSON.stringify({ version: 1, benches: [bench(null), bench("g")] })), [
    { name: "b", statistic: "median", seconds: 2 },
    { name: "b", statistic: "p99", seconds: 5 },
    { name: "g: b", statistic: "median", seconds: 2 },
    { name: "g: b", statistic: "p99", seconds: 5 },
  ]);
});

Deno.test("samplesOf does not pass over a benchmark that failed", () => {
  const failed = { group: null, name: "b", results: [{ failed: { message: "no" } }] };
  assertThrows(() => samplesOf(JSON.stringify({ version: 1, benches: [failed] })), Error, '"b" failed');
});
