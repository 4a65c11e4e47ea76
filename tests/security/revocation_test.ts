import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Client, CommAuthError, Scheduler, SchedulerClosed, type Security, Worker } from "../../mod.ts";
import { linkOptions } from "../../comm/secure.ts";
import { loadConfig } from "../../config/load.ts";
import { Credentials } from "../../security/live/credentials.ts";
import { pem } from "../../security/x509/issue.ts";
import { SecurityError } from "../../security/material/errors.ts";
import { fingerprint256, parseCertificate } from "../../security/x509/certificate.ts";
import { TestCa, type TestPair } from "../../testing/pki/pki.ts";

const DAY_MS = 86_400_000;

interface Revocable extends AsyncDisposable {
  readonly ca: TestCa;
  readonly crlFile: string;
  readonly scheduler: Scheduler;
  /** What the scheduler trusts, without its own certificate. */
  clientSecurity(pair: TestPair): Security;
}

/** A scheduler that reads revocation lists from a file, which are empty at first. */
async function revocable(more: Security = {}, crl?: Uint8Array): Promise<Revocable> {
  const stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const ca = await TestCa.make();
  const crlFile = `${folder}/crl.pem`;
  await Deno.writeFile(crlFile, crl ?? await ca.crl([]));
  const { cert, key } = await ca.issue("scheduler");
  const security = {
    tlsCaFile: ca.pem,
    tlsSchedulerCert: cert,
    tlsSchedulerKey: key,
    tlsCrlFile: crlFile,
    ...more,
  };
  const scheduler = stack.use(await Scheduler.start({ host: "127.0.0.1", port: 0, security }));
  return {
    ca,
    crlFile,
    scheduler,
    clientSecurity: ({ cert, key }) => ({ tlsCaFile: ca.pem, tlsClientCert: cert, tlsClientKey: key }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function refusedBy({ scheduler }: Revocable) {
  return scheduler.identity().security?.refused;
}

Deno.test("tlsCrlFile keeps a revoked client out, and ends the link that it has", async () => {
  await using cluster = await revocable();
  const [bad, good] = await Promise.all([cluster.ca.issue("bad"), cluster.ca.issue("good")]);
  const connect = (pair: TestPair) =>
    Client.connect(cluster.scheduler.address, { security: cluster.clientSecurity(pair) });
  await using revoked = await connect(bad);
  await using other = await connect(good);
  assertEquals((await revoked.schedulerInfo()).n_workers, 0);

  await Deno.writeTextFile(cluster.crlFile, pem("X509 CRL", await cluster.ca.crl([bad.cert])));
  const waiting = revoked.submit((x: number) => x, 1).result();
  const lost = assertRejects(() => waiting);
  await cluster.scheduler.reloadSecurity();
  await lost;
  assert((refusedBy(cluster)?.ended ?? 0) >= 1);
  assertEquals((await other.schedulerInfo()).n_workers, 0);
  await assertRejects(() => connect(bad), CommAuthError);
  assert((refusedBy(cluster)?.revoked ?? 0) >= 1);
});

Deno.test("tlsRevoked keeps out by serial number and by fingerprint, wherever the role dials, too", async () => {
  const ca = await TestCa.make();
  const { cert, key } = await ca.issue("scheduler");
  const plain = { tlsCaFile: ca.pem, tlsSchedulerCert: cert, tlsSchedulerKey: key };
  const [one, two] = await Promise.all([ca.issue("one"), ca.issue("two")]);
  const tlsRevoked = [parseCertificate(one.cert).serial, fingerprint256(parseCertificate(two.cert).raw)];
  await using scheduler = await Scheduler.start({
    host: "127.0.0.1",
    port: 0,
    security: { ...plain, tlsRevoked },
  });
  for (const { cert, key } of [one, two]) {
    const security = { tlsCaFile: ca.pem, tlsClientCert: cert, tlsClientKey: key };
    await assertRejects(() => Client.connect(scheduler.address, { security }), CommAuthError);
  }
  assert((scheduler.identity().security?.refused.revoked ?? 0) >= 2);
  const fine = await ca.issue("three");
  const security = { tlsCaFile: ca.pem, tlsClientCert: fine.cert, tlsClientKey: fine.key };
  await using _ = await Client.connect(scheduler.address, { security });
  const serial = parseCertificate(cert).serial;
  await assertRejects(
    () => Client.connect(scheduler.address, { security: { ...security, tlsRevoked: [serial] } }),
    CommAuthError,
    `is revoked by "tlsRevoked" (serial ${serial})`,
  );
});

Deno.test("tlsCrlFile: a revoked CA in the chain keeps out whom it signed", async () => {
  const ca = await TestCa.make();
  const department = await ca.intermediate("department");
  const { cert, key } = await department.issue("somebody");
  const own = await ca.issue("scheduler");
  const security = {
    tlsCaFile: ca.pem,
    tlsSchedulerCert: own.cert,
    tlsSchedulerKey: own.key,
    tlsCrlFile: pem("X509 CRL", await ca.crl([department.pem])),
  };
  await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
  const client = { tlsCaFile: ca.pem, tlsClientCert: cert + department.pem, tlsClientKey: key };
  await assertRejects(() => Client.connect(scheduler.address, { security: client }), CommAuthError);
  assert((scheduler.identity().security?.refused.revoked ?? 0) >= 1);
  await using trusting = await Scheduler.start({
    host: "127.0.0.1",
    port: 0,
    security: { ...security, tlsCrlFile: pem("X509 CRL", await ca.crl([])) },
  });
  await using _ = await Client.connect(trusting.address, { security: client });
});

Deno.test("tlsCrlFile ends the start if the list is forged, out of date or none", async () => {
  const impostor = await TestCa.make();
  const forged = await impostor.crl([]);
  await assertRejects(() => revocable({}, forged), SecurityError, "wrong signature");
  await assertRejects(
    () => revocable({}, new TextEncoder().encode("nothing")),
    SecurityError,
    "no revocation list",
  );
  await assertRejects(() => revocable({ tlsCrlFile: "/nowhere/crl.pem" }), SecurityError, "/nowhere/crl.pem");
});

Deno.test("Scheduler.reloadSecurity keeps the old list if the new one is broken, and says so", async () => {
  await using cluster = await revocable();
  const bad = await cluster.ca.issue("bad");
  const connect = () => Client.connect(cluster.scheduler.address, { security: cluster.clientSecurity(bad) });
  await Deno.writeFile(cluster.crlFile, await cluster.ca.crl([bad.cert]));
  await cluster.scheduler.reloadSecurity();
  const old = new Date(Date.now() - DAY_MS);
  await Deno.writeFile(cluster.crlFile, await cluster.ca.crl([], { thisUpdate: old, nextUpdate: old }));
  await assertRejects(() => cluster.scheduler.reloadSecurity(), SecurityError, "has expired");
  await assertRejects(connect, CommAuthError);
  assertEquals(cluster.scheduler.identity().security?.reloads, 1);
});

Deno.test("A revoked worker is removed, and its tasks run on another one", async () => {
  const ca = await TestCa.make();
  const folder = await Deno.makeTempDir();
  const crlFile = `${folder}/crl.der`;
  await Deno.writeFile(crlFile, await ca.crl([]));
  const [own, bad, good, user] = await Promise.all(
    ["scheduler", "w-bad", "w-good", "user"].map((n) => ca.issue(n)),
  );
  if (!own || !bad || !good || !user) throw new Error("no certificates");
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const scheduler = stack.use(
    await Scheduler.start({
      host: "127.0.0.1",
      port: 0,
      validate: true,
      security: {
        tlsCaFile: ca.pem,
        tlsSchedulerCert: own.cert,
        tlsSchedulerKey: own.key,
        tlsCrlFile: crlFile,
      },
    }),
  );
  const start = async ({ cert, key }: TestPair, name: string) =>
    stack.use(
      await Worker.start(scheduler.address, {
        name,
        nthreads: 1,
        security: { tlsCaFile: ca.pem, tlsWorkerCert: cert, tlsWorkerKey: key },
      }),
    );
  const revoked = await start(bad, "bad");
  const security = { tlsCaFile: ca.pem, tlsClientCert: user.cert, tlsClientKey: user.key };
  const client = stack.use(await Client.connect(scheduler.address, { security }));
  const before = client.map((x: number) => x * 2, [1, 2, 3]);
  assertEquals(await client.gather(before), [2, 4, 6]);
  await start(good, "good");
  await Deno.writeFile(crlFile, await ca.crl([bad.cert]));
  await scheduler.reloadSecurity();
  await revoked.finished;
  assertEquals(Object.values((await client.schedulerInfo()).workers).map((w) => w.name), ["good"]);
  const after = client.submit((xs: number[]) => xs.reduce((a, b) => a + b), before);
  assertEquals(await after.result(), 12);
});

Deno.test("reloadSecurity takes another record, whose tlsRevoked and rules hold for living links, too", async () => {
  const ca = await TestCa.make();
  const all = await ca.security();
  await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security: all });
  const pair = await ca.issue("mallory");
  const security = { tlsCaFile: ca.pem, tlsClientCert: pair.cert, tlsClientKey: pair.key };
  await using revoked = await Client.connect(scheduler.address, { security });
  await using ruled = await Client.connect(scheduler.address, { security: all });
  await assertRejects(() => scheduler.reloadSecurity({ requireEncryption: false }), SecurityError);
  await assertRejects(
    () => scheduler.reloadSecurity({ ...all, requireEncryption: false }),
    SecurityError,
    "can't be taken back",
  );
  await scheduler.reloadSecurity({ ...all, tlsRevoked: [parseCertificate(pair.cert).serial] });
  await assertRejects(() => revoked.submit((x: number) => x, 1).result());
  assertEquals((await ruled.schedulerInfo()).id, scheduler.id);
  await scheduler.reloadSecurity({
    ...all,
    authorization: { rules: [{ cn: "scheduler", role: "scheduler" }] },
  });
  await assertRejects(() => ruled.submit((x: number) => x, 1).result());
  // Without a record it is the last one that counts.
  await scheduler.reloadSecurity();
  await assertRejects(() => Client.connect(scheduler.address, { security: all }), CommAuthError);
  assertEquals(scheduler.identity().security?.reloads, 3);
});

Deno.test("A fingerprint that is added to tls.revoked in the configuration counts from the next look on", async () => {
  const folder = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const ca = await TestCa.make();
  const [own, victim] = [await ca.issue("scheduler"), await ca.issue("victim")];
  const path = `${folder}/distributed.yaml`;
  const yaml = (revoked: string[]) => JSON.stringify({ distributed: { comm: { tls: { revoked } } } });
  await Deno.writeTextFile(path, yaml([]));
  const security = { tlsCaFile: ca.pem, tlsSchedulerCert: own.cert, tlsSchedulerKey: own.key };
  const { context } = await linkOptions(security, "scheduler", loadConfig({ path, env: {} }));
  await using credentials = new Credentials(context);
  const [leaf] = [parseCertificate(victim.cert)];
  assertEquals("kind" in (context?.trust.keep([leaf]) ?? {}), false);
  await credentials.check();
  assertEquals(context?.generation, 0);
  await Deno.writeTextFile(path, yaml([fingerprint256(leaf.raw)]));
  await credentials.check();
  assertEquals(context?.generation, 1);
  assertEquals(context?.trust.keep([leaf]), {
    kind: "revoked",
    reason: `its certificate "CN=victim,O=test" is revoked by "tlsRevoked" (serial ${leaf.serial})`,
  });
  await Deno.writeTextFile(path, yaml(["no fingerprint"]));
  await assertRejects(() => credentials.reload(), SecurityError, "no fingerprint");
  assertEquals(context?.generation, 1);
});

Deno.test("Client.reloadSecurity ends its links if the scheduler is not trusted any more", async () => {
  const ca = await TestCa.make();
  const folder = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const crlFile = `${folder}/crl.der`;
  await Deno.writeFile(crlFile, await ca.crl([]));
  const security = { ...await ca.security(), tlsCrlFile: crlFile };
  const { tlsCrlFile: _, ...plain } = security;
  const scheduler = stack.use(await Scheduler.start({ host: "127.0.0.1", port: 0, security: plain }));
  const client = stack.use(await Client.connect(scheduler.address, { security }));
  await Deno.writeFile(crlFile, await ca.crl([plain.tlsSchedulerCert ?? ""]));
  await client.reloadSecurity();
  const error = await assertRejects(() => client.submit((x: number) => x, 1).result());
  assert(error instanceof SchedulerClosed || error instanceof Error);
  assertMatch(error.message, /revoked|Lost the scheduler/);
});
