/**
 * Profiles the scheduler, a worker's main thread and the client, by function.
 *
 * `deno task bench:profile [--workload "mapGather(10000)"] [--rounds N] [--protocol tls|tcp] [--top N]`; the
 * workloads are those of `inspected_client.ts`.
 *
 * @module
 */

import { parseFlags } from "../cli/flags.ts";
import { TestProcess } from "../testing/processes.ts";
import { say } from "../tools/run.ts";
import { makeCertificates, startCluster } from "./clusters.ts";
import { Inspector } from "./inspector.ts";
import { quantile } from "./report.ts";

const { text } = parseFlags(Deno.args, {
  workload: { type: "string", value: "CALL", help: "What the client does [mapGather(10000)]" },
  rounds: { type: "string", value: "N", help: "How often, after as many to warm up [5]" },
  protocol: { type: "string", value: "tls|tcp", help: "Scheme of all links [tls]" },
  top: { type: "string", value: "N", help: "Functions to show of each process [25]" },
});
const workload = text["workload"] ?? "mapGather(10000)";
const rounds = Number(text["rounds"] ?? "5");
const top = Number(text["top"] ?? "25");
const protocol = text["protocol"] === "tcp" ? "tcp" : "tls";

await using stack = new AsyncDisposableStack();
const certificates = stack.use(await makeCertificates());
const cluster = stack.use(await startCluster({ kind: "deno", protocol, certificates, inspect: true }));
const client = stack.use(
  new TestProcess({ command: cluster.clientCommand("inspected_client.ts"), name: "client" }),
);
await client.line(/Ready/, { stream: "stdout" });
const inspectors: [string, Inspector][] = [];
for (const process of [client, cluster.scheduler, cluster.workers[0]]) {
  if (process === undefined) continue;
  inspectors.push([process.name, stack.use(await Inspector.attach(process))]);
}
const [[, inClient] = []] = inspectors;
const repeat = async (): Promise<number[]> => {
  const ms: number[] = [];
  for (let i = 0; i < rounds; i++) ms.push(await inClient?.evaluate<number>(`bench.${workload}`) ?? NaN);
  return ms;
};
await repeat();
for (const [, inspector] of inspectors) await inspector.startProfile();
const ms = await repeat();
say(`${workload} over ${protocol}: ${quantile(ms).toFixed(1)} ms (median of ${rounds}, while profiled)`);
for (const [name, inspector] of inspectors) {
  const spots = await inspector.stopProfile();
  say(`\n${name}`);
  for (const { where, ms } of spots.slice(0, top)) say(`${ms.toFixed(1).padStart(9)} ms  ${where}`);
}
