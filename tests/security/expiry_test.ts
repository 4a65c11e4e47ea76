/** Certificates that end soon, and that ended, at real roles: log, `identity`, metrics, links. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client, Scheduler, type Security, Worker } from "../../mod.ts";
import { LogWatch } from "../../testing/logs.ts";
import { TestCa, type TestPair } from "../../testing/pki/pki.ts";
import { strangerDials } from "../../testing/pki/strangers.ts";

const DAY_MS = 86_400_000;
const inDays = (days: number) => ({ validTo: new Date(Date.now() + days * DAY_MS) });
const local = { host: "127.0.0.1", port: 0 };

function asClient(ca: TestCa, { cert, key }: TestPair): Security {
  return { tlsCaFile: ca.pem, tlsClientCert: cert, tlsClientKey: key };
}

/** The certificates of a cluster, of which each role's ends in so many days. */
async function securityOf(ca: TestCa, days: Readonly<Record<string, number>>): Promise<Security> {
  const pair = async (role: string) => await ca.issue(role, inDays(days[role] ?? 100));
  const [scheduler, worker, client] = [await pair("scheduler"), await pair("worker"), await pair("client")];
  return {
    ...asClient(ca, client),
    tlsSchedulerCert: scheduler.cert,
    tlsSchedulerKey: scheduler.key,
    tlsWorkerCert: worker.cert,
    tlsWorkerKey: worker.key,
  };
}

Deno.test("Each role warns 30, 7 and 1 days before certificates end, its own and its peers', and tells the days left", async () => {
  const ca = await TestCa.make("test-ca", inDays(400.5));
  const security = await securityOf(ca, { scheduler: 29.5, worker: 6.5, client: 0.5 });
  using log = new LogWatch();
  await using scheduler = await Scheduler.start({ ...local, security });
  await log.line(
    /WARNING - The scheduler's own certificate "CN=scheduler,O=test" ends in 29 days, on .*Z: renew it/,
  );
  await using worker = await Worker.start(scheduler.address, { nthreads: 1, security });
  await log.line(
    /WARNING - The worker's own certificate "CN=worker,O=test" ends in 6 days, on .*Z: renew it/,
  );
  await using client = await Client.connect(scheduler.address, { security });
  await log.line(
    /WARNING - The client's own certificate "CN=client,O=test" ends in less than a day, on .*: renew it/,
  );
  // Peers are looked at regularly, and at a reload.
  await scheduler.reloadSecurity();
  for (const [name, days] of [["worker", "6 days"], ["client", "less than a day"]] as const) {
    await log.line(
      new RegExp(`WARNING - The certificate of the peer "CN=${name},O=test" ends in ${days}, on`),
    );
  }
  await worker.reloadSecurity();
  await log.line(/WARNING - The certificate of the peer "CN=scheduler,O=test" ends in 29 days, on/);
  // Each once for each role that sees it, and none of the CA, whose end is far.
  const about = (text: string) =>
    log.lines.filter((line) => line.includes(text) && line.includes("WARNING")).length;
  assertEquals([about(`own certificate "CN=scheduler`), about("of the CA")], [1, 0]);

  const facts = (await client.schedulerInfo()).security;
  assertEquals([facts?.certificate.days_left, facts?.ca[0]?.days_left], [29, 400]);
  const peers = Object.fromEntries(facts?.peers.map((peer) => [peer.name, peer.days_left]) ?? []);
  assertEquals(peers, { "CN=worker,O=test": 6, "CN=client,O=test": 0 });
  const { workers } = await client.schedulerInfo();
  assertEquals(workers[worker.address]?.metrics?.certificate_days_left, 6);
});

Deno.test("A role warns of a CA that ends within 30 days", async () => {
  const ca = await TestCa.make("test-ca", inDays(20.5));
  using log = new LogWatch();
  await using _ = await Scheduler.start({ ...local, security: await securityOf(ca, {}) });
  await log.line(/WARNING - The certificate of the CA "CN=test-ca" ends in 20 days, on .*: renew it/);
});

Deno.test("An expired certificate lets nobody new in, and ends no link that is up", async () => {
  const ca = await TestCa.make();
  const { tlsClientCert: _cert, tlsClientKey: _key, ...security } = await ca.security();
  using log = new LogWatch();
  await using scheduler = await Scheduler.start({ ...local, security });
  await using _worker = await Worker.start(scheduler.address, { nthreads: 1, security });
  // Certificates count in whole seconds.
  const validTo = new Date(Math.ceil(Date.now() / 1000 + 1) * 1000);
  const pair = await ca.issue("brief", { validTo });
  await using client = await Client.connect(scheduler.address, { security: asClient(ca, pair) });
  assertEquals(await client.submit((x: number) => x + 1, 1).result(), 2);
  await new Promise((resolve) => setTimeout(resolve, validTo.getTime() - Date.now() + 1100));

  const port = Number(new URL(scheduler.address.replace("tls:", "http:")).port);
  assertEquals(await strangerDials(port, pair, "TLSv1.3"), "");
  assertMatch(
    await log.line(/Refused a connection/),
    /its certificate "CN=brief,O=test" has expired on .*Z, and now is .*Z/,
  );
  await scheduler.reloadSecurity();
  await log.line(/ERROR - The certificate of the peer "CN=brief,O=test" has expired on /);
  assertEquals(await client.submit((x: number) => x + 2, 1).result(), 3);
  const facts = scheduler.identity().security;
  assertEquals([facts?.refused.ended, facts?.refused.handshake], [0, 1]);
  assert(facts?.peers.some(({ name, days_left }) => name === "CN=brief,O=test" && days_left === -1));
});
