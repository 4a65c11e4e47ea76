import { assert, assertEquals } from "@std/assert";
import { type Client, type Future, type Key, Worker } from "../../mod.ts";
import { startCluster, type TestCluster } from "../../testing/clusters/cluster.ts";

/** Results too large to ride along, of which no two computations are equal. */
function unrepeatable(client: Client, count: number): Future<string>[] {
  return client.map(
    (i: number) => `${i} ${crypto.randomUUID()} ${"x".repeat(2000)}`,
    Array.from({ length: count }, (_, i) => i),
  );
}

/** How many of the results each worker holds, by the worker's index. */
async function held(cluster: TestCluster, futures: readonly Future<string>[]): Promise<number[]> {
  const holders = Object.values(await cluster.client.whoHas(futures)).flat();
  return cluster.workers.map(({ address }) => holders.filter((holder) => holder === address).length);
}

Deno.test("Scheduler.retireWorkers moves results, so that none is computed again, and ends the worker", async () => {
  await using cluster = await startCluster({ nWorkers: 3 });
  const { client, scheduler, workers: [first] } = cluster;
  assert(first !== undefined);
  const futures = unrepeatable(client, 300);
  const before = await client.gather(futures);
  assert((await held(cluster, futures))[0] !== 0);
  const retired = await scheduler.retireWorkers({ workers: [first.address], closeWorkers: true });
  assertEquals(Object.keys(retired), [first.address]);
  await first.finished;
  assertEquals(await client.gather(futures), before);
  const [none, ...others] = await held(cluster, futures);
  assertEquals([none, others.reduce((a, b) => a + b)], [0, 300]);
});

Deno.test("Client.retireWorkers moves scattered values, which nobody could compute again", async () => {
  await using cluster = await startCluster();
  const { client, workers } = cluster;
  const future = await client.scatter({ table: new Uint8Array(5000).fill(7) }, { workers: ["w1"] });
  assertEquals(await client.retireWorkers({ names: ["w1"] }), [workers[1]?.address]);
  assertEquals(await client.whoHas([future]), { [future.key]: [workers[0]?.address] });
  assertEquals(await client.submit(({ table }: { table: Uint8Array }) => table[4999], future).result(), 7);
});

Deno.test("Scheduler.retireWorkers by name empties two of three at once into the third", async () => {
  await using cluster = await startCluster({ nWorkers: 3 });
  const { client, scheduler } = cluster;
  const futures = unrepeatable(client, 200);
  const before = await client.gather(futures);
  const retired = await scheduler.retireWorkers({ names: ["w0", "w2"], closeWorkers: true });
  assertEquals(Object.values(retired).map(({ name }) => name).sort(), ["w0", "w2"]);
  assertEquals(await held(cluster, futures), [0, 200, 0]);
  assertEquals(await client.gather(futures), before);
});

Deno.test("A worker whose results nobody can take is not retired and goes on", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client, scheduler, workers: [only] } = cluster;
  assert(only !== undefined);
  const futures = unrepeatable(client, 5);
  const before = await client.gather(futures);
  assertEquals(await scheduler.retireWorkers({ workers: [only.address], closeWorkers: true }), {});
  assertEquals(await client.submit((x: number) => x + 1, 1).result(), 2);
  assertEquals(await client.gather(futures), before);
  assertEquals(scheduler.identity().workers[only.address]?.status, "running");
});

Deno.test("Scheduler.retireWorkers by number takes a worker that holds least", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client, scheduler } = cluster;
  const futures = unrepeatable(client, 5);
  await client.gather(futures);
  const idle = await cluster.addWorker();
  await client.waitForWorkers(2);
  assertEquals(Object.keys(await scheduler.retireWorkers({ n: 1, closeWorkers: true })), [idle.address]);
  await idle.finished;
});

Deno.test("Scheduler.retireWorkers without closing leaves the worker outside, until its heartbeat tells it", async () => {
  await using cluster = await startCluster();
  const { client, scheduler, workers: [first, second] } = cluster;
  assert(first !== undefined && second !== undefined);
  await scheduler.retireWorkers({ workers: [first.address] });
  assertEquals(Object.keys(scheduler.identity().workers), [second.address]);
  assertEquals(await client.submit(() => "second").result(), "second");
  await first.finished;
});

Deno.test("Worker.closeGracefully of several hands their results to those that stay", async () => {
  await using cluster = await startCluster({ nWorkers: 3 });
  const { client, workers } = cluster;
  const futures = unrepeatable(client, 100);
  const before = await client.gather(futures);
  await Worker.closeGracefully(workers.slice(0, 2));
  assertEquals(await held(cluster, futures), [0, 0, 100]);
  assertEquals(await client.gather(futures), before);
});

Deno.test("Worker.closeGracefully closes within its time although the results could not be moved", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client, workers } = cluster;
  const futures = unrepeatable(client, 3);
  const before = await client.gather(futures);
  await Worker.closeGracefully(workers, { timeout: 1 });
  await cluster.addWorker();
  const after = await client.gather(futures);
  assert(after.every((value, i) => value !== before[i]), "they were computed again");
});

Deno.test("Worker.close ends a closeGracefully that is under way", async () => {
  await using cluster = await startCluster();
  const [first] = cluster.workers;
  assert(first !== undefined);
  const gracefully = Worker.closeGracefully([first]);
  await first.close();
  await gracefully;
  assertEquals(await cluster.client.submit(() => 1).result(), 1);
});

Deno.test("Tasks that are submitted while workers retire all end, whoever runs them", async () => {
  await using cluster = await startCluster({ nWorkers: 3 });
  const { client, scheduler } = cluster;
  const inc = (x: number): number => x + 1;
  const first = client.map(inc, Array.from({ length: 1500 }, (_, i) => i));
  const retiring = scheduler.retireWorkers({ names: ["w0"], closeWorkers: true });
  const second = client.map(inc, first);
  const retired = await retiring;
  assertEquals(Object.keys(retired).length, 1);
  assertEquals(await client.gather(second), Array.from({ length: 1500 }, (_, i) => i + 2));
  const keys: Key[] = second.map((future) => future.key);
  assertEquals(new Set(keys).size, 1500);
});
