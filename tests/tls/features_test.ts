/**
 * What a cluster does, over mutual TLS with a pair per role and with `authorization`: a feature that dials in
 * a way of its own must be let through, and nothing may go around. Dask's `test_tls_functional.py` has the
 * like.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { ConnectionPool } from "../../rpc/pool.ts";
import { linkOptions } from "../../comm/secure.ts";
import {
  asCompleted,
  CancelledError,
  Client,
  type Future,
  LocalCluster,
  remoteModule,
  RpcError,
  Scheduler,
  type Security,
  TaskError,
  type TlsRole,
  wait,
  Worker,
} from "../../mod.ts";
import { startCluster, type TestCluster, type TestClusterOptions } from "../../testing/clusters/cluster.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { RuledPki } from "../../testing/pki/rules.ts";

const UNITS: Readonly<Record<TlsRole, string>> = {
  scheduler: "schedulers",
  worker: "workers",
  client: "users",
};

/**
 * A cluster in which every role, every worker and every client has a certificate of its own, and goes by the
 * rules.
 */
async function ruledCluster(
  options: TestClusterOptions = {},
): Promise<TestCluster & { readonly pki: RuledPki; as(unit: string): Promise<Client> }> {
  const pki = await RuledPki.make();
  const cluster = await startCluster({ ...options, securityOf: (role) => pki.security(UNITS[role]) });
  const as = async (unit: string) =>
    await Client.connect(cluster.scheduler.address, { security: await pki.security(unit) });
  return Object.assign(cluster, { pki, as });
}

const inc = (x: number): number => x + 1;

Deno.test("Over TLS with rules every link has both ends' certificates, each with its role", async () => {
  await using cluster = await ruledCluster();
  const { client, scheduler, workers } = cluster;
  const parts = workers.map((_, i) =>
    client.with({ workers: [`w${i}`] }).submit((x: number) => new Uint8Array(5000).fill(x), i + 1)
  );
  const sum = client.submit(
    (all: Uint8Array[]) => all.reduce((total, bytes) => total + (bytes[0] ?? 0), 0),
    parts,
  );
  assertEquals(await sum.result(), 3);
  await client.gather(parts);
  const addresses = [scheduler.address, ...workers.map(({ address }) => address)];
  for (const address of addresses) assert(address.startsWith("tls://"), address);
  const roles = (links: Awaited<ReturnType<Client["links"]>>) =>
    links.map(({ peer, tls }) => {
      assert(peer.startsWith("tls://"), peer);
      assert(tls !== undefined, peer);
      return tls.peer.grant?.role;
    });
  assertEquals<unknown>(new Set(roles(scheduler.links())), new Set(["client", "worker"]));
  const ofWorkers = new Set(workers.flatMap((worker) => roles(worker.links())));
  assertEquals<unknown>(ofWorkers, new Set(["client", "scheduler", "worker"]));
  assertEquals<unknown>(new Set(roles(await client.links())), new Set(["scheduler", "worker"]));
  for (const count of Object.values(scheduler.identity().security?.refused ?? {})) assertEquals(count, 0);
});

Deno.test("Over TLS with rules tasks are submitted, mapped and gathered, with Futures in their arguments", async () => {
  await using cluster = await ruledCluster();
  const { client } = cluster;
  assertEquals(await client.submit(inc, 10).result(), 11);
  const futures = client.map(inc, Array.from({ length: 200 }, (_, i) => i));
  assertEquals(await client.gather(futures), Array.from({ length: 200 }, (_, i) => i + 1));
  const [x] = futures;
  assert(x !== undefined);
  const y = client.submit(inc, x);
  assertEquals<unknown>(await client.gather({ x, y: [y] }), { x: 1, y: [2] });
  const used = Object.values(await client.whoHas(futures)).flat();
  assertEquals(new Set(used), new Set(cluster.workers.map(({ address }) => address)));
});

Deno.test("Over TLS with rules values are scattered and read back, by another client too", async () => {
  await using cluster = await ruledCluster();
  const { client, workers } = cluster;
  const data = await client.scatter({ y: 20 });
  assertEquals(await client.submit(({ y }: { y: number }) => y + 1, data).result(), 21);
  const everywhere = await client.scatter(new Float64Array(10_000).fill(2), { broadcast: true });
  assertEquals(Object.values(await client.whoHas([everywhere])).flat().length, workers.length);
  await using other = await cluster.as("users");
  assertEquals((await (await other.scatter({ y: 20 })).result()).y, 20);
});

