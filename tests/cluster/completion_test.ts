import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { asCompleted, CancelledError, type Future, TaskError, TimeoutError, wait } from "../../mod.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";

/** Counts its calls by name in its thread. */
const failsFirst = (name: string): number => {
  const counts = globalThis as unknown as Record<string, number>;
  const tries = counts[name] = (counts[name] ?? 0) + 1;
  if (tries === 1) throw new Error("first try");
  return tries;
};

Deno.test("asCompleted yields in the order of the ends, failed ones too", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const first = client.submit((x: number) => x, 1);
  const second = client.submit((x: number): number => {
    throw new Error(`no ${x}`);
  }, first);
  const third = client.with({ workers: ["later"] }).submit((x: number) => x, 3);
  const order: Future<number>[] = [];
  for await (const future of asCompleted([third, second, first])) {
    order.push(future);
    if (order.length === 2) await cluster.addWorker({ name: "later" });
  }
  assertEquals(order.map((future) => future.key), [first.key, second.key, third.key]);
  assertEquals(order.map((future) => future.status), ["finished", "error", "finished"]);
});

Deno.test("asCompleted yields a Future as often as it was given, and nothing for nothing", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const future = cluster.client.submit(() => 1);
  assertEquals((await Array.fromAsync(asCompleted([future, future]))).length, 2);
  assertEquals((await Array.fromAsync(asCompleted([future, future]))).length, 2);
  assertEquals(await Array.fromAsync(asCompleted([])), []);
});

Deno.test("asCompleted gives up by time-out and by signal", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const future = cluster.client.submit(() => 1);
  await assertRejects(() => Array.fromAsync(asCompleted([future], { timeout: 1 })), TimeoutError);
  const controller = new AbortController();
  const waiting = Array.fromAsync(asCompleted([future], { signal: controller.signal }));
  controller.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
});

Deno.test("wait returns when all have ended, or when the first has", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const fine = client.submit(() => 1);
  const failing = client.submit((x: number): number => {
    throw new Error(`no ${x}`);
  }, fine);
  const never = client.with({ workers: ["nobody"] }).submit(() => 2);
  assertEquals(await wait([fine, failing]), { done: [fine, failing], notDone: [] });
  assertEquals(await wait([never, fine], { returnWhen: "first-completed" }), {
    done: [fine],
    notDone: [never],
  });
  assertEquals(await wait([], { returnWhen: "first-completed" }), { done: [], notDone: [] });
  await assertRejects(() => wait([never, fine], { timeout: 1 }), TimeoutError);
  await never.cancel();
  await assertRejects(() => wait([never, fine]), CancelledError);
});

Deno.test("Future.cancel ends what waits and what depends, and a new submit begins anew", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const { client } = cluster;
  const inc = (x: number) => x + 1;
  const first = client.submit(inc, 1);
  const dependent = client.submit(inc, first);
  const waiting = first.result();
  await first.cancel({ reason: "no longer needed" });
  await assertRejects(() => waiting, CancelledError, "no longer needed");
  await assertRejects(() => dependent.result(), CancelledError);
  const again = client.submit(inc, 1);
  assertEquals([again.key, again.status], [first.key, "pending"]);
  await cluster.addWorker();
  assertEquals(await again.result(), 2);
  first.release(); // of what was cancelled: the new one stays
  assertEquals(await again.result(), 2);
  assertEquals(again.status, "finished");
});

Deno.test("Future.cancel leaves the task to other clients, and with force takes it from them", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const { client } = cluster;
  const other = await cluster.connect();
  const inc = (x: number) => x + 1;
  const [mine, theirs] = [client.submit(inc, 1), other.submit(inc, 1)];
  await Promise.all([client.schedulerInfo(), other.schedulerInfo()]);
  await mine.cancel();
  await cluster.addWorker();
  assertEquals([await theirs.result(), mine.status], [2, "cancelled"]);
  const [mine2, theirs2] = [client.submit(inc, 1), other.submit(inc, 1)];
  await Promise.all([mine2.result(), theirs2.result()]);
  await client.cancel([mine2], { force: true, reason: "by force" });
  while (theirs2.status !== "cancelled") await other.schedulerInfo(); // the news is on its way
  await assertRejects(() => theirs2.result(), CancelledError, "was cancelled: by force");
});

Deno.test("Future.retry runs a failed task again, from a dependent too", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const failed = client.submit(failsFirst, "a");
  await assertRejects(() => failed.result(), TaskError, "first try");
  await failed.retry();
  assertEquals(await failed.result(), 2);
  await failed.retry(); // has not failed
  assertEquals(await failed.result(), 2);
  const root = client.submit(failsFirst, "b");
  const dependent = client.submit((x: number) => x * 10, root);
  await assertRejects(() => dependent.result(), TaskError, "first try");
  await client.retry([dependent]);
  assertEquals(await client.gather([dependent, root]), [20, 2]);
});

Deno.test("Future.retry of what the scheduler does not run again is told again", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const failed = client.submit((): number => {
    throw new Error("always");
  });
  await assertRejects(() => failed.result(), TaskError, "always");
  await Promise.all([failed.retry(), failed.retry()]); // the second finds it running, or failed again
  await assertRejects(() => failed.result(), TaskError, "always");
});

Deno.test("Future.addDoneCallback is called once it ended, or soon if it has", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const future = client.submit(() => 1);
  const { promise, resolve } = Promise.withResolvers<Future<number>>();
  future.addDoneCallback(() => {
    throw new Error("a callback that fails is logged");
  });
  future.addDoneCallback(resolve);
  assertEquals((await promise).status, "finished");
  const late = Promise.withResolvers<Future<number>>();
  future.addDoneCallback(late.resolve);
  assertEquals(await late.promise, future);
});

Deno.test("Client.cancel and Client.retry refuse Futures of another client", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const other = await cluster.connect();
  const theirs = other.submit(() => 1);
  assertThrows(() => void cluster.client.cancel([theirs]), TypeError, "belongs to another client");
  await assertRejects(() => cluster.client.retry([theirs]), TypeError, "belongs to another client");
});

Deno.test("Client.nthreads, hasWhat and processing tell of each worker", async () => {
  await using cluster = await startCluster({ nWorkers: 1, nthreads: 2 });
  const { client } = cluster;
  const [worker] = cluster.workers;
  const address = worker?.address ?? "";
  const future = client.submit(() => 1);
  await future.result();
  assertEquals<unknown>(await client.nthreads(), { [address]: 2 });
  assertEquals<unknown>(await client.hasWhat(), { [address]: [future.key] });
  assertEquals<unknown>(await client.processing(), { [address]: [] });
});
