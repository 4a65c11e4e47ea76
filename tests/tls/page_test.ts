/** Promises of Dask's page on TLS that are about a whole cluster, or about what is on the wire. */

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { Socket } from "node:net";
import { Client, CommAuthError, Scheduler, type Security, type TlsRole, Worker } from "../../mod.ts";
import { loadTlsContext } from "../../security/live/context.ts";
import { nodeTls } from "../../transport/tls/node_tls.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { Certificates } from "../../testing/clusters/process_cluster.ts";
import { startRole, TestProcess } from "../../testing/processes.ts";
import { dialAs, TestListener } from "../../testing/tls_pair.ts";

const LOCAL = { host: "127.0.0.1", port: 0 };
const FIELDS = {
  scheduler: ["tlsSchedulerCert", "tlsSchedulerKey"],
  worker: ["tlsWorkerCert", "tlsWorkerKey"],
  client: ["tlsClientCert", "tlsClientKey"],
} as const;

Deno.test("Endpoints share one pair, have one per kind, or one each, in any mixture", async () => {
  const ca = await TestCa.make();
  const shared = await ca.issue("shared");
  const perKind = await ca.issue("workers");
  const as = async (role: TlsRole, pair = ca.issue("its own")): Promise<Security> => {
    const { cert, key } = await pair;
    const [certField, keyField] = FIELDS[role];
    return { tlsCaFile: ca.pem, [certField]: cert, [keyField]: key };
  };
  const given = (pair: typeof shared) => Promise.resolve(pair);
  await using scheduler = await Scheduler.start({ ...LOCAL, security: await as("scheduler", given(shared)) });
  await using stack = new AsyncDisposableStack();
  const start = async (name: string, security: Security) =>
    stack.use(await Worker.start(scheduler.address, { name, nthreads: 1, security }));
  await start("w0", await as("worker", given(shared)));
  await start("w1", await as("worker", given(perKind)));
  await start("w2", await as("worker", given(perKind)));
  await start("w3", await as("worker"));
  for (const pair of [given(shared), ca.issue("its own")]) {
    await using client = await Client.connect(scheduler.address, { security: await as("client", pair) });
    await client.waitForWorkers(4);
    const parts = ["w0", "w1", "w2", "w3"].map((name) =>
      client.with({ workers: [name], pure: false }).submit((n: number) => new Uint8Array(n).fill(1), 3000)
    );
    const sum = client.submit(
      (all: Uint8Array[]) => all.reduce((total, { length }) => total + length, 0),
      parts,
    );
    assertEquals(await sum.result(), 12_000);
    assertEquals((await client.gather(parts)).length, 4);
  }
  assertEquals(scheduler.identity().security?.refused.handshake, 0);
});

Deno.test("One cluster is set up in all ways: flags, a configuration file, variables, a record", async () => {
  await using certificates = await Certificates.make();
  const { folder, security } = certificates;
  const config = `${folder}/dask.yaml`;
  await Deno.writeTextFile(
    config,
    `distributed: {comm: {tls: {ca-file: ${folder}/ca.pem, ` +
      `worker: {cert: ${folder}/worker.pem, key: ${folder}/worker.key}}}}\n`,
  );
  await using scheduler = startRole("scheduler.ts", [
    ...["--host", "127.0.0.1", "--port", "0"],
    ...certificates.flags("scheduler"),
  ]);
  const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/);
  const one = ["--nthreads", "1"];
  await using _byFile = startRole("worker.ts", [address, ...one, "--config", config]);
  await using _byVariables = new TestProcess({
    command: [
      ...[Deno.execPath(), "run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env"],
      ...[new URL("../../worker.ts", import.meta.url).href, address, ...one],
    ] as [string, ...string[]],
    env: {
      DASK_DISTRIBUTED__COMM__TLS__CA_FILE: `${folder}/ca.pem`,
      DASK_DISTRIBUTED__COMM__TLS__WORKER__CERT: `${folder}/worker.pem`,
      DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY: `${folder}/worker.key`,
    },
  });
  await using client = await Client.connect(address, { security });
  await client.waitForWorkers(2, { timeout: "30s" });
  const futures = client.map((x: number) => x + 1, Array.from({ length: 20 }, (_, i) => i));
  assertEquals((await client.gather(futures)).at(-1), 20);
});

