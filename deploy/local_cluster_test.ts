import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Client, DistributedError, type Future, LocalCluster, SchedulerClosed, Security } from "../mod.ts";
import { TestCa } from "../testing/pki/pki.ts";

const SCHEMES = ["tls", "tcp", "inproc"] as const;

async function sumOfSquares(client: Client, count: number): Promise<number> {
  const squares = client.map((x: number) => x * x, Array.from({ length: count }, (_, i) => i));
  const total = client.submit((xs: number[]) => xs.reduce((a, b) => a + b, 0), squares);
  return await total.result();
}

for (const protocol of SCHEMES) {
  Deno.test(`LocalCluster runs a graph over ${protocol}://`, async () => {
    await using cluster = await LocalCluster.start({ nWorkers: 2, protocol });
    await using client = await cluster.connectClient();
    assertEquals(await sumOfSquares(client, 20), 2470);
    const { workers } = await client.schedulerInfo();
    const expected = new RegExp(`^${protocol}://127\\.0\\.0\\.1[:/]`);
    for (const address of [cluster.schedulerAddress, ...Object.keys(workers)]) assertMatch(address, expected);
    assertEquals([...cluster.workers.values()].sort(), Object.keys(workers).sort());
    for (const { tls } of await client.links()) assertEquals(tls !== undefined, protocol === "tls");
  });
}

Deno.test("LocalCluster over inproc keeps arguments and results apart from what a program has", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 0, protocol: "inproc" });
  await using client = await cluster.connectClient();
  const given = new Uint8Array(10_000).fill(1);
  const made = client.submit((bytes: Uint8Array<ArrayBuffer>) => bytes.map((byte) => byte + 1), given);
  await client.schedulerInfo(); // the scheduler has the task
  given.fill(5);
  await cluster.scale(1);
  const first = await made.result();
  assertEquals([given.length, first.length, first[0]], [10_000, 10_000, 2]);
  first.fill(7);
  assertEquals((await made.result())[0], 2);
});

Deno.test("LocalCluster demands a certificate of its own CA by default", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 1 });
  assertMatch(cluster.schedulerAddress, /^tls:\/\/127\.0\.0\.1:/);
  const stranger = await Security.temporary();
  const error = await assertRejects(
    () => Client.connect(cluster.schedulerAddress, { security: stranger }),
    DistributedError,
  );
  assertEquals(error.code, "COMM_AUTH");
});

Deno.test({
  name: "LocalCluster listens on loopback only, with certificates and without",
  ignore: Deno.build.os !== "linux", // where 127.0.0.2 is this machine, too
  fn: async () => {
    for (const protocol of ["tls", "tcp"] as const) {
      await using cluster = await LocalCluster.start({ nWorkers: 2, protocol });
      for (const address of [cluster.schedulerAddress, ...cluster.workers.values()]) {
        const port = Number(new URL(address.replace(/^\w+/, "http")).port);
        using _ = await Deno.connect({ hostname: "127.0.0.1", port });
        await assertRejects(
          () => Deno.connect({ hostname: "127.0.0.2", port }),
          Deno.errors.ConnectionRefused,
        );
      }
    }
  },
});

Deno.test("LocalCluster takes certificates that it is given", async () => {
  const ca = await TestCa.make();
  await using cluster = await LocalCluster.start({ nWorkers: 1, security: await ca.security() });
  await using client = await Client.connect(cluster.schedulerAddress, { security: await ca.security() });
  assertEquals(await sumOfSquares(client, 4), 14);
});

Deno.test("LocalCluster gives each worker its threads", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 2, threadsPerWorker: 3, protocol: "inproc" });
  await using client = await cluster.connectClient();
  const { workers } = await client.schedulerInfo();
  assertEquals(Object.values(workers).map(({ nthreads }) => nthreads), [3, 3]);
});

Deno.test("LocalCluster refuses options that contradict each other, and numbers out of range", async () => {
  await assertRejects(
    () => LocalCluster.start({ protocol: "tls", security: false }),
    TypeError,
    "needs security",
  );
  await assertRejects(
    () => LocalCluster.start({ protocol: "tcp", security: true }),
    TypeError,
    "no security",
  );
  await assertRejects(() => LocalCluster.start({ nWorkers: -1 }), RangeError, "nWorkers");
  await assertRejects(() => LocalCluster.start({ threadsPerWorker: 0 }), RangeError, "threadsPerWorker");
  await assertRejects(() => LocalCluster.start({ threadsPerWorker: 1.5 }), RangeError, "threadsPerWorker");
});

