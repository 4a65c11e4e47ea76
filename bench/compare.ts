/**
 * Compares whole clusters of Python's Dask and of this package. Both run the same programs in turn, each with
 * one scheduler and two workers of one thread, as real processes. Prints a table, and writes it to
 * `docs/performance.md`.
 *
 * `deno task bench [--quick] [--repeats N] [--python PYTHON] [--no-write]`. Without `--python`, an
 * environment with `distributed` is created in the user's cache.
 *
 * @module
 */

import { parseFlags } from "../cli/flags.ts";
import { runToEnd } from "../testing/processes.ts";
import { pythonWithDask } from "../tools/interop.ts";
import { say } from "../tools/run.ts";
import { type Certificates, type Kind, makeCertificates, type Protocol, startCluster } from "./clusters.ts";
import { circumstances, type Measured, replaceSection, type Sizes, table } from "./report.ts";
import { WorkloadRunner } from "./workload_runner.ts";
import { full, workloads } from "./workloads.ts";

const quick: Sizes = {
  rounds: 2,
  tasks: 2000,
  leaves: 256,
  submits: 200,
  calls: 200,
  nbytes: 32 * 2 ** 20,
  transfers: 3,
};

/** Runs a client program on a new cluster, and returns its measurements. */
async function measure(
  kind: Kind,
  protocol: Protocol,
  python: string,
  certificates: Certificates,
  sizes: Sizes,
): Promise<Measured> {
  if (kind === "python") return await measurePython(protocol, python, certificates, sizes);
  await using runner = await WorkloadRunner.start({ protocol, certificates }, sizes);
  const measured: Record<string, number[]> = {};
  for (const name of Object.keys(workloads)) measured[name] = await runner.run(name);
  return measured;
}

async function measurePython(
  protocol: Protocol,
  python: string,
  certificates: Certificates,
  sizes: Sizes,
): Promise<Measured> {
  await using cluster = await startCluster({ kind: "python", protocol, python, certificates });
  const command = cluster.clientCommand("workloads.py");
  const { code, stdout, stderr } = await runToEnd({ command: [...command, JSON.stringify(sizes)] });
  if (code !== 0) throw new Error(`Python's program over ${protocol} failed:\n${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}") as Measured;
}

const { text, on } = parseFlags(Deno.args, {
  python: { type: "string", value: "PROGRAM", help: "Python that has distributed" },
  repeats: { type: "string", value: "N", help: "Clusters of each kind and protocol [3]" },
  quick: { type: "boolean", help: "Small workloads on one cluster each; writes nothing" },
  write: { type: "boolean", help: "Write the table to docs/performance.md [on]" },
});
const isQuick = on["quick"] ?? false;
const sizes = isQuick ? quick : full;
const repeats = Number(text["repeats"] ?? (isQuick ? "1" : "3"));
const python = text["python"] ?? await pythonWithDask();
await using certificates = await makeCertificates();
const runs = {
  python: { tcp: [] as Measured[], tls: [] as Measured[] },
  deno: { tcp: [] as Measured[], tls: [] as Measured[] },
};
const [loadBefore = 0] = Deno.loadavg();
for (let repeat = 1; repeat <= repeats; repeat++) {
  for (const kind of ["deno", "python"] as const) {
    for (const protocol of ["tls", "tcp"] as const) {
      say(`repeat ${repeat} of ${repeats}: ${kind === "deno" ? "here" : "Python"}, ${protocol}`);
      runs[kind][protocol].push(await measure(kind, protocol, python, certificates, sizes));
    }
  }
}
const result = table(runs, sizes);
say(`\n${result}`);
if (!isQuick && on["write"] !== false) {
  const facts = `${await circumstances(python)} ${repeats} clusters of each kind, in turn; load before: ` +
    `${loadBefore.toFixed(2)}.`;
  await replaceSection(
    new URL("../docs/performance.md", import.meta.url),
    "compare",
    `${facts}\n\n${result}`,
  );
  say("\nwritten to docs/performance.md");
}
