/**
 * Sums up test runs: from the closing lines of test runners to one closing line.
 *
 * @module
 */

/** Number of tests by result. */
export interface Counts {
  /** Held. */
  readonly passed: number;
  /** Did not hold. */
  readonly failed: number;
  /** Did not run. */
  readonly skipped: number;
}

/** Nothing ran. */
export const none: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Both together. */
export function sum(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** Returns the counts of the closing line of `deno test`, including steps; undefined if there is none. */
export function denoCounts(output: string): Counts | undefined {
  // deno-lint-ignore no-control-regex
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  const closing =
    /^(?:ok|FAILED) \| (\d+) passed(?: \((\d+) steps?\))? \| (\d+) failed(?: \((\d+) steps?\))?(.*)$/gm;
  const last = [...plain.matchAll(closing)].at(-1);
  if (last === undefined) return undefined;
  const rest = last[5] ?? "";
  const ignored = /\| (\d+) ignored(?: \((\d+) steps?\))?/.exec(rest);
  return {
    passed: number(last[1]) + number(last[2]),
    failed: number(last[3]) + number(last[4]),
    skipped: number(ignored?.[1]) + number(ignored?.[2]),
  };
}

function number(text: string | undefined): number {
  return text === undefined ? 0 : Number(text);
}

/** Returns the last line of a run. */
export function closingLine(counts: Counts): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}
