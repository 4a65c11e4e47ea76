import { assertEquals, assertMatch } from "@std/assert";
import { confirmed, duration, isSlower, judge, quartileDistance, Rounds, verdictTable } from "./verdict.ts";

/** Five rounds around `median`, with a quartile distance of `distance`. */
function around(median: number, distance: number): number[] {
  return [median + distance / 2, median - 3 * distance, median, median + 5 * distance, median - distance / 2];
}

Deno.test("quartileDistance leaves out the lowest and the highest of five values", () => {
  assertEquals(quartileDistance([50, 10, 40, 1000, -1000]), 40);
  assertEquals(quartileDistance([7]), 0);
});

Deno.test("judge says slower if the median is, by more than 5 % and the quartile distance", () => {
  const verdict = (now: number, distance: number) =>
    judge({ before: around(100, 1), now: around(now, distance) }).verdict;
  assertEquals(verdict(106, 4), "slower");
  assertEquals(verdict(105, 4), "same", "5 % is tolerated");
  assertEquals(verdict(120, 20), "same", "as much as the quartile distance is tolerated");
  assertEquals(verdict(121, 20), "slower");
});

Deno.test("judge takes the larger quartile distance of the two revisions", () => {
  const noisyBefore = judge({ before: around(100, 30), now: around(125, 2) });
  assertEquals([noisyBefore.verdict, noisyBefore.quartileDistance], ["same", 30]);
  const noisyNow = judge({ before: around(100, 2), now: around(125, 30) });
  assertEquals([noisyNow.verdict, noisyNow.quartileDistance], ["same", 30]);
});

Deno.test("judge says faster by the same rule, and gives the ratio of the medians", () => {
  const { verdict, before, now, ratio } = judge({ before: around(100, 2), now: around(50, 2) });
  assertEquals({ verdict, before, now, ratio }, { verdict: "faster", before: 100, now: 50, ratio: 0.5 });
  assertEquals(judge({ before: around(100, 2), now: around(96, 2) }).verdict, "same");
});

function roundsOf(name: string, before: readonly number[], now: readonly number[]): Rounds {
  const rounds = new Rounds();
  for (const seconds of before) rounds.add("before", [{ name, statistic: "median", seconds }]);
  for (const seconds of now) rounds.add("now", [{ name, statistic: "median", seconds }]);
  return rounds;
}

Deno.test("Rounds keeps medians and p99 of one name apart, and lists what one revision alone has", () => {
  const rounds = new Rounds();
  const sample = (name: string, statistic: "median" | "p99", seconds: number) => ({
    name,
    statistic,
    seconds,
  });
  rounds.add("before", [sample("a", "median", 1), sample("a", "p99", 9), sample("gone", "median", 1)]);
  rounds.add("now", [sample("new", "median", 1), sample("new", "p99", 1), sample("a", "median", 2)]);
  rounds.add("now", [sample("a", "p99", 8), sample("a", "median", 3)]);
  assertEquals(rounds.rows().map(({ name, statistic, series }) => [name, statistic, series]), [
    ["a", "median", { before: [1], now: [2, 3] }],
    ["a", "p99", { before: [9], now: [8] }],
  ]);
  assertEquals([rounds.only("before"), rounds.only("now")], [["gone"], ["new"]]);
});

Deno.test("confirmed believes that a row is slower if it is slower again, and leaves the other rows", () => {
  const slow = roundsOf("row", around(100, 2), around(150, 2)).rows();
  const slowAgain = roundsOf("row", around(100, 2), around(140, 2)).rows();
  const same = roundsOf("row", around(100, 2), around(101, 2)).rows();
  const verdicts = (first: typeof slow, again: typeof slow) =>
    confirmed(first, again).map(({ verdict, now }) => [verdict, now]);
  assertEquals(verdicts(slow, slowAgain), [["slower", 140]]);
  assertEquals(verdicts(slow, same), [["unconfirmed", 101]]);
  assertEquals(verdicts(same, slow), [["same", 101]]);
  assertEquals(verdicts(slow, []), [["slower", 150]]);
});

Deno.test("isSlower counts medians, and no p99", () => {
  const rounds = roundsOf("row", around(100, 2), around(150, 2));
  for (const seconds of around(100, 2)) rounds.add("before", [{ name: "row", statistic: "p99", seconds }]);
  for (const seconds of around(150, 2)) rounds.add("now", [{ name: "row", statistic: "p99", seconds }]);
  assertEquals(rounds.rows().map((row) => [row.statistic, row.verdict, isSlower(row)]), [
    ["median", "slower", true],
    ["p99", "slower", false],
  ]);
});

Deno.test("verdictTable shows medians, their ratio, and the quartile distance in percent", () => {
  const rows = roundsOf("row", around(0.1, 0.002), around(0.15, 0.003)).rows();
  assertMatch(verdictTable(rows, "median"), /^\| row \| 100 ms \| 150 ms \| 1\.50 \| 3 % \| slower \|$/m);
  assertEquals(verdictTable(rows, "p99").split("\n").length, 2, "no row");
});

Deno.test("duration chooses the unit that fits", () => {
  assertEquals([2.5, 0.01234, 123e-6, 1.5e-9].map(duration), ["2.50 s", "12.3 ms", "123 µs", "1.50 ns"]);
});
