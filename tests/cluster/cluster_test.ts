import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import {
  CancelledError,
  Client,
  CommAuthError,
  type Future,
  SchedulerClosed,
  Security,
  TaskError,
  TimeoutError,
} from "../../mod.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";

for (const protocol of ["tcp", "tls"] as const) {
  Deno.test(`Client.map and gather compute over ${protocol}`, async () => {
    await using cluster = await startCluster({ protocol });
    const futures = cluster.client.map((x: number) => x * x, [1, 2, 3]);
    assertEquals(await cluster.client.gather(futures), [1, 4, 9]);
    const total = cluster.client.submit((xs: number[]) => xs.reduce((a, b) => a + b), futures);
    assertEquals(await total.result(), 14);
  });
}

Deno.test("Client.map computes thousands of tasks, each once, on every worker", async () => {
  await using cluster = await startCluster();
  const inputs = Array.from({ length: 3000 }, (_, i) => i);
  const futures = cluster.client.map((x: number) => x + 1, inputs);
  assertEquals(await cluster.client.gather(futures), inputs.map((x) => x + 1));
  const whoHas = await cluster.client.whoHas(futures);
  const used = new Set(Object.values(whoHas).flat());
  assertEquals(used, new Set(cluster.workers.map((worker) => worker.address)));
});

Deno.test("Client.submit puts Futures inside nested arguments in place as values", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const [a, b, c] = client.map((x: number) => x * 10, [1, 2, 3]);
  const show = client.submit(
    (arg: { rows: number[]; by: Map<string, number>; plain: string }) => ({
      ...arg,
      by: [...arg.by],
      sum: arg.rows.reduce((x, y) => x + y),
    }),
    {
      rows: [a as Future<number>, 5, b as Future<number>],
      by: new Map<string, number | Future<number>>([["c", c as Future<number>], ["d", 4]]),
      plain: "x",
    },
  );
  assertEquals(await show.result(), {
    rows: [10, 5, 20],
    by: [["c", 30], ["d", 4]],
    plain: "x",
    sum: 35,
  });
});

Deno.test("Client.gather keeps the structure it was asked for", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const one = client.submit(() => 1);
  const text = client.submit(() => "two");
  const gathered = await client.gather({ a: [one, { b: text }], c: new Map([["d", one]]), e: "as it is" });
  assertEquals<unknown>(gathered, { a: [1, { b: "two" }], c: new Map([["d", 1]]), e: "as it is" });
});

Deno.test("Results come back exactly: structured clone's types, typed arrays, large buffers", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const value = {
    map: new Map<unknown, unknown>([[1, new Set(["x"])]]),
    date: new Date(1e12),
    big: 2n ** 70n,
    nothing: undefined,
    minusZero: -0,
    doubles: new Float64Array([1.5, NaN]),
  };
  const echoed = await client.submit((given: typeof value) => given, value).result();
  assertEquals(echoed, value);
  assert(Object.is(echoed.minusZero, -0));
  const large = await client.submit((n: number) => new Uint8Array(n).fill(7), 3_000_000).result();
  assertEquals([large.length, large[0], large.at(-1)], [3_000_000, 7, 7]);
});

Deno.test("A result goes from worker to worker, not through the client", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const parts = client.map((i: number) => new Float64Array(50_000).fill(i), [1, 2, 3, 4]);
  const sum = client.submit(
    (arrays: Float64Array[]) => arrays.reduce((total, array) => total + (array[0] ?? NaN) + array.length, 0),
    parts,
  );
  assertEquals(await sum.result(), 10 + 4 * 50_000);
});

Deno.test("A failed task rejects with its class, message, stack and cause, and so do its dependents", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const failed = client.submit((n: number): number => {
    throw new RangeError(`bad ${n}`, { cause: new TypeError("below") });
  }, 7);
  const dependent = client.submit((x: number) => x + 1, failed);
  const error = await assertRejects(() => dependent.result(), TaskError, "bad 7");
  assertInstanceOf(error, RangeError);
  assertEquals([error.name, (error as unknown as TaskError).remoteName], ["RangeError", "RangeError"]);
  assertMatch(error.stack ?? "", /RangeError: bad 7\n\s+at /);
  assertInstanceOf(error.cause, TypeError);
  assertEquals((error.cause as Error).message, "below");
  assertEquals(failed.status, "error");
  assertEquals((await failed.exception())?.message, "bad 7");
});

Deno.test("An async task is awaited, also when it rejects", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  assertEquals(await client.submit((x: number) => Promise.resolve(x + 1), 1).result(), 2);
  await assertRejects(
    () => client.submit(() => Promise.reject(new Error("later"))).result(),
    TaskError,
    "later",
  );
});

