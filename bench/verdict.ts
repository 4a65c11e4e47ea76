/**
 * Decides whether a revision is slower than another, from values that were measured in rounds.
 *
 * @module
 */

import { quantile } from "./report.ts";

/** Which of the two revisions. */
export type Side = "before" | "now";

/** Statistic of the times of a round. Rows of `"p99"` are only shown. */
export type Statistic = "median" | "p99";

/** The value of one row in one round. */
export interface Sample {
  /** What was measured. */
  readonly name: string;
  /** Statistic of the times of this round. */
  readonly statistic: Statistic;
  /** Its value. */
  readonly seconds: number;
}

/** Values of one row, one per round, by revision. */
export type Series = Readonly<Record<Side, readonly number[]>>;

/** Verdict on a row. */
export type Verdict = "slower" | "faster" | "same";

/** A row of the result. */
export interface Row {
  /** What was measured. */
  readonly name: string;
  /** Statistic of the times of each round. */
  readonly statistic: Statistic;
  /** Measured seconds, by round. */
  readonly series: Series;
  /** Median over the rounds, before. */
  readonly before: number;
  /** Median over the rounds, now. */
  readonly now: number;
  /** Median of the rounds' ratios of now to before. */
  readonly ratio: number;
  /** Quartile distance of these ratios. */
  readonly quartileDistance: number;
  /** The verdict. */
  readonly verdict: Verdict;
}

/** Share by which a row may always be slower. */
export const TOLERANCE = 0.05;

/** Distance between the quartiles. */
export function quartileDistance(values: readonly number[]): number {
  return quantile(values, 0.75) - quantile(values, 0.25);
}

/**
 * Judges a row: it is slower if its median is slower by more than 5 % and by more than the quartile distance.
 * Both are computed from the rounds' ratios, because within a round the load of the machine is about the same
 * for both revisions.
 */
export function judge(series: Series): Omit<Row, "name" | "statistic"> {
  const ratios = series.now.map((now, round) => now / (series.before[round] ?? NaN));
  const ratio = quantile(ratios);
  const distance = quartileDistance(ratios);
  const allowed = Math.max(TOLERANCE, distance);
  const verdict = ratio - 1 > allowed ? "slower" : 1 - ratio > allowed ? "faster" : "same";
  const [before, now] = [quantile(series.before), quantile(series.now)];
  return { series, before, now, ratio, quartileDistance: distance, verdict };
}

/** Collects samples of both revisions, round by round. */
export class Rounds {
  readonly #series = new Map<string, Record<Side, number[]> & Pick<Sample, "name" | "statistic">>();

  /** Adds the measurements of one revision in one round. */
  add(side: Side, samples: readonly Sample[]): void {
    for (const { name, statistic, seconds } of samples) {
      const id = `${statistic} ${name}`;
      const series = this.#series.get(id) ?? { name, statistic, before: [], now: [] };
      series[side].push(seconds);
      this.#series.set(id, series);
    }
  }

  /**
   * Returns the rows that both revisions have, in the order of arrival.
   *
   * @throws {Error} If a row has more values for one revision than for the other.
   */
  rows(): Row[] {
    return [...this.#series.values()]
      .filter(({ before, now }) => before.length > 0 && now.length > 0)
      .map(({ name, statistic, before, now }) => {
        if (before.length !== now.length) {
          throw new Error(
            `"${name}": ${before.length} values before, ${now.length} now. Is the name used twice?`,
          );
        }
        return { name, statistic, ...judge({ before, now }) };
      });
  }

  /** Returns the names that only one revision has. */
  only(side: Side): string[] {
    const other = side === "before" ? "now" : "before";
    return [...this.#series.values()]
      .filter((series) => series[other].length === 0 && series.statistic === "median")
      .map(({ name }) => name);
  }
}

/** Whether a row is a median that is slower. */
export function isSlower({ statistic, verdict }: Row): boolean {
  return statistic === "median" && verdict === "slower";
}

/** A table of the rows of one statistic. */
export function verdictTable(rows: readonly Row[], statistic: Statistic): string {
  const lines = [
    `| ${statistic} | before | now | ratio | quartile distance | verdict |`,
    "|---|---:|---:|---:|---:|---|",
  ];
  for (const row of rows) {
    if (row.statistic !== statistic) continue;
    const cells = [
      row.name,
      duration(row.before),
      duration(row.now),
      row.ratio.toFixed(2),
      `${(100 * row.quartileDistance).toFixed(0)} %`,
      row.verdict,
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

/** Formats seconds with three digits, in a suitable unit. */
export function duration(seconds: number): string {
  for (const [unit, scale] of [["s", 1], ["ms", 1e3], ["µs", 1e6]] as const) {
    if (seconds * scale >= 1) return `${threeDigits(seconds * scale)} ${unit}`;
  }
  return `${threeDigits(seconds * 1e9)} ns`;
}

function threeDigits(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
