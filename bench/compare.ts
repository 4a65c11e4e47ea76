/**
 * Whole clusters side by side: the same program against Python Dask and against this package, each with one
 * scheduler and two workers of one thread, as real processes, in turn.
 *
 * `deno task bench:compare [--python PYTHON] [--tasks N] [--rounds N] [--repeats N] [--protocol tls|tcp]`, where
 * `PYTHON` has `distributed` installed.
 *
 * @module
 */

import { parseFlags } from "../cli/flags.ts";
import { Security } from "../mod.ts";
import { runToEnd, startRole, TestProcess } from "../testing/processes.ts";

interface Certificates {
  readonly ca: string;
  readonly pair: (role: string) => readonly [cert: string, key: string];
}

interface Settings {
  readonly python: string;
  readonly protocol: string;
  readonly tasks: string;
  readonly rounds: string;
}

function file(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

async function makeCertificates(folder: string): Promise<Certificates> {
  const security = await Security.temporary();
  const write = (name: string, text: string | undefined) =>
    Deno.writeTextFile(`${folder}/${name}`, text ?? "");
  await write("ca.pem", security.tlsCaFile);
  await write("scheduler.pem", security.tlsSchedulerCert);
  await write("scheduler.key", security.tlsSchedulerKey);
  await write("worker.pem", security.tlsWorkerCert);
  await write("worker.key", security.tlsWorkerKey);
  await write("client.pem", security.tlsClientCert);
  await write("client.key", security.tlsClientKey);
  return {
    ca: `${folder}/ca.pem`,
    pair: (role) => [`${folder}/${role}.pem`, `${folder}/${role}.key`],
  };
}

function tlsFlags({ ca, pair }: Certificates, role: string, protocol: string): string[] {
  const [cert, key] = pair(role);
  return protocol === "tls" ? ["--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key] : [];
}

/** Seconds of each round. */
async function run(
  kind: "python" | "deno",
  certificates: Certificates,
  settings: Settings,
): Promise<number[]> {
  const { protocol, tasks, rounds, python } = settings;
  await using stack = new AsyncDisposableStack();
  const dask = (role: string, ...args: string[]) =>
    new TestProcess({
      command: [python, "-m", "distributed.cli.dask_" + role, "--no-dashboard", ...args],
      name: `dask ${role}`,
    });
  const start = (role: string, ...args: string[]) =>
    stack.use(kind === "python" ? dask(role, ...args) : startRole(`${role}.ts`, args));
  const listening = ["--host", "127.0.0.1", "--port", "0", "--protocol", protocol];
  const scheduler = start("scheduler", ...listening, ...tlsFlags(certificates, "scheduler", protocol));
  const [, address = ""] = await scheduler.line(/Scheduler at:\s+(t\S+)/);
  const workerFlags = [
    "--nthreads",
    "1",
    "--nworkers",
    "1",
    "--no-nanny",
    ...tlsFlags(certificates, "worker", protocol),
  ];
  for (let i = 0; i < 2; i++) {
    await start("worker", address, ...workerFlags).line(/Registered to:\s+t\S+/);
  }
  const [cert, key] = protocol === "tls" ? certificates.pair("client") : ["", ""];
  const args = [address, protocol === "tls" ? certificates.ca : "", cert, key, tasks, rounds];
  const permissions = ["--no-prompt", "--allow-net", "--allow-read"];
  const { code, stdout, stderr } = await runToEnd({
    command: kind === "python"
      ? [python, file("map_gather.py"), ...args]
      : [Deno.execPath(), "run", ...permissions, file("map_gather.ts"), ...args],
  });
  if (code !== 0) throw new Error(`${kind} client failed:\n${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "[]");
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

const { text: flags } = parseFlags(Deno.args, {
  python: { type: "string", value: "PROGRAM", help: "Python that has distributed [python3]" },
  tasks: { type: "string", value: "N", help: "Tasks per round [10000]" },
  rounds: { type: "string", value: "N", help: "Rounds per cluster [5]" },
  repeats: { type: "string", value: "N", help: "Clusters of each kind [3]" },
  protocol: { type: "string", value: "tls|tcp", help: "Scheme of all links [tls]" },
});
const settings: Settings = {
  python: flags["python"] ?? "python3",
  protocol: flags["protocol"] ?? "tls",
  tasks: flags["tasks"] ?? "10000",
  rounds: flags["rounds"] ?? "5",
};
const folder = await Deno.makeTempDir();
try {
  const certificates = await makeCertificates(folder);
  const seconds = { python: [] as number[][], deno: [] as number[][] };
  for (let repeat = 0; repeat < Number(flags["repeats"] ?? "3"); repeat++) {
    for (const kind of ["python", "deno"] as const) {
      seconds[kind].push(await run(kind, certificates, settings));
    }
  }
  const report = (kind: "python" | "deno", pick: (rounds: number[]) => number[]) =>
    Number(settings.tasks) / median(seconds[kind].flatMap(pick));
  const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  print(`map+gather of ${settings.tasks} trivial tasks over ${settings.protocol}, tasks/s (median)`);
  const picks = {
    "first round": (r: number[]) => r.slice(0, 1),
    "later rounds": (r: number[]) => r.slice(1),
  };
  for (const [name, pick] of Object.entries(picks)) {
    const [python, deno] = [report("python", pick), report("deno", pick)];
    print(
      `${name.padEnd(13)} Python ${python.toFixed(0)}, here ${deno.toFixed(0)}: ${
        (deno / python).toFixed(1)
      }×`,
    );
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
