import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { untyped } from "../../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../../messages/worker_operations.ts";
import { connect } from "../../comm/connect.ts";
import type { Comm } from "../../comm/comm.ts";
import { ConnectionPool } from "../../rpc/pool.ts";
import { linkOptions } from "../../comm/secure.ts";
import {
  type Authorization,
  CancelledError,
  Client,
  CommAuthError,
  CommClosed,
  RpcError,
  Scheduler,
  type Security,
  Worker,
} from "../../mod.ts";
import { LogWatch } from "../../testing/logs.ts";
import { TestCa, type TestPair } from "../../testing/pki/pki.ts";
import { RuledPki } from "../../testing/pki/rules.ts";

interface Ruled extends AsyncDisposable {
  readonly pki: RuledPki;
  readonly scheduler: Scheduler;
  readonly worker: Worker;
  client(unit: string): Promise<Client>;
}

/** A scheduler and a worker under the rules. */
async function ruledCluster(): Promise<Ruled> {
  const stack = new AsyncDisposableStack();
  const pki = await RuledPki.make();
  const scheduler = stack.use(
    await Scheduler.start({
      host: "127.0.0.1",
      port: 0,
      security: await pki.security("schedulers"),
      validate: true,
    }),
  );
  const worker = stack.use(
    await Worker.start(scheduler.address, {
      nthreads: 1,
      security: await pki.security("workers"),
      validate: true,
    }),
  );
  const client = async (unit: string) =>
    stack.use(await Client.connect(scheduler.address, { security: await pki.security(unit) }));
  return { pki, scheduler, worker, client, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** A pool that asks whomever it is told to. */
async function poolOf(security: Security): Promise<ConnectionPool> {
  return new ConnectionPool(
    await linkOptions(security, "client"),
  );
}

Deno.test("authorization lets clients that may submit compute, with a worker and a scheduler by rule", async () => {
  await using cluster = await ruledCluster();
  const client = await cluster.client("users");
  const futures = client.map((x: number) => x + 1, [1, 2, 3]);
  assertEquals(await client.gather(futures), [2, 3, 4]);
  const grants = cluster.scheduler.links().map((link) => link.tls?.peer.grant?.role).sort();
  assert(grants.includes("client") && grants.includes("worker"), String(grants));
});

Deno.test("authorization refuses who matches no rule, at the TLS handshake, logged and counted", async () => {
  await using cluster = await ruledCluster();
  const error = await assertRejects(() => cluster.client("strangers"), CommAuthError);
  assertMatch(error.message, /strangers|refuse/);
  assert((cluster.scheduler.identity().security?.refused.unauthorized ?? 0) > 0);
});

Deno.test("authorization lets an observer look, and refuses its tasks with the reason", async () => {
  await using cluster = await ruledCluster();
  const client = await cluster.client("watchers");
  assertEquals((await client.schedulerInfo()).n_workers, 1);
  const future = client.submit((x: number) => x, 1);
  const error = await assertRejects(() => future.result(), CancelledError);
  assertMatch(error.message, /OU=watchers.*a client that may observe/);
  // The connection stays, and others are not disturbed.
  assertEquals((await client.schedulerInfo()).n_workers, 1);
  assertEquals(await (await cluster.client("users")).submit((x: number) => x, 2).result(), 2);
  assertEquals(cluster.scheduler.identity().security?.refused.operation, 1);
});

Deno.test("authorization refuses results to an observer, at the scheduler and at the worker", async () => {
  await using cluster = await ruledCluster();
  const client = await cluster.client("users");
  const future = client.submit((x: number) => x, 1);
  await future.result();
  await using pool = await poolOf(await cluster.pki.lenient("watchers"));
  const keys = [future.key];
  for (
    const ask of [
      () => pool.call(cluster.scheduler.address, SCHEDULER_OPERATIONS.gather, { keys }),
      () => pool.call(cluster.worker.address, WORKER_OPERATIONS.get_data, { keys, who: null }),
    ]
  ) {
    const error = await assertRejects(ask, RpcError);
    assertEquals(error.remote.name, "PermissionError");
  }
  assertEquals(
    Object.keys(await pool.call(cluster.scheduler.address, SCHEDULER_OPERATIONS.who_has, { keys })),
    keys,
  );
});

Deno.test("authorization leaves what is not in the tables, and what ends roles, to administrators", async () => {
  await using cluster = await ruledCluster();
  await using users = await poolOf(await cluster.pki.lenient("users"));
  await using admins = await poolOf(await cluster.pki.lenient("admins"));
  for (const address of [cluster.scheduler.address, cluster.worker.address]) {
    for (const op of ["terminate", "no_such_operation"]) {
      const error = await assertRejects(() => users.call(address, untyped(op), {}), RpcError);
      assertEquals(error.remote.name, "PermissionError");
    }
    const unknown = await assertRejects(
      () => admins.call(address, untyped("no_such_operation"), {}),
      RpcError,
    );
    assertMatch(unknown.remote.message, /Unknown operation/);
  }
  assertEquals(await admins.call(cluster.worker.address, WORKER_OPERATIONS.terminate, {}), "OK");
  await cluster.worker.finished;
});

/** A link to the scheduler with a certificate of `unit`, whatever the rules say about that. */
async function linkAs(cluster: Ruled, unit: string): Promise<Comm> {
  const security = await cluster.pki.lenient(unit);
  return await connect(cluster.scheduler.address, await linkOptions(security, "client"));
}

Deno.test("authorization refuses a worker's certificate that registers as a client or submits", async () => {
  await using cluster = await ruledCluster();
  await using comm = await linkAs(cluster, "workers");
  await comm.write({ op: "register-client", client: "Client-x", versions: {}, reply: false });
  const [start] = await comm.read() as { op: string; error: string }[];
  assertEquals(start?.op, "stream-start");
  assertMatch(start?.error ?? "", /refuses "register-client".*is a worker/);
  assertEquals(await comm.read().catch(() => "closed"), "closed");
});

Deno.test("authorization refuses clients' and schedulers' certificates that register as workers", async () => {
  await using cluster = await ruledCluster();
  for (const unit of ["admins", "schedulers"]) {
    await using comm = await linkAs(cluster, unit);
    await comm.write({ op: "register-worker", address: "tls://127.0.0.1:1", reply: false });
    const reply = await comm.read() as { status: string; message: string };
    assertEquals(reply.status, "error");
    assertMatch(reply.message, /refuses "register-worker"/);
  }
  assertEquals(cluster.scheduler.identity().n_workers, 1);
});

Deno.test("authorization keeps a worker's certificate from acting as a scheduler, at the dialler's end", async () => {
  const pki = await RuledPki.make();
  const impostor = await pki.lenient("workers");
  await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security: impostor });
  const security = await pki.security("users");
  await assertRejects(
    () => Client.connect(scheduler.address, { security }),
    CommAuthError,
    "is a worker, and a scheduler was expected",
  );
  const workers = await pki.security("workers");
  await assertRejects(
    () => Worker.start(scheduler.address, { security: workers, nthreads: 1 }),
    CommAuthError,
    "a scheduler was expected",
  );
  assertEquals(scheduler.identity().n_workers, 0);
});

