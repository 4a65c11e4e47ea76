import { assertEquals, assertMatch } from "@std/assert";
import { Scheduler, Security } from "../../mod.ts";
import { runToEnd } from "../../testing/processes.ts";
import { RuledPki, RULES } from "../../testing/pki/rules.ts";

const ENTRY = new URL("../../client.ts", import.meta.url).href;

async function written(folder: string, name: string, security: Security): Promise<string[]> {
  const file = async (part: string, text: string | undefined) => {
    const path = `${folder}/${name}-${part}`;
    await Deno.writeTextFile(path, text ?? "", { mode: 0o600 });
    return path;
  };
  return [
    "--tls-ca-file",
    await file("ca.pem", security.tlsCaFile),
    "--tls-cert",
    await file("cert.pem", security.tlsClientCert),
    "--tls-key",
    await file("key.pem", security.tlsClientKey),
  ];
}

async function check(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return await runToEnd({
    command: [Deno.execPath(), "run", "--no-prompt", "--allow-net", "--allow-read", ENTRY, "check", ...args],
  });
}

Deno.test("client.ts check tells why a link works, and why it does not", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "check-test-" });
  try {
    const security = await Security.temporary();
    const flags = await written(folder, "own", security);
    const foreign = await written(folder, "foreign", await Security.temporary());
    await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
    await using plain = await Scheduler.start({ host: "127.0.0.1", port: 0 });

    await t.step("a good link", async () => {
      const { code, stdout, stderr } = await check(scheduler.address, ...flags);
      assertEquals(code, 0, stderr);
      assertMatch(
        stdout,
        /own certificate +CN=client,O=dask-internal; signed by CN=dask-internal-ca.*X\.509 v3; 36\d days left/,
      );
      assertMatch(stdout, /peer's certificate +CN=scheduler,/);
      assertMatch(stdout, /TLS +TLSv1\.3, TLS_AES_256_GCM_SHA384/);
      assertMatch(stdout, /peer +Scheduler Scheduler-.*, 0 workers/);
      assertMatch(stdout, /The link works/);
    });
    await t.step("another CA: both certificates are shown, and what differs", async () => {
      const { code, stdout, stderr } = await check(scheduler.address, ...foreign);
      assertEquals(code, 1);
      assertMatch(stdout, /trusted CA +CN=dask-internal-ca/);
      assertMatch(stdout, /peer's certificate +CN=scheduler,/);
      assertMatch(
        stderr,
        /This client refuses "tls:.*": its certificate "CN=scheduler,.*" says that "CN=dask-internal-ca,O=dask-internal" signed it, but not the one in "tlsCaFile"/,
      );
    });
    await t.step("TLS at a plain port", async () => {
      const address = plain.address.replace("tcp:", "tls:");
      const { code, stdout, stderr } = await check(address, ...flags, "--timeout", "3s");
      assertEquals(code, 1);
      assertMatch(stdout, /peer's certificate +none: the TLS handshake failed/);
      assertMatch(stderr, /TLS/);
    });
    await t.step("nobody there", async () => {
      const { code, stderr } = await check("tls://127.0.0.1:1", ...flags);
      assertEquals(code, 1);
      assertMatch(stderr, /Nobody takes connections at "tls:\/\/127\.0\.0\.1:1"/);
    });
    await t.step("own files that can't be used", async () => {
      const { code, stderr } = await check(
        scheduler.address,
        ...flags.slice(0, 4),
        "--tls-key",
        `${folder}/own-ca.pem`,
      );
      assertEquals(code, 1);
      assertMatch(stderr, /tlsClientKey/);
    });
    await t.step("somebody takes connections, and says nothing", async () => {
      using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { code, stdout, stderr } = await check(
        `tls://127.0.0.1:${(silent.addr as Deno.NetAddr).port}`,
        ...flags,
        "--timeout",
        "2s",
      );
      assertEquals(code, 1);
      assertMatch(stdout, /network +tls:\/\/127\.0\.0\.1:\d+ takes connections/);
      assertMatch(stderr, /Timed out trying to connect|no answer/);
    });
    await t.step("plain text is called so", async () => {
      const { code, stdout } = await check(plain.address);
      assertEquals(code, 0);
      assertMatch(stdout, /TLS +no: plain text/);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("client.ts check judges both ends by rules, as a client would find out", async () => {
  const pki = await RuledPki.make();
  const folder = await Deno.makeTempDir({ prefix: "check-test-" });
  try {
    const flags = async (unit: string) => await written(folder, unit, await pki.security(unit));
    const config = `${folder}/rules.yaml`;
    await Deno.writeTextFile(
      config,
      JSON.stringify({ distributed: { comm: { tls: { authorization: RULES } } } }),
    );
    await using scheduler = await Scheduler.start({
      host: "127.0.0.1",
      port: 0,
      security: await pki.security("schedulers"),
    });
    const good = await check(scheduler.address, ...await flags("users"), "--config", config);
    assertEquals(good.code, 0, good.stderr);
    assertMatch(good.stdout, /own role +by "authorization" a client that may submit/);
    assertMatch(good.stdout, /peer's role +by "authorization" a scheduler/);
    // It may look, and it can't be a client.
    const worker = await check(scheduler.address, ...await flags("workers"));
    assertEquals(worker.code, 1);
    assertMatch(worker.stderr, /A client would be refused: .*"register-client".*is a worker/);
    await using impostor = await Scheduler.start({
      host: "127.0.0.1",
      port: 0,
      security: await pki.lenient("workers"),
    });
    const led = await check(impostor.address, ...await flags("users"), "--config", config);
    assertEquals(led.code, 1);
    assertMatch(led.stderr, /A client would not get on: .* is a worker, and a scheduler was expected/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
