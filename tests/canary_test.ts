/**
 * What the running Deno's TLS can and can't do, as far as docs/decisions/0001-tls-on-node-tls.md rests on it. Prints,
 * and fails for nothing that it finds: the day a line changes, that decision is due for another look.
 */

import { connect, type ConnectionOptions, createServer, type TLSSocket } from "node:tls";
import type { AddressInfo } from "node:net";
import { tcpBelow } from "../security/tls/node_internals.ts";
import { TestCa, type TestPair } from "../testing/pki.ts";
import { runToEnd } from "../testing/processes.ts";

function tell(fact: string, is: boolean, wanted: boolean): void {
  const line = `${is === wanted ? "as known" : "CHANGED "}  ${is ? "yes" : "no "}  ${fact}\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
}

const ca = await TestCa.make();
const pair = await ca.issue("role", { dnsNames: ["localhost"] });

/** Whether `socket`'s handshake completes, and what it says of the peer. */
async function handshake(options: ConnectionOptions): Promise<TLSSocket | undefined> {
  const { promise, resolve } = Promise.withResolvers<TLSSocket | undefined>();
  const socket = connect({ ca: [ca.pem], checkServerIdentity: () => undefined, ...options });
  socket.on("secureConnect", () => resolve(socket));
  socket.on("error", () => resolve(undefined));
  const done = await promise;
  return done;
}

async function gone(socket: TLSSocket | undefined): Promise<void> {
  if (socket === undefined || socket.closed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on("close", () => resolve());
  socket.destroy();
  await promise;
}

/** A `node:tls` server for one probe. */
async function withServer(
  options: Partial<TestPair> & { ciphers?: string },
  probe: (port: number) => Promise<void>,
): Promise<void> {
  const server = createServer(options, (socket) => {
    socket.on("error", () => {});
    socket.on("data", () => {});
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => resolve());
  await promise;
  await probe((server.address() as AddressInfo).port);
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  await closed.promise;
}

Deno.test("Canary: Deno.listenTls demands client certificates", async () => {
  const demanding = {
    requestCert: true,
    rejectUnauthorized: true,
    caCerts: [ca.pem],
    clientCaCerts: [ca.pem],
  };
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pair, ...demanding });
  const accepting = listener.accept().then(async (conn) => {
    using accepted = conn;
    return await accepted.handshake().then(() => true, () => false);
  });
  const client = await handshake({
    host: "127.0.0.1",
    port: (listener.addr as Deno.NetAddr).port,
    maxVersion: "TLSv1.2",
  });
  tell(
    "Deno.listenTls refuses a client without a certificate",
    !(await accepting && client !== undefined),
    false,
  );
  await gone(client);
});

Deno.test("Canary: Deno.connectTls trusts caCerts alone", async () => {
  const other = await TestCa.make("other-ca");
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, other.pem);
  await withServer(await other.issue("impostor", { dnsNames: ["localhost"] }), async (port) => {
    const program = `const conn = await Deno.connectTls({ hostname: "localhost", port: ${port}, ` +
      `caCerts: [${JSON.stringify(ca.pem)}] }); await conn.handshake(); conn.close();`;
    const { code } = await runToEnd({
      command: [Deno.execPath(), "eval", program],
      env: { DENO_CERT: file },
    });
    tell("Deno.connectTls trusts caCerts alone, whatever else Deno trusts", code !== 0, false);
  });
  await Deno.remove(file);
});

Deno.test("Canary: node:tls makes a v1 server prove that it has its key", async () => {
  const { cert } = await ca.issue("victim", { version: 1 });
  await withServer({ cert, key: pair.key }, async (port) => {
    const socket = await handshake({ host: "127.0.0.1", port });
    tell(
      "node:tls refuses a server that shows a v1 certificate without its key",
      socket?.authorized !== true,
      false,
    );
    await gone(socket);
  });
});

Deno.test("Canary: node:tls enforces ciphers", async () => {
  await withServer({ ...pair, ciphers: "TLS_AES_128_GCM_SHA256" }, async (port) => {
    const socket = await handshake({ host: "127.0.0.1", port, ciphers: "TLS_AES_128_GCM_SHA256" });
    tell(
      "node:tls negotiates what ciphers names",
      socket?.getCipher().name === "TLS_AES_128_GCM_SHA256",
      false,
    );
    await gone(socket);
  });
});

Deno.test("Canary: node:tls sends no server name unless it is given one", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const server = createServer({ ...pair }, (socket) => {
    socket.on("error", () => {});
    resolve("servername" in socket ? socket.servername : undefined);
    socket.destroy();
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  const byName = await handshake({ host: "localhost", port, servername: "" });
  tell("node:tls keeps a dialled name out of the handshake", (await promise) !== "localhost", false);
  await gone(byName);
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  await closed.promise;
});

Deno.test("Canary: node:tls has the handle by which reading is held back", async () => {
  await withServer({ ...pair }, async (port) => {
    const socket = await handshake({ host: "127.0.0.1", port });
    tell(
      "a node:tls socket has the TCP handle below that back-pressure needs",
      socket !== undefined && tcpBelow(socket) !== undefined,
      true,
    );
    await gone(socket);
  });
});
