/**
 * Somebody who has the scheduler's public certificate, or a worker's, and no key: whole roles and programs
 * that are led to them (decision 0018).
 */

import { assertEquals, assertMatch, assertNotMatch, assertRejects } from "@std/assert";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { createPrivateKey, sign } from "node:crypto";
import { connect } from "node:tls";
import { call } from "../../rpc/call.ts";
import { Client, CommAuthError, Scheduler, wait, Worker } from "../../mod.ts";
import { parseCertificate } from "../../security/x509/certificate.ts";
import { NULL } from "../../testing/pki/odd_certificates.ts";
import { Certificates } from "../../testing/clusters/process_cluster.ts";
import { linkTo } from "../../testing/scripted_peer.ts";
import { startRole, type TestProcess } from "../../testing/processes.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { type Claim, concat, rawDial, RawServer } from "../../testing/raw_tls/raw_tls.ts";

const NONSENSE = Uint8Array.of(1, 2, 3);

function derOf(pem: string | undefined): Uint8Array {
  return parseCertificate(pem ?? "").raw;
}

/** Shows `chain`, with the key that is PEM. */
function owner(chain: readonly Uint8Array[], pem: string | undefined): Claim {
  const key = createPrivateKey(pem ?? "");
  return { chain, sign: (content) => Promise.resolve(new Uint8Array(sign("sha256", content, key))) };
}

/** What a scheduler shows to whoever asks. */
async function takenOffTheWire(port: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const looking = { rejectUnauthorized: false, checkServerIdentity: () => undefined };
  const socket = connect({ ...looking, host: "127.0.0.1", port });
  socket.once("secureConnect", () => resolve(Uint8Array.from(socket.getPeerCertificate().raw)));
  socket.on("error", reject);
  const gone = Promise.withResolvers<void>();
  socket.on("close", () => gone.resolve());
  const taken = await promise;
  socket.destroy();
  await gone.promise;
  return taken;
}

for (const version of ["1.2", "1.3"] as const) {
  Deno.test(`A client and a worker refuse who took the scheduler's certificate off the wire, over TLS ${version}`, async () => {
    const ca = await TestCa.make();
    const rules = (["scheduler", "worker", "client"] as const).map((role) => ({ cn: role, role }));
    const security = { ...await ca.security(), authorization: { rules } };
    await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
    const taken = await takenOffTheWire(Number(new URL(scheduler.address).port));
    assertEquals(taken, derOf(security.tlsSchedulerCert));
    await using forger = new RawServer({ chain: [concat(taken, NULL)] }, version);
    const address = `tls://127.0.0.1:${forger.port}`;
    const words = /"CN=scheduler,O=test", a certificate that it sent, is not written as DER demands/;
    const asClient = await assertRejects(() => Client.connect(address, { security }), CommAuthError);
    assertMatch(asClient.message, words);
    const asWorker = await assertRejects(
      () => Worker.start(address, { nthreads: 1, security }),
      CommAuthError,
    );
    assertMatch(asWorker.message, words);
    for (let i = 0; i < 2; i++) assertEquals((await forger.ends.next()).heard.length, 0);
    assertEquals(forger.ends.left.length, 0);
  });
}

function assertEndsWithWords(program: TestProcess, code: number): void {
  assertEquals(code, 1, program.stderr);
  assertMatch(program.stderr, /refuse|does not lead to the CA/);
  assertNotMatch(program.stderr, /Uncaught/);
}

Deno.test("worker.ts, client.ts check and client.ts status that are led to a forger end with a reason", async () => {
  await using certificates = await Certificates.make();
  const { security } = certificates;
  const leaf = derOf(security.tlsSchedulerCert);
  const claims: readonly Claim[] = [
    { chain: [concat(leaf, NULL)] },
    { chain: [concat(leaf, NULL), NONSENSE] },
    owner([leaf, NONSENSE], security.tlsSchedulerKey),
  ];
  for (const claim of claims) {
    await using forger = new RawServer(claim);
    const address = `tls://127.0.0.1:${forger.port}`;
    await using worker = startRole("worker.ts", [address, ...certificates.flags("worker")]);
    await using check = startRole("client.ts", ["check", address, ...certificates.flags("client")]);
    await using status = startRole("client.ts", ["status", address, ...certificates.flags("client")]);
    for (const program of [worker, check, status]) assertEndsWithWords(program, (await program.ended).code);
    while (forger.ends.left.length > 0) assertEquals((await forger.ends.next()).heard.length, 0);
  }
});

Deno.test("scheduler.ts lives on when a worker leads it to a forger, and when nonsense dials it", async () => {
  await using certificates = await Certificates.make();
  const { security } = certificates;
  const stolen = derOf(security.tlsWorkerCert);
  await using forger = new RawServer({ chain: [concat(stolen, NULL), NONSENSE] });
  await using scheduler = startRole("scheduler.ts", [
    ...["--host", "127.0.0.1", "--port", "0"],
    ...certificates.flags("scheduler"),
  ]);
  const [, address = "", port] = await scheduler.line(/Scheduler at:\s+(tls:\S+:(\d+))/);
  await using worker = startRole("worker.ts", [
    address,
    ...["--nthreads", "1", "--listen-address", "tls://127.0.0.1:0"],
    ...["--contact-address", `tls://127.0.0.1:${forger.port}`],
    ...certificates.flags("worker"),
  ]);
  await worker.line(/Registered to:/);
  await using client = await Client.connect(address, { security });
  const future = client.submit(() => new Uint8Array(1_000_000)); // too large to ride along
  await wait([future]);
  await using comm = await linkTo(address, security, "client");
  await call(comm, SCHEDULER_OPERATIONS.gather, { keys: [future.key] });
  await scheduler.line(/Cannot gather from .* refused: a certificate of its chain can't be read/);
  assertEquals((await forger.ends.next()).heard.length, 0);
  const leaf = derOf(security.tlsClientCert);
  for (const claim of [{ chain: [NONSENSE] }, owner([leaf, NONSENSE], security.tlsClientKey)]) {
    assertEquals((await rawDial(Number(port), claim)).heard.length, 0);
  }
  assertEquals(Object.keys((await client.schedulerInfo()).workers).length, 1);
  assertNotMatch(scheduler.stderr + worker.stderr, /Uncaught/);
});