Deno.test("Over TLS with rules large results arrive whole, from worker to worker and to the client", async () => {
  await using cluster = await ruledCluster();
  const { client } = cluster;
  const make = (n: number) => new Uint8Array(n).map((_, i) => i % 251);
  const [one, two] = ["w0", "w1"].map((name) =>
    client.with({ workers: [name], pure: false }).submit(make, 3_000_000)
  ) as [Future<Uint8Array>, Future<Uint8Array>];
  const same = client.submit((a: Uint8Array, b: Uint8Array) => a.every((byte, i) => byte === b[i]), one, two);
  assertEquals(await same.result(), true);
  const bytes = await one.result();
  assertEquals([bytes.length, bytes[2_999_999]], [3_000_000, 2_999_999 % 251]);
});

Deno.test("Over TLS with rules errors come back, and failed tasks are retried", async () => {
  await using cluster = await ruledCluster({ nWorkers: 1 });
  const { client } = cluster;
  const flaky = (name: string): number => {
    const counts = globalThis as unknown as Record<string, number>;
    const tries = counts[name] = (counts[name] ?? 0) + 1;
    if (tries === 1) throw new RangeError("first try");
    return tries;
  };
  const failed = client.submit(flaky, "by hand");
  const error = await assertRejects(() => failed.result(), TaskError, "first try");
  assertEquals(error.name, "RangeError");
  await failed.retry();
  assertEquals(await failed.result(), 2);
  assertEquals(await client.with({ retries: 1 }).submit(flaky, "by itself").result(), 2);
});

Deno.test("Over TLS with rules tasks are cancelled, and computed when they are wanted again", async () => {
  await using cluster = await ruledCluster({ nWorkers: 0 });
  const { client } = cluster;
  const first = client.submit(inc, 1);
  const dependent = client.submit(inc, first);
  await first.cancel({ reason: "no longer wanted" });
  await assertRejects(() => dependent.result(), CancelledError);
  const again = client.submit(inc, 1);
  await cluster.addWorker();
  assertEquals(await again.result(), 2);
});

Deno.test("Over TLS with rules asCompleted and wait hear of every end", async () => {
  await using cluster = await ruledCluster();
  const { client } = cluster;
  const fine = client.map(inc, [1, 2, 3]);
  const failing = client.submit((): number => {
    throw new Error("no");
  });
  const ends = new Set<string>();
  for await (const future of asCompleted([...fine, failing])) ends.add(`${future.key} ${future.status}`);
  assertEquals(ends, new Set([...fine.map(({ key }) => `${key} finished`), `${failing.key} error`]));
  assertEquals((await wait([...fine, failing])).notDone, []);
});

Deno.test("Over TLS with rules workers import modules of tasks", async () => {
  await using cluster = await ruledCluster({ nWorkers: 1 });
  const source = "export const double = (x) => 2 * x;";
  const module = remoteModule<{ double: (x: number) => number }>(
    `data:text/javascript,${encodeURIComponent(source)}`,
  );
  assertEquals(await cluster.client.submit(module.double, 21).result(), 42);
});

Deno.test("Over TLS with rules results of a worker that is lost are computed again", async () => {
  await using cluster = await ruledCluster();
  const { client, workers } = cluster;
  const futures = client.map((x: number) => new Uint8Array(5000).fill(x), [1, 2, 3, 4, 5, 6]);
  await client.gather(futures);
  await workers[0]?.close();
  assertEquals((await client.gather(futures)).map((bytes) => bytes[0]), [1, 2, 3, 4, 5, 6]);
});

