/**
 * Benchmarks of two revisions: whole clusters, through the public API, and the revisions' own
 * micro-benchmarks.
 *
 * @module
 */

import type { Certificates, Protocol } from "./clusters.ts";
import { runBenchmarks } from "./micro.ts";
import { quantile, type Sizes } from "./report.ts";
import type { Revision } from "./revisions.ts";
import type { Sample, Side, Statistic } from "./verdict.ts";
import { WorkloadRunner } from "./workload_runner.ts";
import { CHAIN } from "./workloads.ts";

/** The two revisions. */
export type Revisions = Readonly<Record<Side, Revision>>;

/** Measurements of one revision in one round. */
export interface Measured {
  /** Which revision. */
  readonly side: Side;
  /** Its values. */
  readonly samples: readonly Sample[];
}

/** A benchmark of both revisions, measured close together in time. */
export interface Subject {
  /** What it is. */
  readonly title: string;
  /** Measures one round; `order` says which revision goes first. */
  measure(order: readonly Side[]): Promise<Measured[]>;
}

/** Number of turns of each cluster at each workload of a round. */
const TURNS = 7;

const MIB = 32;

/** Sizes of one turn. */
const sizes: Sizes = {
  rounds: 1,
  tasks: 10_000,
  leaves: 256,
  submits: 50,
  calls: 100,
  nbytes: MIB * 2 ** 20,
  transfers: 1,
};

/** A workload of a cluster's round. */
interface Event {
  readonly workload: string;
  readonly name: string;
  readonly turns?: number;
  readonly p99?: boolean;
}

/** In the order in which a new cluster runs them. */
const EVENTS: readonly Event[] = [
  { workload: "firstTask", name: "one task, new cluster", turns: 1 },
  { workload: "mapGather", name: `map + gather of ${sizes.tasks.toLocaleString("en")} tasks` },
  { workload: "newFunction", name: "one task of a new function", p99: true },
  { workload: "latency", name: "one task of a known function", p99: true },
  { workload: "rpc", name: "RPC round trip", p99: true },
  { workload: "chain", name: `chain of ${CHAIN} tasks` },
  { workload: "workerToWorker", name: `task that needs ${MIB} MiB of another worker` },
  { workload: "scatter", name: `scatter of ${MIB} MiB` },
  { workload: "gatherBulk", name: `gather of ${MIB} MiB` },
];

/** Starts new clusters of both revisions, which take turns at each workload. */
export function clusterSubject(
  revisions: Revisions,
  protocol: Protocol,
  certificates: Certificates,
): Subject {
  return {
    title: `clusters over ${protocol}`,
    measure: async (order) => {
      await using stack = new AsyncDisposableStack();
      const contestants: [Side, WorkloadRunner][] = [];
      for (const side of order) {
        const { root } = revisions[side];
        const runner = await WorkloadRunner.start({ protocol, certificates, root }, sizes);
        contestants.push([side, stack.use(runner)]);
      }
      const measured: Measured[] = [];
      for (const event of EVENTS) {
        for (const [side, seconds] of await takeTurns(contestants, event)) {
          measured.push({
            side,
            samples: summary(`${event.name}, ${protocol}`, seconds, event.p99 ?? false),
          });
        }
      }
      return measured;
    },
  };
}

async function takeTurns(
  contestants: readonly (readonly [Side, WorkloadRunner])[],
  { workload, turns = TURNS }: Event,
): Promise<Map<Side, number[]>> {
  const seconds = new Map<Side, number[]>(contestants.map(([side]) => [side, []]));
  for (let turn = 0; turn < turns; turn++) {
    // The order changes, so that neither always runs second.
    for (const [side, runner] of turn % 2 === 0 ? contestants : contestants.toReversed()) {
      seconds.get(side)?.push(...await runner.run(workload));
    }
  }
  return seconds;
}

function summary(name: string, seconds: readonly number[], p99: boolean): Sample[] {
  const sample = (statistic: Statistic, at: number) => ({ name, statistic, seconds: quantile(seconds, at) });
  return [sample("median", 0.5), ...p99 ? [sample("p99", 0.99)] : []];
}

/** Micro-benchmarks: files with the same name are measured in turn, in whatever folder they are. */
export function microSubjects(revisions: Revisions): Subject[] {
  const { before, now } = revisions;
  const names = new Set([...before.benchmarks, ...now.benchmarks].map(baseName));
  return [...names].sort().map((title) => ({
    title,
    measure: async (order) => {
      const measured: Measured[] = [];
      for (const side of order) {
        for (const file of revisions[side].benchmarks) {
          if (baseName(file) !== title) continue;
          measured.push({ side, samples: await runBenchmarks(revisions[side], file) });
        }
      }
      return measured;
    },
  }));
}

function baseName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}