Deno.test("A task that can't be sent back fails by itself and names the place", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const failing = client.submit(() => ({ rows: [{ callback: () => 1 }] }) as unknown);
  await assertRejects(() => failing.result(), TaskError, "rows[0].callback");
  assertEquals(await client.submit(() => 1).result(), 1);
});

Deno.test("Client.submit names what can't be shipped before anything is sent", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const outside = 3;
  let error: unknown;
  try {
    client.submit((x: number) => x + outside, 1);
  } catch (thrown) {
    error = thrown;
  }
  assertInstanceOf(error, TypeError);
  assertMatch(error.message, /outside/);
  try {
    client.submit((x: unknown) => x, { deep: [new WeakMap()] });
  } catch (thrown) {
    error = thrown;
  }
  assertMatch((error as Error).message, /args\[0\]\.deep\[0\]/);
});

Deno.test("Releasing Futures frees the results on the workers", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const futures = client.map((x: number) => [x], [1, 2, 3, 4]);
  const sum = client.submit((xs: number[][]) => xs.flat().length, futures);
  await sum.result();
  for (const future of [...futures, sum]) future.release();
  assertEquals(sum.status, "cancelled");
  await assertRejects(() => sum.result(), CancelledError);
  // Ordered behind the release on the same stream.
  assertEquals(await client.submit(() => "after").result(), "after");
  const held = Object.values(cluster.scheduler.identity().workers).map((worker) => worker.name);
  assertEquals(held, ["w0", "w1"]);
  const [released] = futures;
  if (released !== undefined) assertEquals(await client.whoHas([released]), { [released.key]: [] });
});

Deno.test("A second client shares nothing with the first, and its end releases only its own", async () => {
  await using cluster = await startCluster();
  const other = await cluster.connect();
  const mine = cluster.client.submit((x: number) => x, 1);
  const theirs = other.submit((x: number) => x, 2);
  assertEquals([await mine.result(), await theirs.result()], [1, 2]);
  await other.close();
  assertEquals(await mine.result(), 1);
  await assertRejects(() => theirs.result(), CancelledError);
});

Deno.test("A worker that joins later is given functions that were sent before", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const inc = (x: number) => x + 1;
  assertEquals(await client.submit(inc, 1).result(), 2);
  await cluster.addWorker();
  const [first] = cluster.workers;
  await first?.close();
  assertEquals(await client.submit(inc, 2).result(), 3);
});

Deno.test("Results of a worker that is lost are computed again", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const futures = client.map((x: number) => ({ big: new Uint8Array(5000).fill(x) }), [1, 2, 3, 4, 5, 6]);
  await client.gather(futures);
  await cluster.workers[0]?.close();
  const values = await client.gather(futures);
  assertEquals(values.map((value) => value.big[0]), [1, 2, 3, 4, 5, 6]);
});

Deno.test("Waits give up by signal and by time-out, and the task goes on", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const { client } = cluster;
  const future = client.submit((x: number) => x, 5);
  await assertRejects(() => future.result({ timeout: 1 }), TimeoutError);
  const controller = new AbortController();
  const waiting = future.result({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  assertEquals(future.status, "pending");
  await cluster.addWorker();
  assertEquals(await future.result(), 5);
});

Deno.test("Closing the scheduler ends its workers and tells its clients", async () => {
  await using cluster = await startCluster();
  const [worker] = cluster.workers;
  const future = cluster.client.submit(() => 1);
  await future.result();
  await cluster.scheduler.close();
  await worker?.finished;
  let error: unknown;
  try {
    for (;;) await cluster.client.submit(() => 1).result();
  } catch (thrown) {
    error = thrown;
  }
  assertInstanceOf(error, SchedulerClosed);
  assertMatch(error.message, /Lost the scheduler at "tls:/);
});

Deno.test("A client without certificates of the cluster's CA is refused", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const foreign = await Security.temporary();
  const error = await assertRejects(() => Client.connect(cluster.scheduler.address, { security: foreign }));
  assertInstanceOf(error, CommAuthError);
});

Deno.test("Client.links tells who is at the other end, and how it proved it", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const [link] = await cluster.client.links();
  assertEquals([link?.peer, link?.dialled, link?.tls?.protocol], [
    cluster.scheduler.address,
    true,
    "TLSv1.3",
  ]);
  const ofScheduler = await cluster.client.links(cluster.scheduler.address);
  assert(ofScheduler.some((one) => !one.dialled && one.tls !== undefined));
});

Deno.test("Worker.start refuses a name that is taken", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  await assertRejects(() => cluster.addWorker({ name: "w0" }), Error, "name taken, w0");
});

Deno.test("Tasks that log, that call the console and that use timers leave the worker well", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const slow = client.submit(async (ms: number) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return "done";
  }, 1);
  assertEquals(await slow.result(), "done");
});
