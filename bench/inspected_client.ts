/**
 * A client that `leak.ts` and `profile.ts` control through the inspector: `bench.mapGather(count)` and
 * others.
 *
 * `inspected_client.ts ADDRESS CA CERT KEY`; empty names of files for `tcp://`.
 *
 * @module
 */

import { Client, type Future, TaskError } from "../mod.ts";

const [address = "", ca = "", cert = "", key = ""] = Deno.args;
const security = { tlsCaFile: ca, tlsClientCert: cert, tlsClientKey: key };
const client = await Client.connect(address, ca === "" ? {} : { security });
await client.waitForWorkers(2);

let used = 0;
let functions = 0;

/** Arguments that no earlier task had. */
function distinct(count: number): number[] {
  used += count;
  return Array.from({ length: count }, (_, i) => used - count + i);
}

function check(claim: boolean): void {
  if (!claim) throw new Error("Wrong result");
}

function release(...futures: readonly Future<unknown>[][]): void {
  for (const some of futures) for (const future of some) future.release();
}

/** Runs independent tasks. Returns milliseconds. */
async function mapGather(count: number): Promise<number> {
  const inputs = distinct(count);
  const start = performance.now();
  const futures = client.map((x: number) => x + 1, inputs);
  const values = await client.gather(futures);
  const ms = performance.now() - start;
  check(values.every((value, i) => value === (inputs[i] ?? NaN) + 1));
  release(futures);
  return ms;
}

/** Runs tasks one after the other. Returns milliseconds. */
async function latency(count: number): Promise<number> {
  const start = performance.now();
  for (const x of distinct(count)) {
    using future = client.submit((x: number) => x + 1, x);
    check(await future.result() === x + 1);
  }
  return performance.now() - start;
}

/** Transfers large results to the client, then between workers. Returns the milliseconds of each. */
async function bulk(nbytes: number, count: number): Promise<number> {
  const make = (nbytes: number, seed: number) => new Uint8Array(nbytes).fill(seed % 251);
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const [one = 0, two = 0] = distinct(2);
    using left = client.submit(make, nbytes, one);
    using right = client.submit(make, nbytes, two);
    using sum = client.submit((a: Uint8Array, b: Uint8Array) => a.length + b.length, left, right);
    check(await sum.result() === 2 * nbytes);
    check((await left.result()).length === nbytes);
  }
  return performance.now() - start;
}

/** Runs `count` tasks of new functions: half depend on the others, and one fails. */
async function mixed(count: number): Promise<void> {
  const id = functions++;
  const first = new Function("x", `return x + ${id};`) as (x: number) => number;
  const second = new Function(
    "x",
    "last",
    `if (last === ${used + count / 2}) throw new RangeError("meant"); return x * 2;`,
  ) as (x: number, last: number) => number;
  const inputs = distinct(count / 2);
  const ones = client.map(first, inputs);
  const twos = client.map(second, ones, inputs.map((x) => x + 1));
  const failed = twos.at(-1);
  const values = await client.gather(twos.slice(0, -1));
  check(values.every((value, i) => value === ((inputs[i] ?? NaN) + id) * 2));
  check(await failed?.exception() instanceof TaskError);
  release(ones, twos);
}

let held: readonly Future<unknown>[] = [];

/** Holds the results of tasks until {@linkcode drop}. */
async function hold(count: number): Promise<void> {
  const futures = client.map((x: number) => [x], distinct(count));
  await client.gather(futures);
  held = futures;
}

function drop(): void {
  release([...held]);
  held = [];
}

Object.assign(globalThis, { bench: { mapGather, latency, bulk, mixed, hold, drop } });
Deno.stdout.writeSync(new TextEncoder().encode("Ready\n"));
