/**
 * A revision's own micro-benchmarks, run by `deno bench`.
 *
 * @module
 */

import { runToEnd } from "../testing/processes.ts";
import type { Revision } from "./revisions.ts";
import type { Sample } from "./verdict.ts";

/** The used part of the output of `deno bench --json`; times are in nanoseconds. */
interface BenchOutput {
  readonly benches: readonly {
    readonly group: string | null;
    readonly name: string;
    readonly results: readonly ({ readonly ok: { readonly p75: number; readonly p99: number } } | {
      readonly failed: unknown;
    })[];
  }[];
}

/** Runs the benchmarks of one file. */
export async function runBenchmarks({ root, title }: Revision, file: string): Promise<Sample[]> {
  const command = [Deno.execPath(), "bench", "--allow-all", "--no-check", "--json", file] as const;
  const { code, stdout, stderr } = await runToEnd({ command, cwd: root });
  if (code !== 0) throw new Error(`The benchmarks "${file}" of ${title} failed:\n${stdout}${stderr}`);
  return samplesOf(stdout);
}

/**
 * Returns the samples in an output of `deno bench --json`. It has no median, so the third quartile is used:
 * the mean would depend on the few iterations during which another process ran.
 */
export function samplesOf(output: string): Sample[] {
  const { benches } = JSON.parse(output) as BenchOutput;
  return benches.flatMap(({ group, name, results: [result] }) => {
    const title = group === null ? name : `${group}: ${name}`;
    if (result === undefined || !("ok" in result)) throw new Error(`The benchmark "${title}" failed`);
    const { p75, p99 } = result.ok;
    return [
      { name: title, statistic: "median", seconds: p75 / 1e9 },
      { name: title, statistic: "p99", seconds: p99 / 1e9 },
    ] as const;
  });
}