Deno.test("Names in certificates are not compared with where they are, by either side, and none is on the wire", async () => {
  const ca = await TestCa.make();
  const elsewhere = await ca.issue("role", { dnsNames: ["elsewhere.example"] });
  const security = await ca.security(elsewhere);
  await using listener = await TestListener.start(security);
  const context = await loadTlsContext(security, "client");
  for (const hostname of ["127.0.0.1", "localhost"]) {
    const stream = await nodeTls.dial({ hostname, port: listener.port, context });
    const accepted = await listener.streams.next();
    for (const end of [stream, accepted]) assertEquals(end.tls?.peer.name, "CN=role,O=test");
    await Promise.all([stream.close(), accepted.close()]);
  }
  // A name that is dialled would stand in the client hello as it is.
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialling = nodeTls.dial({ hostname: "localhost", port: server.addr.port, context }).catch(() => {});
  using conn = await server.accept();
  const buffer = new Uint8Array(16 * 1024);
  const hello = new TextDecoder("latin1").decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
  assert(hello.startsWith("\x16\x03"), "no client hello");
  assert(!hello.includes("localhost"), hello);
  conn.close();
  await dialling;
});

Deno.test("AES is what links are encrypted with unless the cipher string says otherwise", async () => {
  const security = await (await TestCa.make()).security();
  for (const [version, suite] of [["1.2", /AES\d+-GCM/], ["1.3", /^TLS_AES_\d+_GCM/]] as const) {
    await using listener = await TestListener.start({ ...security, tlsMaxVersion: version });
    const stream = await listener.dial(security);
    const accepted = await listener.streams.next();
    for (const end of [stream, accepted]) assertMatch(end.tls?.cipher ?? "", suite);
    await Promise.all([stream.close(), accepted.close()]);
  }
});

Deno.test("--tls-ciphers and --tls-min-version hold for every peer of a scheduler's process", async () => {
  await using certificates = await Certificates.make();
  await using scheduler = startRole("scheduler.ts", [
    ...[
      "--host",
      "127.0.0.1",
      "--port",
      "0",
      "--tls-min-version",
      "1.3",
      "--tls-ciphers",
      "TLS_AES_256_GCM_SHA384",
    ],
    ...certificates.flags("scheduler"),
  ]);
  const [, address = "", port = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+:(\d+))/);
  await using client = await Client.connect(address, { security: certificates.security });
  const [link] = await client.links();
  assertEquals([link?.tls?.protocol, link?.tls?.cipher], ["TLSv1.3", "TLS_AES_256_GCM_SHA384"]);
  const { folder } = certificates;
  const openssl = (...args: string[]) =>
    new TestProcess({
      command: [
        ...[
          "openssl",
          "s_client",
          "-ign_eof",
          "-connect",
          `127.0.0.1:${port}`,
          "-CAfile",
          `${folder}/ca.pem`,
        ],
        ...["-cert", `${folder}/client.pem`, "-key", `${folder}/client.key`, ...args],
      ] as [string, ...string[]],
    });
  await using _aes128 = openssl("-ciphersuites", "TLS_AES_128_GCM_SHA256");
  await scheduler.line(
    /Refused a connection .*: cipher suite TLS_AES_128_GCM_SHA256 was negotiated, which "tlsCiphers"/,
  );
  await using old = openssl("-tls1_2");
  assertEquals((await old.ended).success, false);
  await scheduler.line(
    /Refused a connection .* refused: no TLS version or cipher suite suits both: compare "tlsMinVersion"/,
  );
  const only12 = { ...certificates.security, tlsMaxVersion: "1.2" } as const;
  const error = await assertRejects(() => Client.connect(address, { security: only12 }), CommAuthError);
  assertStringIncludes(error.message, 'compare "tlsMinVersion" and "tlsMaxVersion"');
});

Deno.test("Small messages are sent at once, and links are probed, unless extraConnArgs says otherwise", async () => {
  // The system does not tell what was set on a socket.
  const { setNoDelay, setKeepAlive } = Socket.prototype;
  const set = { noDelay: [] as unknown[], keepAlive: [] as unknown[] };
  Socket.prototype.setNoDelay = function (this: Socket, ...args: Parameters<typeof setNoDelay>) {
    set.noDelay.push(args[0]);
    return setNoDelay.apply(this, args);
  };
  Socket.prototype.setKeepAlive = function (this: Socket, ...args: Parameters<typeof setKeepAlive>) {
    set.keepAlive.push(args[0]);
    return setKeepAlive.apply(this, args);
  };
  try {
    const security = await (await TestCa.make()).security();
    for (
      const [given, noDelay, keepAlive] of [
        [{}, true, true],
        [{ extraConnArgs: { noDelay: false, keepAlive: false } }, false, false],
      ] as const
    ) {
      set.noDelay = [];
      set.keepAlive = [];
      await using listener = await TestListener.start({ ...security, ...given });
      const stream = await dialAs({ ...security, ...given }, listener.port);
      const accepted = await listener.streams.next();
      assertEquals(set, { noDelay: [noDelay, noDelay], keepAlive: [keepAlive, keepAlive] });
      await Promise.all([stream.close(), accepted.close()]);
    }
  } finally {
    Object.assign(Socket.prototype, { setNoDelay, setKeepAlive });
  }
});