Deno.test("authorization keeps a client's certificate from acting as a worker, at every dialler's end", async () => {
  const pki = await RuledPki.make();
  const impostor = await pki.lenient("users");
  await using fake = await Scheduler.start({ host: "127.0.0.1", port: 0, security: impostor });
  for (
    const [unit, role] of [["schedulers", "scheduler"], ["workers", "worker"], ["users", "client"]] as const
  ) {
    const links = await linkOptions(await pki.security(unit), role);
    await using pool = new ConnectionPool({ ...links, expect: "worker" });
    await assertRejects(
      () => pool.call(fake.address, WORKER_OPERATIONS.get_data, { keys: [], who: null }),
      CommAuthError,
      "a worker was expected",
    );
    assertEquals(links.context?.refusals.unauthorized, 1);
  }
});

Deno.test("authorization refuses values of an observer, and its announcements of them", async () => {
  await using cluster = await ruledCluster();
  const client = await cluster.client("watchers");
  const error = await assertRejects(() => client.scatter("x"), RpcError);
  assertEquals(error.remote.name, "PermissionError");
  const users = await cluster.client("users");
  assertEquals(await (await users.scatter("x")).result(), "x");
});

Deno.test("authorization lets a worker speak for itself alone: it can't retire, sign off or beat for another", async () => {
  await using cluster = await ruledCluster();
  const { scheduler, worker, pki } = cluster;
  await using other = await poolOf(await pki.lenient("workers", "another"));
  const heartbeat = { executing: {}, metrics: { bandwidth: { total: 1, workers: {}, types: {} } } };
  for (
    const [op, request] of [
      ["retire_workers", { workers: [worker.address], close_workers: true }],
      ["retire_workers", { names: [worker.name] }],
      ["retire_workers", { n: 1 }],
      ["unregister", { address: worker.address }],
      ["heartbeat_worker", { address: worker.address, now: 0, ...heartbeat }],
    ] as const
  ) {
    const asked = other.call(scheduler.address, untyped(op), request);
    const error = await assertRejects(() => asked, RpcError);
    assertEquals(error.remote.name, "PermissionError");
    assertMatch(error.remote.message, /CN=another.* can't speak for the worker ".*", which is ".*CN=workers/);
  }
  assertEquals(scheduler.identity().n_workers, 1);
  assertEquals(scheduler.identity().security?.refused.operation, 5);
  await using itself = await poolOf(await pki.lenient("workers"));
  const retired = await itself.call(scheduler.address, SCHEDULER_OPERATIONS.retire_workers, {
    workers: [worker.address],
  });
  assertEquals(Object.keys(retired), [worker.address]);
});

Deno.test("authorization hides from an observer why a task of somebody else failed", async () => {
  await using cluster = await ruledCluster();
  const users = await cluster.client("users");
  const failed = users.submit((secret: string): string => {
    throw new Error(`password is ${secret}`);
  }, "hunter2");
  await assertRejects(() => failed.result(), Error, "hunter2");
  await using comm = await linkAs(cluster, "watchers");
  await comm.write({ op: "register-client", client: "Client-watcher", versions: {}, reply: false });
  await comm.read();
  using log = new LogWatch();
  const refused = log.line(/Refused "report-key" of .*OU=watchers.*a client that may observe/);
  await comm.write([{ op: "report-key", key: failed.key }]);
  assertEquals(typeof await Promise.race([comm.read(), refused]), "string");
  assertEquals(cluster.scheduler.identity().security?.refused.operation, 1);
});

Deno.test("authorization tells workers apart by their SPIFFE ids where certificates have no subject", async () => {
  const ca = await TestCa.make();
  const pair = (id: string) => ca.issue(id, { subject: [], uris: [`spiffe://acme/${id}`] });
  const [own, first, second] = [await pair("scheduler"), await pair("worker/1"), await pair("worker/2")];
  const authorization: Authorization = {
    rules: [
      { uri: "spiffe://acme/scheduler", role: "scheduler" },
      { uri: "spiffe://acme/worker/*", role: "worker" },
    ],
  };
  const scheduler = await Scheduler.start({
    host: "127.0.0.1",
    port: 0,
    security: { tlsCaFile: ca.pem, tlsSchedulerCert: own.cert, tlsSchedulerKey: own.key, authorization },
  });
  await using _scheduler = scheduler;
  const of = ({ cert, key }: TestPair) => ({
    tlsCaFile: ca.pem,
    tlsWorkerCert: cert,
    tlsWorkerKey: key,
    tlsClientCert: cert,
    tlsClientKey: key,
  });
  await using worker = await Worker.start(scheduler.address, { nthreads: 1, security: of(first) });
  await using other = await poolOf(of(second));
  const retire = other.call(scheduler.address, SCHEDULER_OPERATIONS.retire_workers, {
    workers: [worker.address],
  });
  const error = await assertRejects(() => retire, RpcError);
  assertMatch(
    error.remote.message,
    /"URI:spiffe:\/\/acme\/worker\/2" can't speak for the worker ".*", which is "URI:spiffe:\/\/acme\/worker\/1"/,
  );
});

Deno.test("authorization takes no large messages of who may only look", async () => {
  await using cluster = await ruledCluster();
  const large = { op: "identity", n_workers: 0, padding: new Uint8Array(17 * 2 ** 20) };
  await using user = await linkAs(cluster, "users");
  await user.write(large);
  assertEquals((await user.read() as { type: string }).type, "Scheduler");
  await using watcher = await linkAs(cluster, "watchers");
  await watcher.write(large).catch(() => {});
  await assertRejects(() => watcher.read(), CommClosed);
});
