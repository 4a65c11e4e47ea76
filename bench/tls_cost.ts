/**
 * Measures the cost of TLS: a cluster over `tls` and one over `tcp` run the same map+gather in turn, so that
 * other load on the machine affects both. Prints a table, and writes it to `docs/performance.md`.
 *
 * `deno task bench:tls [--clusters N] [--rounds N] [--tasks N] [--no-write]`
 *
 * @module
 */

import { parseFlags, wholeNumber } from "../cli/flags.ts";
import { say } from "../tools/run.ts";
import { makeCertificates } from "./clusters.ts";
import { machine, quantile, replaceSection, today } from "./report.ts";
import { WorkloadRunner } from "./workload_runner.ts";
import { full } from "./workloads.ts";

/** Warm-up rounds of a new cluster, which don't count. */
const WARM_UP = 3;

/** Seconds of one map+gather. */
async function round(runner: WorkloadRunner): Promise<number> {
  const [seconds = NaN] = await runner.run("mapGather");
  return seconds;
}

const { text, on } = parseFlags(Deno.args, {
  clusters: { type: "string", value: "N", help: "Pairs of clusters [3]" },
  rounds: { type: "string", value: "N", help: "Rounds of each pair [20]" },
  tasks: { type: "string", value: "N", help: "Tasks of a round [10000]" },
  write: { type: "boolean", help: "Write the table to docs/performance.md [on]" },
});
const clusters = wholeNumber("clusters", text["clusters"] ?? "3", 1, 100);
const rounds = wholeNumber("rounds", text["rounds"] ?? "20", 1, 1000);
const tasks = wholeNumber("tasks", text["tasks"] ?? "10000", 1, 1_000_000);
const sizes = { ...full, rounds: 1, tasks };

await using certificates = await makeCertificates();
const seconds = { tls: [] as number[], tcp: [] as number[] };
const [loadBefore = 0] = Deno.loadavg();
for (let pair = 1; pair <= clusters; pair++) {
  await using tls = await WorkloadRunner.start({ protocol: "tls", certificates }, sizes);
  await using tcp = await WorkloadRunner.start({ protocol: "tcp", certificates }, sizes);
  for (let i = 0; i < WARM_UP; i++) await Promise.all([round(tls), round(tcp)]);
  for (let i = 0; i < rounds; i++) {
    // The order changes, so that neither always runs second.
    for (const first of i % 2 === 0 ? ["tls", "tcp"] as const : ["tcp", "tls"] as const) {
      seconds[first].push(await round(first === "tls" ? tls : tcp));
    }
  }
  say(`pair ${pair} of ${clusters}`);
}
const rate = (values: readonly number[], at: number) =>
  Math.round(tasks / quantile(values, 1 - at)).toLocaleString("en");
const ratios = seconds.tls.map((value, i) => value / (seconds.tcp[i] ?? NaN) - 1);
const cost = (at: number) => `${(100 * quantile(ratios, at)).toFixed(1)} %`;
const rows = [
  `| map + gather of ${tasks.toLocaleString("en")} tasks | lower quartile | median | upper quartile |`,
  "|---|---:|---:|---:|",
  ...(["tls", "tcp"] as const).map((protocol) =>
    `| ${protocol}, tasks/s | ${[0.25, 0.5, 0.75].map((at) => rate(seconds[protocol], at)).join(" | ")} |`
  ),
  `| TLS costs, round by round | ${[0.25, 0.5, 0.75].map(cost).join(" | ")} |`,
];
const facts =
  `${await machine()}; ${today()}. ${clusters} pairs of clusters, ${rounds} rounds in turn; load before: ` +
  `${loadBefore.toFixed(2)}.`;
const result = `${facts}\n\n${rows.join("\n")}`;
say(`\n${result}`);
if (on["write"] !== false) {
  await replaceSection(new URL("../docs/performance.md", import.meta.url), "tls", result);
  say("\nwritten to docs/performance.md");
}
