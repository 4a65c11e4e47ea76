import { assertEquals, assertRejects } from "@std/assert";
import { captureLog } from "../testing/logs.ts";
import { TestCa } from "../testing/pki.ts";
import { loadTlsContext } from "./context.ts";
import { Credentials } from "./credentials.ts";
import { SecurityError } from "./errors.ts";

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
    await assertRejects(() => credentials.check(), SecurityError, "does not belong");
    await credentials.check(); // it did not change since
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

Deno.test("Credentials of a role without TLS has nothing to tell, and can't get any", async () => {
  await using credentials = new Credentials(undefined);
  await credentials.reload();
  await credentials.check();
  assertEquals([credentials.facts(), credentials.metrics()], [undefined, {}]);
  await assertRejects(() => credentials.reload({ tlsCaFile: "ca.pem" }), SecurityError, "start it again");
});
