import { assertEquals, assertRejects } from "@std/assert";
import { captureLog, LogWatch } from "../../testing/logs.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { loadTlsContext } from "./context.ts";
import { Credentials } from "./credentials.ts";
import { SecurityError } from "../material/errors.ts";
import { pem } from "../x509/issue.ts";
import type { Security } from "../security.ts";
import { fingerprint256, parseCertificate } from "../x509/certificate.ts";

const DAY_MS = 86_400_000;

Deno.test("Credentials tells days left and warns of a certificate that ends soon when it begins", async () => {
  const ca = await TestCa.make("test-ca", { validTo: new Date(Date.now() + 400.5 * DAY_MS) });
  const { cert, key } = await ca.issue("soon", { validTo: new Date(Date.now() + 5.5 * DAY_MS) });
  const context = await loadTlsContext(
    { tlsCaFile: ca.pem, tlsClientCert: cert, tlsClientKey: key },
    "client",
  );
  let credentials: Credentials | undefined;
  const lines = captureLog(() => credentials = new Credentials(context));
  await credentials?.close();
  assertEquals(lines.length, 1);
  assertEquals(
    / - WARNING - (.*), on /.exec(lines[0] ?? "")?.[1],
    `The client's own certificate "CN=soon,O=test" ends in 5 days`,
  );
  const facts = credentials?.facts();
  assertEquals([facts?.certificate.days_left, facts?.ca[0]?.days_left], [5, 400]);
  assertEquals(facts?.refused, {
    handshake: 0,
    revoked: 0,
    unauthorized: 0,
    operation: 0,
    ended: 0,
    kept_out: 0,
  });
  assertEquals(credentials?.metrics(), { certificate_days_left: 5 });
});

Deno.test("Credentials.check takes a changed file over once, and a broken one not again and again", async () => {
  const folder = await Deno.makeTempDir();
  const ca = await TestCa.make();
  const [first, second] = [await ca.issue("first"), await ca.issue("second")];
  const path = `${folder}/pair.pem`;
  await Deno.writeTextFile(path, first.cert + first.key);
  const context = await loadTlsContext({ tlsCaFile: ca.pem, tlsClientCert: path }, "client");
  await using credentials = new Credentials(context);
  try {
    await credentials.check();
    assertEquals(context.generation, 0);
    await Deno.writeTextFile(path, second.cert + first.key);
    const refused = () => assertRejects(() => credentials.check(), SecurityError, "does not belong");
    using log = new LogWatch();
    for (let i = 0; i < 3; i++) await refused();
    const told = () => log.lines.filter((line) => line.includes("Cannot take over new certificates")).length;
    assertEquals(told(), 1, "said once");
    await assertRejects(() => credentials.reload(), SecurityError, "does not belong");
    assertEquals(told(), 2, "who asks is told");
    await Deno.writeTextFile(path, second.cert + second.key);
    await credentials.check();
    await credentials.check();
    assertEquals(context.generation, 1);
    assertEquals(context.certificate.subject.at(-1), ["CN", "second"]);
    // Written anew with what it had: nothing to do.
    await Deno.remove(path);
    await Deno.writeTextFile(path, second.cert + second.key);
    await credentials.check();
    assertEquals(context.generation, 1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Credentials.check takes over what was refused for its time when that has come", async () => {
  const folder = await Deno.makeTempDir();
  const ca = await TestCa.make();
  const first = await ca.issue("first");
  const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000);
  const second = await ca.issue("second", { validFrom: soon });
  const path = `${folder}/pair.pem`;
  try {
    await Deno.writeTextFile(path, first.cert + first.key);
    const context = await loadTlsContext({ tlsCaFile: ca.pem, tlsClientCert: path }, "client");
    await using credentials = new Credentials(context);
    using _log = new LogWatch();
    await Deno.writeTextFile(path, second.cert + second.key);
    await assertRejects(() => credentials.check(), SecurityError, "is not valid now");
    await new Promise((resolve) => setTimeout(resolve, soon.getTime() - Date.now()));
    await credentials.check();
    assertEquals([context.generation, context.certificate.subject.at(-1)], [1, ["CN", "second"]]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Credentials.reload revokes a leaked key although the revocation list has run out meanwhile", async () => {
  const ca = await TestCa.make();
  const [own, leaked] = [await ca.issue("scheduler"), await ca.issue("leaked")];
  const nextUpdate = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000);
  const crl = pem("X509 CRL", await ca.crl([], { nextUpdate }));
  const victim = parseCertificate(leaked.cert);
  const of = (...tlsRevoked: string[]): Security => ({
    tlsCaFile: ca.pem,
    tlsSchedulerCert: own.cert,
    tlsSchedulerKey: own.key,
    tlsCrlFile: crl,
    tlsRevoked,
  });
  const context = await loadTlsContext(of(), "scheduler");
  await using credentials = new Credentials(context);
  await new Promise((resolve) => setTimeout(resolve, nextUpdate.getTime() - Date.now() + 1));
  using log = new LogWatch();
  await credentials.reload(of(fingerprint256(victim.raw)));
  assertEquals(log.lines.some((line) => /WARNING - The revocation list of .* has expired/.test(line)), true);
  const verdict = context.trust.keep([victim]);
  assertEquals("kind" in verdict && verdict.kind, "revoked");
  // One that has run out and is another one is no list to take over.
  const older = pem("X509 CRL", await ca.crl([], { nextUpdate: new Date(Date.now() - 5000) }));
  await assertRejects(() => credentials.reload({ ...of(), tlsCrlFile: older }), SecurityError, "has expired");
});

Deno.test("Credentials of a role without TLS has nothing to tell, and can't get any", async () => {
  await using credentials = new Credentials(undefined);
  await credentials.reload();
  await credentials.check();
  assertEquals([credentials.facts(), credentials.metrics()], [undefined, {}]);
  await assertRejects(() => credentials.reload({ tlsCaFile: "ca.pem" }), SecurityError, "start it again");
});
