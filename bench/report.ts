/**
 * Evaluates the measurements of `compare.ts`: medians, ratios, and a table in `docs/performance.md`.
 *
 * @module
 */

import type { Kind, Protocol } from "./clusters.ts";

/** Sizes of the workloads; the same for both packages. */
export interface Sizes {
  /** Rounds of map+gather and tree reduction per cluster. */
  readonly rounds: number;
  /** Tasks of one map. */
  readonly tasks: number;
  /** Leaves of one tree. */
  readonly leaves: number;
  /** Tasks submitted one after the other. */
  readonly submits: number;
  /** RPC calls one after the other. */
  readonly calls: number;
  /** Bytes of a large result. */
  readonly nbytes: number;
  /** Large results per cluster. */
  readonly transfers: number;
}

/** Seconds by workload, of one client program on one cluster. */
export type Measured = Readonly<Record<string, readonly number[]>>;

/** All repeats by kind and protocol. */
export type Runs = Readonly<Record<Kind, Readonly<Record<Protocol, readonly Measured[]>>>>;

/** One line of the table. */
interface Row {
  readonly name: string;
  readonly unit: string;
  /** Whether more is better. */
  readonly isRate: boolean;
  /** Returns the number to show from one cluster's measurements. */
  readonly value: (measured: Measured) => number;
}

/** Returns the quantile `at` of `values`; default: the median. */
export function quantile(values: readonly number[], at = 0.5): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * at))] ?? NaN;
}

function rows(sizes: Sizes): Row[] {
  const of = (measured: Measured, name: string) => measured[name] ?? [];
  const mib = sizes.nbytes / 2 ** 20;
  const count = (n: number) => n.toLocaleString("en");
  return [
    {
      name: `map + gather of ${count(sizes.tasks)} tasks, new cluster`,
      unit: "tasks/s",
      isRate: true,
      value: (m) => sizes.tasks / (of(m, "mapGather")[0] ?? NaN),
    },
    {
      name: `map + gather of ${count(sizes.tasks)} tasks, later rounds`,
      unit: "tasks/s",
      isRate: true,
      value: (m) => sizes.tasks / quantile(of(m, "mapGather").slice(1)),
    },
    {
      name: `tree reduction of ${count(sizes.leaves)} numbers`,
      unit: "tasks/s",
      isRate: true,
      value: (m) => (2 * sizes.leaves - 1) / quantile(of(m, "tree")),
    },
    {
      name: "submit → result, median",
      unit: "ms",
      isRate: false,
      value: (m) => 1e3 * quantile(of(m, "latency")),
    },
    {
      name: "submit → result, p99",
      unit: "ms",
      isRate: false,
      value: (m) => 1e3 * quantile(of(m, "latency"), 0.99),
    },
    { name: "RPC round trip, median", unit: "ms", isRate: false, value: (m) => 1e3 * quantile(of(m, "rpc")) },
    {
      name: "RPC round trip, p99",
      unit: "ms",
      isRate: false,
      value: (m) => 1e3 * quantile(of(m, "rpc"), 0.99),
    },
    {
      name: `gather of one result of ${mib} MiB`,
      unit: "MiB/s",
      isRate: true,
      value: (m) => mib / quantile(of(m, "gatherBulk")),
    },
    {
      name: `task that needs ${mib} MiB of another worker`,
      unit: "MiB/s",
      isRate: true,
      value: (m) => mib / quantile(of(m, "workerToWorker")),
    },
  ];
}

/** Returns the table, with one line per workload and protocol: medians over the clusters. */
export function table(runs: Runs, sizes: Sizes): string {
  const lines = [
    "| workload | link | Python Dask | here | better by | TLS costs here |",
    "|---|---|---:|---:|---:|---:|",
  ];
  for (const row of rows(sizes)) {
    const tcp = cell(runs.deno.tcp, row);
    for (const protocol of ["tls", "tcp"] as const) {
      const [python, deno] = [cell(runs.python[protocol], row), cell(runs.deno[protocol], row)];
      const gain = row.isRate ? deno / python : python / deno;
      const cost = row.isRate ? tcp / deno - 1 : deno / tcp - 1;
      const costText = protocol === "tls" ? `${(100 * cost).toFixed(0)} %` : "";
      lines.push(
        `| ${row.name} | ${protocol} | ${shown(python, row)} | ${shown(deno, row)} | ${
          gain.toFixed(1)
        }× | ${costText} |`,
      );
    }
  }
  return lines.join("\n");
}

function cell(clusters: readonly Measured[], row: Row): number {
  return quantile(clusters.map(row.value));
}

function shown(value: number, { unit }: Row): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${text} ${unit}`;
}

/** Replaces the text between the two markers `name` in a Markdown file. */
export async function replaceSection(file: URL, name: string, text: string): Promise<void> {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const old = await Deno.readTextFile(file);
  const [from, to] = [old.indexOf(begin), old.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`"${file.pathname}" has no lines "${begin}" and "${end}"`);
  await Deno.writeTextFile(file, `${old.slice(0, from + begin.length)}\n${text}\n${old.slice(to)}`);
}

/** Describes the machine and the versions. */
export async function circumstances(python: string): Promise<string> {
  const output = await new Deno.Command(python, {
    args: ["-c", "import sys, distributed; print(sys.version.split()[0], distributed.__version__)"],
  }).output();
  const [pythonVersion, dask] = new TextDecoder().decode(output.stdout).trim().split(" ");
  return `${await machine()}; Python ${pythonVersion}, distributed ${dask}; ${today()}.`;
}

/** Describes the machine and this version of Deno. */
export async function machine(): Promise<string> {
  const cpu = await Deno.readTextFile("/proc/cpuinfo").then(
    (text) => text.match(/^model name\s*:\s*(.*)$/m)?.[1],
    () => undefined,
  );
  const gib = (Deno.systemMemoryInfo().total / 2 ** 30).toFixed(0);
  const hardware = `${navigator.hardwareConcurrency} cores (${cpu ?? Deno.build.arch}), ${gib} GiB`;
  return `${hardware}, ${Deno.build.os}; Deno ${Deno.version.deno} (V8 ${Deno.version.v8})`;
}

/** The date. */
export function today(): string {
  return new Date().toISOString().slice(0, 10);
}
