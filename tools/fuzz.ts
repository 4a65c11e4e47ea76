/**
 * A long run of the fuzzer: damaged input to all code behind a socket within one process, then to live roles
 * over tcp and tls. Reports the code that was reached.
 *
 * `deno task fuzz [--seed N] [--inputs N] [--live N] [--files]`
 *
 * @module
 */

import { parseFlags, wholeNumber } from "../cli/flags.ts";
import { setLogLevel } from "../config/logging.ts";
import { runToEnd } from "../testing/processes.ts";
import { coverageOf, describeCoverage } from "../testing/fuzz/coverage.ts";
import { describeReport, FuzzFinding, type FuzzReport, pastFraming } from "../testing/fuzz/fuzz.ts";
import { describeLive, fuzzLive, type LiveReport } from "../testing/fuzz/live.ts";
import { say } from "./run.ts";

const { text, on } = parseFlags(Deno.args, {
  seed: { type: "string", value: "N", help: "Which inputs [1]" },
  inputs: { type: "string", value: "N", help: "How many in one process [1000000]" },
  live: { type: "string", value: "N", help: "How many against live roles [40000]" },
  files: { type: "boolean", help: "Coverage by file" },
});
const seed = wholeNumber("seed", text["seed"] ?? "1", 0, 2 ** 31);
const inputs = wholeNumber("inputs", text["inputs"] ?? "1000000", 1, 2 ** 40);
const live = wholeNumber("live", text["live"] ?? "40000", 0, 2 ** 40);

/** Output of {@linkcode "../testing/fuzz/offline.ts"}. */
interface OfflineReport extends FuzzReport {
  readonly messages: number;
  readonly rss: number;
}

async function offline(coverage: string): Promise<OfflineReport> {
  const program = new URL("../testing/fuzz/offline.ts", import.meta.url).href;
  const { code, stdout, stderr } = await runToEnd({
    command: [
      Deno.execPath(),
      ...["run", "--allow-read", `--coverage=${coverage}`, program],
      ...[String(seed), String(inputs)],
    ],
  });
  if (code !== 0) throw new FuzzFinding(`${stdout}${stderr}`);
  return JSON.parse(stdout) as OfflineReport;
}

async function main(): Promise<void> {
  setLogLevel("distributed", "error"); // logs of the honest client
  const coverage = await Deno.makeTempDir({ prefix: "distributed-fuzz-" });
  try {
    let started = performance.now();
    const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
    const report = await offline(coverage);
    say(describeReport(report));
    say(
      `${inputs} inputs of ${report.messages} messages in ${seconds()} s, ` +
        `${(100 * pastFraming(report)).toFixed(0)} % past framing, ${
          (report.rss / 2 ** 20).toFixed(0)
        } MiB resident`,
    );
    started = performance.now();
    const reports: LiveReport[] = [];
    for (const scheme of live > 0 ? ["tcp", "tls"] as const : []) {
      const attacks = await fuzzLive({ scheme, seed, inputs: Math.ceil(live / 4), coverage });
      say(describeLive(attacks));
      reports.push(...attacks);
    }
    const sum = (of: (report: LiveReport) => number) => reports.reduce((all, one) => all + of(one), 0);
    const heard = sum((one) => one.inputs);
    if (live > 0) say(`${heard} live inputs in ${seconds()} s`);
    const framed = sum((one) => one.framed) + pastFraming(report) * inputs;
    say(`${inputs + heard} inputs in all, ${(100 * framed / (inputs + heard)).toFixed(0)} % past framing\n`);
    say(describeCoverage(await coverageOf(coverage), on["files"] === true));
  } finally {
    await Deno.remove(coverage, { recursive: true });
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof FuzzFinding)) throw error;
  say(error.message);
  if (error.cause !== undefined) say(String(error.cause));
  Deno.exitCode = 1;
}
