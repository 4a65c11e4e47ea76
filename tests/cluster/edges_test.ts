import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { listen } from "../../comm/listen.ts";
import { asCompleted, CancelledError, Client, SchedulerClosed, TimeoutError } from "../../mod.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";

const sum = (a: Float64Array) => a.reduce((x, y) => x + y, 0);

Deno.test("Client.submit and scatter take buffers as they are at the call; the program may reuse them", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const { client } = cluster;
  const buffer = new Float64Array(10_000);
  const sums = [1, 2, 3].map((value) => client.submit(sum, buffer.fill(value)));
  const scattering = client.scatter(buffer.fill(4));
  buffer.fill(5);
  assertEquals(await client.gather(sums), [10_000, 20_000, 30_000]);
  assertEquals(await client.submit(sum, await scattering).result(), 40_000);
  assertEquals(await client.submit(sum, new Float64Array(10_000).fill(1)).result(), 10_000);
});

Deno.test("Future.result rejects if the Future is released before a large result was fetched", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const future = cluster.client.submit((n: number) => new Uint8Array(n), 100_000);
  await future.exception();
  const waiting = future.result();
  future.release();
  await assertRejects(() => waiting, CancelledError);
});

Deno.test("Client.gather gives each place its own value, and resolves Sets and iterators", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const { client } = cluster;
  const large = client.submit(() => new Uint8Array(100_000));
  const [x, y] = await client.gather([large, large]);
  x.fill(9);
  assertEquals(y[0], 0);
  const futures = client.map((n: number) => 2 * n, [1, 2]);
  assertEquals(await client.gather(new Set(futures)), new Set([2, 4]));
  assertEquals(await client.gather(futures.values()), [2, 4]);
  class Box {
    readonly inside = large;
  }
  await assertRejects(() => client.gather([new Box()]), TypeError, `"value[0].inside"`);
});

Deno.test("Client.submit refuses a released Future, and one of another scheduler; gather takes it", async () => {
  await using here = await startCluster({ nWorkers: 1, protocol: "tcp" });
  await using there = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const released = here.client.submit(() => 1);
  released.release();
  const double = (n: number) => 2 * n;
  assertThrows(() => here.client.submit(double, released), TypeError, `at "args[0]": it was released`);
  const foreign = there.client.submit(() => 2);
  assertThrows(() => here.client.submit(double, foreign), TypeError, there.scheduler.address);
  assertEquals(await here.client.gather([foreign, here.client.submit(() => 3), foreign]), [2, 3, 2]);
});

Deno.test("Future.addDoneCallback survives an async callback that rejects", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const future = cluster.client.submit(() => 1);
  const called = Promise.withResolvers<void>();
  future.addDoneCallback(async (done) => {
    await done.result();
    called.resolve();
    throw new Error("in a callback");
  });
  await called.promise;
  assertEquals(await future.result(), 1);
});

Deno.test("asCompleted ends when it is left before its first step", async () => {
  await using cluster = await startCluster({ nWorkers: 0, protocol: "tcp" });
  const futures = asCompleted([cluster.client.submit(() => 1)]);
  assertEquals(await futures.return?.(), { done: true, value: undefined });
  assertEquals(await futures.next(), { done: true, value: undefined });
});

Deno.test("A dependent that is submitted again right after a cancellation is computed", async () => {
  await using cluster = await startCluster({ nWorkers: 0, protocol: "tcp" });
  const { client } = cluster;
  const one = () => 1;
  const increment = (n: number) => n + 1;
  const first = client.submit(one);
  const dependent = client.submit(increment, first);
  await client.processing(); // the graph is there
  await first.cancel();
  const again = client.submit(increment, client.submit(one));
  await cluster.addWorker();
  assertEquals([await again.result(), await dependent.result()], [2, 2]);
});

Deno.test("Client.connect gives up in time if nobody answers its registration", async () => {
  const silent = await listen("tcp://127.0.0.1:0", {
    onComm: async (comm) => {
      await comm.read().catch(() => {});
      await comm.read().catch(() => {});
    },
  });
  await assertRejects(
    () => Client.connect(silent.contactAddress, { timeout: 200 }),
    TimeoutError,
    "Cannot register with",
  );
  await silent.close();
});

Deno.test("A closed client says so, and cancels what it was fetching", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const client = await cluster.connect();
  const large = client.submit(() => new Uint8Array(20_000_000));
  await large.exception();
  const fetching = large.result();
  await Promise.all([assertRejects(() => fetching, CancelledError, "the client was closed"), client.close()]);
  await assertRejects(() => client.schedulerInfo(), SchedulerClosed, "This client is closed");
});
