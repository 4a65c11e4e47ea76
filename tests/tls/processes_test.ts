/** Links with peers that are not ours: OpenSSL's server and client, Deno's own TLS. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { TlsRefusedError } from "../../security/verdict.ts";
import { Security } from "../../security/security.ts";
import { forgedKey, TestCa } from "../../testing/pki/pki.ts";
import { runToEnd, TestProcess } from "../../testing/processes.ts";
import { dialAs, TestListener } from "../../testing/tls_pair.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A folder for one test. */
class Folder implements AsyncDisposable {
  readonly path = Deno.makeTempDirSync();

  async write(name: string, text: string): Promise<string> {
    await Deno.writeTextFile(`${this.path}/${name}`, text);
    return `${this.path}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** `openssl s_server` on a free port; with `-www`, or it would end each link when its empty stdin ends. */
async function opensslServer(...args: string[]): Promise<{ process: TestProcess; port: number }> {
  const command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", ...args] as const;
  const process = new TestProcess({ command });
  try {
    const [, port] = await process.line(/^ACCEPT .*:(\d+)$/m, { stream: "stdout" });
    return { process, port: Number(port) };
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
}

Deno.test("dial refuses OpenSSL playing a scheduler whose public v1 certificate is all that it has", async () => {
  await using folder = new Folder();
  const ca = await TestCa.make();
  const { cert } = await ca.issue("scheduler", { version: 1 });
  const files = [
    "-cert",
    await folder.write("cert.pem", cert),
    "-key",
    await folder.write("key.pem", await forgedKey(cert)),
  ];
  for (const version of ["-tls1_2", "-tls1_3"]) {
    const { process, port } = await opensslServer(...files, version);
    await using _ = process;
    const error = await assertRejects(async () => await dialAs(await ca.security(), port), TlsRefusedError);
    assertMatch(error.message, /is X\.509 v1, which does not prove that it owns the private key/);
    assertEquals(error.final, true);
  }
});

Deno.test("dial refuses OpenSSL with a forged key for a v3 certificate", async () => {
  await using folder = new Folder();
  const ca = await TestCa.make();
  const { cert } = await ca.issue("scheduler");
  const files = [
    "-cert",
    await folder.write("cert.pem", cert),
    "-key",
    await folder.write("key.pem", await forgedKey(cert)),
  ];
  const { process, port } = await opensslServer(...files);
  await using _ = process;
  await assertRejects(async () => await dialAs(await ca.security(), port), TlsRefusedError);
});

Deno.test("dial's stream tells that OpenSSL refused our certificate, after the handshake of TLS 1.3", async () => {
  await using folder = new Folder();
  const [ca, other] = [await TestCa.make(), await TestCa.make("other-ca")];
  const { cert, key } = await ca.issue("scheduler");
  const files = ["-cert", await folder.write("cert.pem", cert), "-key", await folder.write("key.pem", key)];
  const trust = [
    "-CAfile",
    await folder.write("other.pem", other.pem),
    "-Verify",
    "1",
    "-verify_return_error",
  ];
  const { process, port } = await opensslServer(...files, ...trust, "-tls1_3");
  await using _ = process;
  const stream = await dialAs(await ca.security(), port);
  const error = await assertRejects(() => stream.read(), TlsRefusedError);
  assertMatch(
    error.message,
    /^TLS link was refused by .*: it does not trust the issuer of our certificate "CN=client,O=test"$/,
  );
  assertEquals([error.side, error.final], ["peer", true]);
  await stream.close();
});

Deno.test("listen refuses OpenSSL's client without a certificate", async () => {
  await using folder = new Folder();
  const ca = await TestCa.make();
  await using listener = await TestListener.start(await ca.security());
  await using client = new TestProcess({
    command: [
      "openssl",
      "s_client",
      "-ign_eof",
      "-connect",
      `127.0.0.1:${listener.port}`,
      "-CAfile",
      await folder.write("ca.pem", ca.pem),
    ],
  });
  assertMatch((await listener.refusals.next()).reason.message, /refused: it showed no certificate$/);
  // It reads the alert "certificate required", or the reset that follows it.
  assertEquals((await client.ended).success, false, client.stderr);
});

Deno.test("Security.temporary makes certificates that pass OpenSSL's strict checks, a pair per role and one for all", async () => {
  for (const shared of [false, true]) {
    await using folder = new Folder();
    const security = await Security.temporary({ shared });
    const ca = ["-CAfile", await folder.write("ca.pem", security.tlsCaFile ?? "")];
    for (const cert of [security.tlsClientCert, security.tlsSchedulerCert, security.tlsWorkerCert]) {
      const file = await folder.write("cert.pem", cert ?? "");
      const { code, stderr } = await runToEnd({
        command: ["openssl", "verify", "-x509_strict", ...ca, file],
      });
      assertEquals(code, 0, stderr);
    }
  }
});

for (
  const [version, flags] of [["1.1", ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]], ["1.2", [
    "-tls1_2",
  ]]] as const
) {
  Deno.test(`listen and dial refuse OpenSSL with TLS ${version} where a later one is demanded`, async () => {
    await using folder = new Folder();
    const ca = await TestCa.make();
    const security = {
      ...await ca.security(),
      ...version === "1.2" ? { tlsMinVersion: "1.3" as const } : {},
    };
    const { cert, key } = await ca.issue("other");
    const pair = ["-cert", await folder.write("cert.pem", cert), "-key", await folder.write("key.pem", key)];
    await using listener = await TestListener.start(security);
    await using client = new TestProcess({
      command: ["openssl", "s_client", "-connect", `127.0.0.1:${listener.port}`, ...pair, ...flags],
    });
    assertEquals((await client.ended).success, false);
    assertMatch(client.stderr, /alert protocol version|alert handshake failure/);
    const { reason } = await listener.refusals.next();
    assertMatch(
      reason.message,
      /refused: no TLS version or cipher suite suits both: compare "tlsMinVersion"/,
    );
    assertEquals([reason.side, reason.final], ["here", true]);
    assertEquals(listener.streams.left, []);
    const { process, port } = await opensslServer(...pair, ...flags);
    await using _ = process;
    const error = await assertRejects(() => dialAs(security, port), TlsRefusedError);
    assertMatch(error.message, /no TLS version suits both: compare "tlsMinVersion" and "tlsMaxVersion"$/);
    assertEquals(error.final, true);
  });
}

Deno.test("listen links with an independent client: Deno.connectTls with a client certificate", async () => {
  const ca = await TestCa.make();
  const security = await ca.security(await ca.issue("role", { dnsNames: ["localhost"] }));
  await using listener = await TestListener.start(security);
  const { cert, key } = await ca.issue("independent");
  const connection = { hostname: "localhost", port: listener.port, caCerts: [ca.pem] };
  using conn = await Deno.connectTls({ ...connection, cert, key });
  await conn.write(encoder.encode("hello"));
  const stream = await listener.streams.next();
  assertEquals(stream.tls?.peer.subject, "CN=independent,O=test");
  assertEquals(decoder.decode(await stream.read() ?? undefined), "hello");
  await stream.write([encoder.encode("and back")]);
  const buffer = new Uint8Array(100);
  assertEquals(decoder.decode(buffer.subarray(0, await conn.read(buffer) ?? 0)), "and back");
  await stream.close();

  using nobody = await Deno.connectTls(connection);
  await assertRejects(async () => {
    await nobody.write(encoder.encode("hello"));
    if (await nobody.read(buffer) === null) throw new Error("end of the link");
  });
  assertMatch((await listener.refusals.next()).reason.message, /it showed no certificate/);
});
