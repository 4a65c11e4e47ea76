/**
 * What the running Deno's TLS can and can't do, as far as docs/decisions/0001-tls-on-node-tls.md and
 * 0018-certificates-that-deno-cant-read.md rest on it. Prints, and fails for nothing that it finds but what a
 * lock is made of: the day a line changes, those decisions are due for another look.
 */

import { assertEquals } from "@std/assert";
import { connect, type ConnectionOptions, createServer, type TLSSocket } from "node:tls";
import type { AddressInfo } from "node:net";
import { shownCertificates, tcpBelow } from "../transport/tls/node_internals.ts";
import { isReadable } from "../security/x509/webpki.ts";
import { parseCertificate } from "../security/x509/certificate.ts";
import { claim, NULL, OddCa } from "../testing/pki/odd_certificates.ts";
import { TestCa, type TestPair } from "../testing/pki/pki.ts";
import { runToEnd } from "../testing/processes.ts";
import { concat, RawServer } from "../testing/raw_tls/raw_tls.ts";

function tell(fact: string, is: boolean, wanted: boolean): void {
  const line = `${is === wanted ? "as known" : "CHANGED "}  ${is ? "yes" : "no "}  ${fact}\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
}

const ca = await TestCa.make();
const pair = await ca.issue("role", { dnsNames: ["localhost"] });

/** Whether `socket`'s handshake completes, and what it says of the peer. */
async function handshake(
  options: ConnectionOptions,
  before?: (socket: TLSSocket) => void,
): Promise<TLSSocket | undefined> {
  const { promise, resolve } = Promise.withResolvers<TLSSocket | undefined>();
  const socket = connect({ ca: [ca.pem], checkServerIdentity: () => undefined, ...options });
  before?.(socket);
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

const parsed = parseCertificate(pair.cert);
const v1 = parseCertificate((await ca.issue("victim", { version: 1 })).cert);
const unreadable = concat(parsed.raw, NULL);

/** Whether Deno takes who shows `chain` and has no key for the first of it. */
async function takes(...chain: readonly Uint8Array[]): Promise<boolean> {
  await using server = new RawServer(claim(chain));
  const socket = await handshake({ host: "127.0.0.1", port: server.port });
  const authorized = socket?.authorized === true;
  await gone(socket);
  return authorized;
}

Deno.test("Canary: node:tls makes a server prove that it has its key", async () => {
  tell("node:tls refuses who has no key", !await takes(parsed.raw), true);
  tell("node:tls refuses who has no key for an X.509 v1 certificate", !await takes(v1.raw), false);
  tell(
    "node:tls refuses who has no key for a certificate that it can't read",
    !await takes(unreadable),
    false,
  );
});

Deno.test("Canary: node:tls looks at more than names where it can't read a certificate", async () => {
  const stranger = await OddCa.make("test-ca"); // the name of ours
  const { cert } = await stranger.issue();
  tell("node:tls refuses who is named by our CA and not signed", !await takes(concat(cert, NULL)), false);
});

Deno.test("Canary: node:tls reads certificates in callbacks without an accident", async () => {
  await using server = new RawServer(claim([unreadable, Uint8Array.of(1, 2, 3)]));
  let threw = false;
  const socket = await handshake({ host: "127.0.0.1", port: server.port }, (socket) => {
    const read = socket.getPeerCertificate;
    const value = (detailed?: boolean): unknown => {
      try {
        return Reflect.apply(read, socket, [detailed]);
      } catch {
        threw = true;
        return {};
      }
    };
    Object.defineProperty(socket, "getPeerCertificate", { value });
  });
  tell("getPeerCertificate throws nothing in node:tls' own callback", !threw, false);
  await gone(socket);
});

Deno.test("Canary: node:tls has the list of all certificates that a peer sent", async () => {
  await withServer({ ...pair }, async (port) => {
    const socket = await handshake({ host: "127.0.0.1", port });
    tell(
      "a node:tls socket has getPeerCertificateChain",
      socket !== undefined && shownCertificates(socket).sent?.length === 1,
      true,
    );
    await gone(socket);
  });
});

// The second lock of decision 0018: without it, who finds a gap in `security/strict_der.ts` needs no key.
Deno.test("Canary: Deno.createHttpClient tells what webpki can read from what it can't", () => {
  const others = { raw: unreadable };
  assertEquals([parsed, v1, others].map((one) => isReadable(one, parsed)), [true, false, false]);
  tell("Deno.createHttpClient tells what webpki can read", true, true);
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