Deno.test("Over TLS with rules administrators retire workers, whose results are moved and not computed again", async () => {
  await using cluster = await ruledCluster({ nWorkers: 3 });
  const { client, workers } = cluster;
  const futures = client.map(
    (i: number) => `${i} ${crypto.randomUUID()} ${"x".repeat(2000)}`,
    Array.from({ length: 60 }, (_, i) => i),
  );
  const before = await client.gather(futures);
  const data = await client.scatter({ precious: true }, { workers: ["w0"] });
  const denied = await assertRejects(() => client.retireWorkers({ names: ["w0"] }), RpcError);
  assertMatch(denied.message, /refuses "retire_workers".*a client that may submit/);
  await using admin = await cluster.as("admins");
  const retired = await admin.retireWorkers({ names: ["w0", "w1"] });
  assertEquals<unknown>(new Set(retired), new Set([workers[0]?.address, workers[1]?.address]));
  await Promise.all([workers[0]?.finished, workers[1]?.finished]);
  assertEquals(await client.gather(futures), before);
  assertEquals(await data.result(), { precious: true });
  const holders = new Set(Object.values(await client.whoHas([...futures, data])).flat());
  assertEquals<unknown>(holders, new Set([workers[2]?.address]));
});

Deno.test("Over TLS with rules a scheduler fetches results of workers for those that ask it", async () => {
  await using cluster = await ruledCluster();
  const { client, scheduler, pki } = cluster;
  const future = client.submit((n: number) => new Uint8Array(n).fill(7), 5000);
  await client.gather([future]);
  await using pool = new ConnectionPool(await linkOptions(await pki.security("users"), "client"));
  const reply = await pool.call(scheduler.address, SCHEDULER_OPERATIONS.gather, { keys: [future.key] });
  assertEquals(reply.status, "OK");
  const dialled = scheduler.links().filter((link) => link.dialled);
  assertEquals(dialled.map(({ tls }) => tls?.peer.grant?.role), ["worker"]);
});

Deno.test("Over TLS with rules a closed scheduler ends its workers", async () => {
  await using cluster = await ruledCluster();
  await cluster.scheduler.close();
  await Promise.all(cluster.workers.map((worker) => worker.finished));
});

Deno.test("A plain record is enough for each role: the CA and the one certificate that it shows, with the key in its file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const ca = await TestCa.make();
    await Deno.writeTextFile(`${folder}/ca.pem`, ca.pem);
    for (const role of ["scheduler", "worker", "client"]) {
      const { cert, key } = await ca.issue(role);
      await Deno.writeTextFile(`${folder}/${role}.pem`, key + cert);
    }
    const tlsCaFile = `${folder}/ca.pem`;
    await using scheduler = await Scheduler.start({
      host: "127.0.0.1",
      port: 0,
      security: { tlsCaFile, tlsSchedulerCert: `${folder}/scheduler.pem` },
    });
    await using worker = await Worker.start(scheduler.address, {
      nthreads: 1,
      security: { tlsCaFile, tlsWorkerCert: `${folder}/worker.pem` },
    });
    await using client = await Client.connect(scheduler.address, {
      security: { tlsCaFile, tlsClientCert: `${folder}/client.pem` },
    });
    for (const { address } of [scheduler, worker]) assert(address.startsWith("tls://"), address);
    assertEquals(await client.submit(inc, 1).result(), 2);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("An empty record, and one that only says that encryption is not required, mean plain text", async () => {
  for (const security of [{}, { requireEncryption: false }]) {
    await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
    await using worker = await Worker.start(scheduler.address, { nthreads: 1, security });
    await using client = await Client.connect(scheduler.address, { security });
    for (const { address } of [scheduler, worker]) assert(address.startsWith("tcp://"), address);
    assertEquals(await client.submit(inc, 1).result(), 2);
  }
});

Deno.test("A LocalCluster runs on certificates and rules that it is given, and lets in who has a right one", async () => {
  const ca = await TestCa.make();
  const security: Security = {
    ...await ca.security(),
    authorization: {
      rules: [
        { cn: "scheduler", role: "scheduler" },
        { cn: "worker", role: "worker" },
        { cn: "client", role: "client" },
      ],
    },
  };
  await using cluster = await LocalCluster.start({ nWorkers: 2, security });
  await using own = await cluster.connectClient();
  assertEquals(await own.gather(own.map(inc, [1, 2, 3])), [2, 3, 4]);
  assertMatch(cluster.schedulerAddress, /^tls:\/\/127\.0\.0\.1:/);
  await using other = await Client.connect(cluster.schedulerAddress, { security: await ca.security() });
  assertEquals(await other.submit(inc, 1).result(), 2);
  const { cert, key } = await ca.issue("somebody");
  const stranger = { tlsCaFile: ca.pem, tlsClientCert: cert, tlsClientKey: key };
  await assertRejects(() => Client.connect(cluster.schedulerAddress, { security: stranger }));
});
