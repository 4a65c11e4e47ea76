import { assertEquals, assertThrows } from "@std/assert";
import { duration, isSlower, judge, quartileDistance, Rounds, type Series, verdictTable } from "./verdict.ts";

/**
 * Five rounds of a machine that is busier from round to round. `ratio` is the median of the rounds' ratios,
 * `distance` their quartile distance.
 */
function fiveRounds(ratio: number, distance: number): Series {
  const before = [100, 130, 200, 400, 1000];
  const ratios = [
    ratio + distance / 2,
    ratio - 2 * distance,
    ratio,
    ratio + 5 * distance,
    ratio - distance / 2,
  ];
  return { before, now: before.map((seconds, round) => seconds * (ratios[round] ?? NaN)) };
}

Deno.test("quartileDistance leaves out the lowest and the highest of five values", () => {
  assertEquals(quartileDistance([50, 10, 40, 1000, -1000]), 40);
  assertEquals(quartileDistance([7]), 0);
});

Deno.test("judge says slower if the median is, by more than 5 % and the quartile distance", () => {
  const verdict = (ratio: number, distance: number) => judge(fiveRounds(ratio, distance)).verdict;
  assertEquals(verdict(1.06, 0.04), "slower");
  assertEquals(verdict(1.04, 0.01), "same", "5 % are tolerated");
  assertEquals(verdict(1.19, 0.2), "same", "the quartile distance is tolerated");
  assertEquals(verdict(1.21, 0.2), "slower");
});

Deno.test("judge says faster by the same rule", () => {
  const verdict = (ratio: number, distance: number) => judge(fiveRounds(ratio, distance)).verdict;
  assertEquals(verdict(0.94, 0.04), "faster");
  assertEquals(verdict(0.96, 0.01), "same");
  assertEquals(verdict(0.81, 0.2), "same");
});

Deno.test("judge compares within rounds: load that changes between them hides nothing", () => {
  const { ratio, before, now, verdict } = judge(fiveRounds(1.25, 0));
  assertEquals({ ratio, before, now, verdict }, { ratio: 1.25, before: 200, now: 250, verdict: "slower" });
});

Deno.test("Rounds keeps medians and p99 of one name apart, and lists what one revision alone has", () => {
  const rounds = new Rounds();
  const sample = (name: string, statistic: "median" | "p99", seconds: number) => ({
    name,
    statistic,
    seconds,
  });
  rounds.add("before", [sample("a", "median", 1), sample("a", "p99", 9), sample("gone", "median", 1)]);
  rounds.add("now", [sample("new", "median", 1), sample("new", "p99", 1), sample("a", "median", 2)]);
  rounds.add("now", [sample("a", "p99", 8)]);
  assertEquals(rounds.rows().map(({ name, statistic, series }) => [name, statistic, series]), [
    ["a", "median", { before: [1], now: [2] }],
    ["a", "p99", { before: [9], now: [8] }],
  ]);
  assertEquals([rounds.only("before"), rounds.only("now")], [["gone"], ["new"]]);
});

Deno.test("Rounds has one value of each revision per round: a name that is used twice is an error", () => {
  const rounds = new Rounds();
  const sample = { name: "twice", statistic: "median", seconds: 1 } as const;
  rounds.add("before", [sample]);
  rounds.add("now", [sample, sample]);
  assertThrows(() => rounds.rows(), Error, '"twice": 1 values before, 2 now');
});

/** Both statistics of a row that is half as slow again. */
function slowRows(): Rounds {
  const rounds = new Rounds();
  for (const statistic of ["median", "p99"] as const) {
    for (const seconds of [0.1, 0.11, 0.12]) {
      rounds.add("before", [{ name: "row", statistic, seconds }]);
      rounds.add("now", [{ name: "row", statistic, seconds: 1.5 * seconds }]);
    }
  }
  return rounds;
}

Deno.test("isSlower counts medians, and no p99", () => {
  assertEquals(slowRows().rows().map((row) => [row.statistic, row.verdict, isSlower(row)]), [
    ["median", "slower", true],
    ["p99", "slower", false],
  ]);
});

Deno.test("verdictTable shows the rows of one statistic", () => {
  const lines = verdictTable(slowRows().rows(), "median").split("\n");
  assertEquals(lines.slice(2), ["| row | 110 ms | 165 ms | 1.50 | 0 % | slower |"]);
});

Deno.test("duration chooses the unit that fits", () => {
  assertEquals([2.5, 0.01234, 123e-6, 1.5e-9].map(duration), ["2.50 s", "12.3 ms", "123 µs", "1.50 ns"]);
});