Deno.test("LocalCluster.start gives up with its signal's reason and leaves nothing open", async () => {
  const reason = new Error("not today");
  await assertRejects(() => LocalCluster.start({ signal: AbortSignal.abort(reason) }), Error, "not today");
  const controller = new AbortController();
  const starting = LocalCluster.start({ nWorkers: 2, signal: controller.signal });
  controller.abort(reason);
  await assertRejects(() => starting, Error, "not today");
});

Deno.test("LocalCluster.scale adds workers, and takes workers away without losing a result", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 1 });
  await using client = await cluster.connectClient();
  await cluster.scale(3);
  await client.waitForWorkers(3);
  assertEquals([...cluster.workers.keys()], ["0", "1", "2"]);

  const count = (x: number) => ({ x, run: crypto.randomUUID() });
  const futures: Future<{ x: number; run: string }>[] = client.map(count, [1, 2, 3, 4, 5, 6]);
  const before = await client.gather(futures);
  await cluster.scale(1);
  assertEquals([...cluster.workers.keys()], ["0"]);
  // The results moved: had they been computed again, their ids would be others.
  assertEquals(await client.gather(futures), before);
  const holders = await client.whoHas(futures);
  assertEquals([...new Set(Object.values(holders).flat())], [...cluster.workers.values()]);
});

Deno.test("LocalCluster.scale to nobody loses results, which are computed again when somebody comes", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 1, protocol: "inproc" });
  await using client = await cluster.connectClient();
  const future = client.submit((n: number) => new Uint8Array(n).fill(3), 5000);
  await client.gather([future]);
  await cluster.scale(0);
  assertEquals(cluster.workers.size, 0);
  await cluster.scale(1);
  assertEquals((await future.result())[4999], 3);
});

Deno.test("LocalCluster.scale's calls wait for each other", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 0, protocol: "inproc" });
  await Promise.all([cluster.scale(2), cluster.scale(1), cluster.scale(2)]);
  assertEquals([...cluster.workers.keys()], ["0", "2"]);
});

Deno.test("LocalCluster.close ends clients, and may be called twice", async () => {
  const cluster = await LocalCluster.start({ nWorkers: 1 });
  const client = await cluster.connectClient();
  const future = client.submit((x: number) => x, 1);
  await Promise.all([cluster.close(), cluster.close()]);
  await assertRejects(() => future.result());
  await assertRejects(() => cluster.scale(2), DistributedError, "closed");
  await assertRejects(() => cluster.connectClient(), DistributedError, "closed");
  await client.close();
});

Deno.test("Client.connect without an address starts a cluster and closes it with itself", async () => {
  const client = await Client.connect();
  const address = client.schedulerAddress;
  assertMatch(address, /^tls:\/\/127\.0\.0\.1:/);
  assertEquals(await sumOfSquares(client, 4), 14);
  await client.close();
  const { hostname, port } = new URL(address.replace("tls:", "http:"));
  await assertRejects(() => Deno.connect({ hostname, port: Number(port) }), Deno.errors.ConnectionRefused);
  let error: unknown;
  try {
    client.submit((x: number) => x, 1);
  } catch (thrown) {
    error = thrown;
  }
  assert(error instanceof SchedulerClosed);
});

Deno.test("Client.connect without an address takes certificates", async () => {
  const security = await (await TestCa.make("own")).security();
  await using client = await Client.connect(undefined, { security });
  const [link] = await client.links();
  assertMatch(link?.tls?.peer.issuer ?? "", /own/);
});

Deno.test("LocalCluster.scale that ran out of time takes the workers away all the same, and counts them no more", async () => {
  await using cluster = await LocalCluster.start({ nWorkers: 2, protocol: "inproc" });
  await using client = await cluster.connectClient();
  const made = client.map(
    (i: number) => new Uint8Array(100_000).fill(i),
    Array.from({ length: 20 }, (_, i) => i),
  );
  await Promise.all(made.map((future) => future.exception()));
  const controller = new AbortController();
  const scaling = cluster.scale(1, { signal: controller.signal });
  await Promise.resolve().then(() => Promise.resolve()); // it has begun
  controller.abort(new TypeError("no time"));
  await assertRejects(() => scaling, TypeError, "no time");
  await cluster.scale(2);
  assert(cluster.workers.has("2"));
  await cluster.scale(1);
  const values = await client.gather(made);
  assertEquals(values.map((value) => value[0]), Array.from({ length: 20 }, (_, i) => i));
});
