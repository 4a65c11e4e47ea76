import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { Scatterer } from "../../client/fetch/scatter.ts";
import { Session } from "../../client/session.ts";
import { CancelledError, type Client, CommClosed, type Future, TimeoutError } from "../../mod.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";

async function holdersOf(client: Client, future: Future<unknown>): Promise<string[]> {
  return Object.values(await client.whoHas([future])).flat();
}

Deno.test("Client.scatter puts a value on a worker, for tasks to take", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const data = await client.scatter(new Float64Array([1, 2, 3.5]));
  assertEquals([data.status, (await holdersOf(client, data)).length], ["finished", 1]);
  const sum = (xs: Float64Array, factor: number) => factor * xs.reduce((a, b) => a + b);
  assertEquals(await client.gather(client.map(sum, [data, data], [1, 2])), [6.5, 13]);
  assertEquals(await data.result(), new Float64Array([1, 2, 3.5]));
  const plain = await client.scatter({ rows: [1, "two", null] });
  assertEquals(await plain.result(), { rows: [1, "two", null] });
});

Deno.test("Client.scatter of an equal value gives the same key, and sends it once", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const other = await cluster.connect();
  const first = await client.scatter([1, 2]);
  const second = await other.scatter([1, 2]);
  assertEquals(first.key, second.key);
  assertEquals((await holdersOf(client, first)).length, 1);
  assertNotEquals((await client.scatter([2, 1])).key, first.key);
  assertNotEquals((await client.scatter([1, 2], { hash: false })).key, first.key);
  first.release();
  assertEquals(await second.result(), [1, 2]);
  assertNotEquals(
    (await client.scatter(new Uint8Array(4))).key,
    (await client.scatter(new Uint8Array(5))).key,
  );
  assertNotEquals(
    (await client.scatter(new Float32Array(2))).key,
    (await client.scatter(new Float64Array(1))).key,
  );
});

Deno.test("Client.scatter chooses workers by name, gives to many, and takes turns", async () => {
  await using cluster = await startCluster({ nWorkers: 3 });
  const { client, workers } = cluster;
  const all = new Set<string>(workers.map((worker) => worker.address));
  const everywhere = await client.scatter("x", { broadcast: true });
  assertEquals(new Set(await holdersOf(client, everywhere)), all);
  const twice = await client.scatter("y", { broadcast: 2 });
  assertEquals((await holdersOf(client, twice)).length, 2);
  const there = await client.scatter("z", { workers: ["w1"] });
  assertEquals<unknown>(await holdersOf(client, there), [workers[1]?.address]);
  const parts = await Promise.all([1, 2, 3].map((i) => client.scatter(i, { hash: false })));
  const holders = await Promise.all(parts.map((part) => holdersOf(client, part)));
  assertEquals(new Set(holders.flat()), all);
  await assertRejects(() => client.scatter(1, { broadcast: 0 }), RangeError, "broadcast");
  await assertRejects(() => client.scatter(1, { workers: ["nobody"], timeout: 1 }), TimeoutError);
});

Deno.test("Client.scatter: a value that is lost cancels its Future and what depends on it", async () => {
  await using cluster = await startCluster();
  const { client, workers } = cluster;
  const data = await client.scatter("precious", { workers: ["w0"] });
  const waiting = client.with({ workers: ["nobody"] }).submit((text: string) => text.length, data);
  const before = client.with({ workers: ["w1"] }).submit((text: string) => text.length + 1, data);
  assertEquals(await before.result(), 9);
  // w1 has a copy by now, made for the task: the value lives on.
  assertEquals((await holdersOf(client, data)).length, 2);
  await workers[0]?.close();
  assertEquals(await data.result(), "precious");
  await workers[1]?.close();
  await assertRejects(() => waiting.result(), CancelledError);
  await assertRejects(() => data.result(), CancelledError, "no worker holds this value any more");
});

Deno.test("Client.scatter frees the value with its last Future", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const data = await client.scatter(new Uint8Array(100));
  const size = client.submit((bytes: Uint8Array) => bytes.length, data);
  assertEquals(await size.result(), 100);
  data.release();
  assertEquals(await size.result(), 100);
  assertEquals(Object.values(await client.hasWhat()), [[size.key]]);
  const again = await client.scatter(new Uint8Array(100));
  assertEquals((await again.result()).length, 100);
});

Deno.test("Client.scatter goes by way of the scheduler where no worker can be reached", async () => {
  await using cluster = await startCluster();
  const { client, scheduler } = cluster;
  const session = await Session.open(
    scheduler.address,
    cluster.security ? { security: cluster.security } : {},
  );
  try {
    const call = session.pool.call.bind(session.pool);
    const refused: string[] = [];
    session.pool.call = ((address, request, signal, limit) => {
      if (address === scheduler.address) return call(address, request, signal, limit);
      refused.push(address);
      return Promise.reject(new CommClosed(address, "out of reach"));
    }) as typeof call;
    const data = await new Scatterer(session).scatter("far", {});
    assertEquals(refused.length, 2);
    assertEquals([data.status, (await holdersOf(client, data)).length], ["finished", 1]);
    const echo = client.submit((text: unknown) => text, data);
    assertEquals(await echo.result(), "far");
  } finally {
    await session.close();
  }
});

Deno.test("Scatter of many values and tasks leaves nothing behind when all is released", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const data = await Promise.all(Array.from({ length: 20 }, (_, i) => client.scatter({ i })));
  const sums = client.map((a: { i: number }, b: { i: number }) => a.i + b.i, data, data.toReversed());
  assertEquals(await client.gather(sums), Array.from({ length: 20 }, () => 19));
  for (const future of [...data, ...sums]) future.release();
  const after = client.submit(() => "after");
  await after.result();
  const held = Object.values(await client.hasWhat()).flat();
  assert(held.length <= 1, `held: ${held}`);
});

Deno.test("Client.scatter: a worker that retires hands its values to others", async () => {
  await using cluster = await startCluster();
  const { client, workers } = cluster;
  const data = await client.scatter(new Float64Array([1, 2]), { workers: ["w0"] });
  await client.retireWorkers({ names: ["w0"] });
  assertEquals<unknown>(await holdersOf(client, data), [workers[1]?.address]);
  assertEquals(await client.submit((xs: Float64Array) => xs.length, data).result(), 2);
});
