/** Forgets Futures without releasing them, and waits until their results are freed. Run with `--expose-gc`. */

import { startCluster } from "../../testing/cluster.ts";

const collect = (globalThis as unknown as { gc: () => void }).gc;

await using cluster = await startCluster({ nWorkers: 1 });
const { client } = cluster;
const kept = client.submit((x: number) => x, -1);

async function makeAndForget(): Promise<void> {
  const futures = client.map((x: number) => [x], Array.from({ length: 50 }, (_, i) => i));
  await client.gather(futures);
  const scattered = await client.scatter("scattered");
  await scattered.result();
}

async function held(): Promise<string[]> {
  return Object.values(await client.hasWhat()).flat();
}

await makeAndForget();
await kept.result();
const before = (await held()).length;
let after: string[] = [];
do {
  collect();
  after = await held();
} while (after.length > 1); // the test has a time-out
const facts = JSON.stringify({ before, after, kept: kept.key, status: kept.status });
await Deno.stdout.write(new TextEncoder().encode(facts));
