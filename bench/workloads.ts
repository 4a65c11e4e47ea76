/**
 * The user's program of `compare.ts`: runs every workload with arguments that no run had before, checks each
 * result, prints the seconds by workload as JSON. `workloads.py` is the same program for Python.
 *
 * `workloads.ts ADDRESS CA CERT KEY SIZES`; empty names of files for `tcp://`.
 *
 * @module
 */

import { Client, type Future } from "../mod.ts";
import type { Sizes } from "./report.ts";

const [address = "", ca = "", cert = "", key = "", sizesText = "{}"] = Deno.args;
const sizes = JSON.parse(sizesText) as Sizes;
const security = { tlsCaFile: ca, tlsClientCert: cert, tlsClientKey: key };
await using client = await Client.connect(address, ca === "" ? {} : { security });
await client.waitForWorkers(2);

/** Arguments that no task had before. */
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

async function mapGather(): Promise<number[]> {
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

async function tree(): Promise<number[]> {
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

async function latency(): Promise<number[]> {
  const seconds: number[] = [];
  for (const x of distinct(sizes.submits)) {
    const start = performance.now();
    const future = client.submit((x: number) => x + 1, x);
    const value = await future.result();
    seconds.push(since(start));
    check(value === x + 1, "submit");
    future.release();
  }
  return seconds;
}

async function rpc(): Promise<number[]> {
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

async function gatherBulk(): Promise<number[]> {
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

async function workerToWorker(): Promise<number[]> {
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

const workloads = { mapGather, tree, latency, rpc, gatherBulk, workerToWorker };
const results: Record<string, number[]> = {};
for (const [name, workload] of Object.entries(workloads)) results[name] = await workload();
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(results)}\n`));
