/**
 * The workloads of the benchmarks. Each uses arguments that no earlier task had, checks its results, and
 * returns the seconds of each repetition. `workloads.py` has the same workloads for Python, except those that
 * are not measured with Dask.
 *
 * They use only the public API, because `bench:compare` runs them with other revisions of the package.
 *
 * @module
 */

import type { Client, Future } from "../mod.ts";
import type { Sizes } from "./report.ts";

/** Sizes for published numbers. */
export const full: Sizes = {
  rounds: 2,
  tasks: 10_000,
  leaves: 1024,
  submits: 500,
  calls: 1000,
  nbytes: 256 * 2 ** 20,
  transfers: 3,
};

/** Number of tasks in a chain. */
export const CHAIN = 200;

/** A workload: runs on a cluster, and returns seconds. */
export type Workload = (client: Client, sizes: Sizes) => Promise<number[]>;

/** Arguments that no earlier task had. */
let used = 0;
function distinct(count: number): number[] {
  const from = used;
  used += count;
  return Array.from({ length: count }, (_, i) => from + i);
}

function check(claim: boolean, what: string): void {
  if (!claim) throw new Error(`Wrong result of ${what}`);
}

function since(start: number): number {
  return (performance.now() - start) / 1000;
}

function release(futures: readonly Future<unknown>[]): void {
  for (const future of futures) future.release();
}

async function mapGather(client: Client, sizes: Sizes): Promise<number[]> {
  const seconds: number[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const inputs = distinct(sizes.tasks);
    const start = performance.now();
    const futures = client.map((x: number) => x + 1, inputs);
    const values = await client.gather(futures);
    seconds.push(since(start));
    check(values.length === inputs.length && values.every((v, i) => v === (inputs[i] ?? NaN) + 1), "map");
    release(futures);
  }
  return seconds;
}

async function tree(client: Client, sizes: Sizes): Promise<number[]> {
  const seconds: number[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const inputs = distinct(sizes.leaves);
    const start = performance.now();
    const all: Future<number>[] = [];
    let level = client.map((x: number) => x + 1, inputs);
    while (level.length > 1) {
      all.push(...level);
      const [left, right] = [0, 1].map((side) => level.filter((_, i) => i % 2 === side));
      level = client.map((x: number, y: number) => x + y, left ?? [], right ?? []);
    }
    const [root] = level;
    const sum = await root?.result();
    seconds.push(since(start));
    check(sum === inputs.reduce((total, x) => total + x + 1, 0), "the tree");
    release([...all, ...level]);
  }
  return seconds;
}

/** Measures the seconds from submitting `f(x)` to its result, which must be `expected`. */
async function submitted(
  client: Client,
  f: (x: number) => number,
  x: number,
  expected: number,
): Promise<number> {
  const start = performance.now();
  using future = client.submit(f, x);
  const value = await future.result();
  const seconds = since(start);
  check(value === expected, "submit");
  return seconds;
}

async function latency(client: Client, sizes: Sizes): Promise<number[]> {
  const seconds: number[] = [];
  for (const x of distinct(sizes.submits)) {
    seconds.push(await submitted(client, (x: number) => x + 1, x, x + 1));
  }
  return seconds;
}

/** Measures the first task of a cluster, if this is its first workload. */
async function firstTask(client: Client): Promise<number[]> {
  const [x = 0] = distinct(1);
  return [await submitted(client, (x: number) => x + 1, x, x + 1)];
}

/** Runs tasks of functions that are new to scheduler and workers. */
async function newFunction(client: Client, sizes: Sizes): Promise<number[]> {
  const seconds: number[] = [];
  for (const x of distinct(sizes.submits)) {
    const f = new Function("x", `return x + ${x};`) as (x: number) => number;
    seconds.push(await submitted(client, f, x, 2 * x));
  }
  return seconds;
}

/** Runs tasks that each depend on the previous one. */
async function chain(client: Client, sizes: Sizes): Promise<number[]> {
  const seconds: number[] = [];
  for (let round = 0; round < sizes.rounds; round++) {
    const [x = 0] = distinct(1);
    const start = performance.now();
    let last = client.submit((x: number) => x + 1, x);
    const futures = [last];
    while (futures.length < CHAIN) futures.push(last = client.submit((x: number) => x + 1, last));
    const value = await last.result();
    seconds.push(since(start));
    check(value === x + CHAIN, "the chain");
    release(futures);
  }
  return seconds;
}

async function rpc(client: Client, sizes: Sizes): Promise<number[]> {
  const [x = 0] = distinct(1);
  using future = client.submit((x: number) => x + 1, x);
  await future.result();
  const seconds: number[] = [];
  for (let i = 0; i < sizes.calls; i++) {
    const start = performance.now();
    const holders = await client.whoHas([future]);
    seconds.push(since(start));
    check(holders[future.key]?.length === 1, "who_has");
  }
  return seconds;
}

function makeBytes(nbytes: number, seed: number): Uint8Array {
  return new Uint8Array(nbytes).fill(seed % 251);
}

async function gatherBulk(client: Client, sizes: Sizes): Promise<number[]> {
  const seconds: number[] = [];
  for (const seed of distinct(sizes.transfers)) {
    using future = client.submit(makeBytes, sizes.nbytes, seed);
    check(await future.exception() === undefined, "making bytes");
    const start = performance.now();
    const value = await future.result();
    seconds.push(since(start));
    check(value.length === sizes.nbytes && value.at(-1) === seed % 251, "gathering bytes");
  }
  return seconds;
}

async function workerToWorker(client: Client, sizes: Sizes): Promise<number[]> {
  const seconds: number[] = [];
  for (let round = 0; round < sizes.transfers; round++) {
    const [one = 0, two = 0] = distinct(2);
    using left = client.submit(makeBytes, sizes.nbytes, one);
    using right = client.submit(makeBytes, sizes.nbytes, two);
    check(await left.exception() === undefined && await right.exception() === undefined, "making bytes");
    const holders = await client.whoHas([left, right]);
    check(holders[left.key]?.[0] !== holders[right.key]?.[0], "placement: nothing is to be transferred");
    const start = performance.now();
    using sum = client.submit(
      (a: Uint8Array, b: Uint8Array) => a.length + b.length + (a.at(-1) ?? 0) + (b.at(-1) ?? 0),
      left,
      right,
    );
    const value = await sum.result();
    seconds.push(since(start));
    check(value === 2 * sizes.nbytes + one % 251 + two % 251, "combining bytes");
  }
  return seconds;
}

async function scatter(client: Client, sizes: Sizes): Promise<number[]> {
  const seconds: number[] = [];
  for (const seed of distinct(sizes.transfers)) {
    const bytes = makeBytes(sizes.nbytes, seed);
    const start = performance.now();
    using future = await client.scatter(bytes);
    seconds.push(since(start));
    check((await client.whoHas([future]))[future.key]?.length === 1, "scatter");
  }
  return seconds;
}

/** Workloads that are also measured with Python's Dask. */
export const workloads = { mapGather, tree, latency, rpc, gatherBulk, workerToWorker };

/** All workloads by name. */
export const allWorkloads: Readonly<Record<string, Workload>> = {
  ...workloads,
  firstTask,
  newFunction,
  chain,
  scatter,
};
