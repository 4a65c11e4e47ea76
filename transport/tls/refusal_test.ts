/** Who is refused, by which side, and what each side says. All links are real. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { expired, notYetValid, TestCa, type TestPair } from "../../testing/pki/pki.ts";
import { selfSigned, Stranger, strangerDials, VERSIONS } from "../../testing/pki/strangers.ts";
import { dialAs, TestListener } from "../../testing/tls_pair.ts";
import { SecurityError } from "../../security/material/errors.ts";
import { TlsRefusedError } from "../../security/verdict.ts";
import type { Security } from "../../security/security.ts";

const ca = await TestCa.make("test-ca");
const other = await TestCa.make("other-ca");
const security = await ca.security();

async function refusalOf(dialling: Promise<unknown>): Promise<TlsRefusedError> {
  return await assertRejects(() => dialling, TlsRefusedError);
}

const UNVERIFIED =
  /refused: its certificate can't be verified: it is not of the CA in "tlsCaFile", has expired, /;

const badClients: readonly (readonly [what: string, pair: () => Promise<Partial<TestPair>>, said: RegExp])[] =
  [
    ["without a certificate", () => Promise.resolve({}), /refused: it showed no certificate$/],
    [
      "of another CA",
      () => other.issue("client"),
      /refused: its certificate "CN=client,O=test" is signed by "CN=other-ca", which is not in "tlsCaFile"/,
    ],
    [
      "of another CA with the same name",
      async () => await (await TestCa.make("test-ca")).issue("client"),
      /"CN=client,O=test" says that "CN=test-ca" signed it, but not the one in "tlsCaFile": it is of another CA/,
    ],
    [
      "with a self-signed certificate",
      () => selfSigned("client"),
      /refused: its certificate "CN=client" is self-signed, and not in "tlsCaFile"/,
    ],
    [
      "with an expired certificate",
      () => ca.issue("client", expired()),
      /refused: its certificate "CN=client,O=test" has expired on \d{4}-.*Z, and now is \d{4}-/,
    ],
    [
      "with a certificate of tomorrow",
      () => ca.issue("client", notYetValid()),
      /refused: its certificate "CN=client,O=test" is not valid before .*: compare the clocks$/,
    ],
    [
      "with an X.509 v1 certificate",
      () => ca.issue("client", { version: 1 }),
      /refused: its certificate "CN=client,O=test" is X\.509 v1, which is refused: make a v3 one/,
    ],
    [
      "with a server's certificate",
      () => ca.issue("client", { usages: ["serverAuth"] }),
      /refused: its certificate "CN=client,O=test" may not be used as a client's: its extended key usage is a server's/,
    ],
    ["whose issuer is no CA", async () => {
      const intermediate = await ca.intermediate("no-ca", { ca: false });
      const { cert, key } = await intermediate.issue("client");
      return { cert: cert + intermediate.pem, key };
    }, /"CN=client,O=test" is signed by "CN=no-ca", which is no CA \(CA:FALSE\)/],
    [
      "whose intermediate CA is missing",
      async () => await (await ca.intermediate("middle")).issue("client"),
      /"CN=client,O=test" is signed by "CN=middle", which is not in "tlsCaFile" and was not sent along/,
    ],
  ];

for (const [what, pair, said] of badClients) {
  Deno.test(`nodeTls.listen refuses a client ${what}, says why, and serves the next one`, async () => {
    await using listener = await TestListener.start(security);
    for (const version of VERSIONS) {
      assertEquals(await strangerDials(listener.port, await pair(), version), "");
      const { reason, peer } = await listener.refusals.next();
      assertMatch(reason.message, said);
      assertMatch(peer, /^127\.0\.0\.1:\d+$/);
      assertEquals([reason.side, reason.final], ["here", true]);
    }
    const stream = await listener.dial(security);
    await (await listener.streams.next()).close();
    await stream.close();
    assertEquals(listener.streams.left, []);
    assertEquals(listener.refusals.left, []);
  });
}

const badServers: readonly (readonly [what: string, pair: () => Promise<TestPair>, said: RegExp])[] = [
  [
    "of another CA",
    () => other.issue("scheduler"),
    /does not lead to the CA in "tlsCaFile"$|it is not of the CA/,
  ],
  ["with an expired certificate", () => ca.issue("scheduler", expired()), UNVERIFIED],
  ["with a certificate of tomorrow", () => ca.issue("scheduler", notYetValid()), UNVERIFIED],
  [
    "with an X.509 v1 certificate",
    () => ca.issue("scheduler", { version: 1 }),
    /refused: its certificate "CN=scheduler,O=test" is X\.509 v1, which does not prove/,
  ],
  ["with a client's certificate", () => ca.issue("scheduler", { usages: ["clientAuth"] }), UNVERIFIED],
  [
    // Deno's client takes any v1 certificate of our CA for a CA.
    "whose certificate was signed by the holder of a v1 certificate of ours",
    async () => {
      const holder = await ca.intermediate("worker-7", { version: 1 });
      const { cert, key } = await holder.issue("scheduler");
      return { cert: cert + holder.pem, key };
    },
    /refused: its certificate "CN=scheduler,O=test" is signed by "CN=worker-7", which is X\.509 v1, which does not say that it/,
  ],
  [
    // What somebody has who read the scheduler's certificate off the wire: Deno's server plays them without
    // complaint, and Deno's client reports `authorized === true`.
    "that shows a v1 certificate whose key it does not have",
    async () => ({
      cert: (await ca.issue("scheduler", { version: 1 })).cert,
      key: (await ca.issue("attacker")).key,
    }),
    /is X\.509 v1, which does not prove that it owns the private key/,
  ],
];

for (const [what, pair, said] of badServers) {
  Deno.test(`nodeTls.dial refuses a server ${what}, says why, and sends nothing`, async () => {
    for (const maxVersion of VERSIONS) {
      await using stranger = await Stranger.start({ ...await pair(), maxVersion });
      const error = await refusalOf(dialAs(security, stranger.port));
      assertMatch(error.message, said);
      assertMatch(error.message, new RegExp(`^TLS link with "127\\.0\\.0\\.1:${stranger.port}" refused`));
      assertEquals([error.side, error.final], ["here", true]);
      assertEquals(stranger.heard, []);
    }
  });
}

Deno.test("nodeTls links through an intermediate CA whose certificate is sent along", async () => {
  const intermediate = await ca.intermediate("middle");
  const { cert, key } = await intermediate.issue("role");
  const chained = await ca.security({ cert: cert + intermediate.pem, key });
  await using listener = await TestListener.start(chained);
  const stream = await listener.dial(chained);
  const accepted = await listener.streams.next();
  assertEquals(stream.tls?.peer.issuer, "CN=middle");
  await Promise.all([stream.close(), accepted.close()]);
});

Deno.test("nodeTls.dial tells that the peer refuses our certificate, with TLS 1.2 at once", async () => {
  const pair = await ca.issue("scheduler");
  const trustsOthers = { ...pair, ca: [other.pem], requestCert: true, rejectUnauthorized: true };
  await using stranger = await Stranger.start({ ...trustsOthers, maxVersion: "TLSv1.2" });
  const error = await refusalOf(dialAs(security, stranger.port));
  assertMatch(
    error.message,
    /^TLS link was refused by .*it closed the link during the TLS handshake: .* "CN=client,O=test"/,
  );
  assertEquals([error.side, error.final], ["peer", false]);
});

Deno.test("nodeTls.dial's stream ends if the peer refuses our certificate, with TLS 1.3", async () => {
  const pair = await ca.issue("scheduler");
  const trustsOthers = { ...pair, ca: [other.pem], requestCert: true, rejectUnauthorized: true };
  await using stranger = await Stranger.start(trustsOthers);
  const stream = await dialAs(security, stranger.port);
  // Deno's server says no more than that; OpenSSL's sends an alert (tests/tls/).
  assertEquals(await stream.read(), null);
  await stream.close();
});

/** What two records with other TLS options agree on, or the dialler's refusal. */
async function between(server: Partial<Security>, client: Partial<Security>): Promise<string> {
  await using listener = await TestListener.start({ ...security, ...server });
  const stream = await listener.dial({ ...security, ...client });
  try {
    const accepted = await listener.streams.next();
    await accepted.close();
    return `${stream.tls?.protocol} ${stream.tls?.cipher}`;
  } finally {
    await stream.close();
  }
}

Deno.test("nodeTls enforces tlsMinVersion and tlsMaxVersion on both sides", async () => {
  assertEquals(await between({}, { tlsMaxVersion: "1.2" }), "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384");
  assertEquals(await between({ tlsMaxVersion: "1.2" }, {}), "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384");
  assertEquals(await between({ tlsMinVersion: "1.3" }, {}), "TLSv1.3 TLS_AES_256_GCM_SHA384");
  const low = await refusalOf(between({ tlsMinVersion: "1.3" }, { tlsMaxVersion: "1.2" }));
  assertMatch(low.message, /^TLS link was refused by .*: no TLS version suits both: compare "tlsMinVersion"/);
  assertEquals(low.final, true);
  const high = await refusalOf(between({ tlsMaxVersion: "1.2" }, { tlsMinVersion: "1.3" }));
  assertMatch(high.message, /compare "tlsMinVersion" and "tlsMaxVersion"/);
  assertEquals(high.final, true);
});

Deno.test("nodeTls.dial refuses a suite that tlsCiphers does not name, though Deno negotiated it", async () => {
  const error = await refusalOf(between({}, { tlsCiphers: "TLS_AES_128_GCM_SHA256" }));
  assertMatch(
    error.message,
    /: cipher suite TLS_AES_256_GCM_SHA384 was negotiated, which "tlsCiphers" does not allow$/,
  );
  assertEquals([error.side, error.final], ["here", true]);
  const tls12 = { tlsCiphers: "ECDHE-RSA-AES256-GCM-SHA384", tlsMaxVersion: "1.2" } as const;
  assertMatch(
    (await refusalOf(between({}, tls12))).message,
    /cipher suite ECDHE-ECDSA-AES256-GCM-SHA384 was negotiated/,
  );
  assertEquals(
    await between({}, { ...tls12, tlsCiphers: "ECDHE-ECDSA-AES256-GCM-SHA384" }),
    "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384",
  );
});

Deno.test("nodeTls.listen refuses to start with suites that no peer would negotiate", async () => {
  const error = await assertRejects(
    () => TestListener.start({ ...security, tlsCiphers: "TLS_AES_128_GCM_SHA256", tlsMinVersion: "1.3" }),
    SecurityError,
  );
  assertMatch(
    error.message,
    /none of the suites that peers of this listener negotiate \(TLS_AES_256_GCM_SHA384\)/,
  );
});

Deno.test("nodeTls.listen refuses a suite that tlsCiphers does not name", async () => {
  // Peers with TLS 1.2 alone could link, so that it starts.
  await using listener = await TestListener.start({
    ...security,
    tlsCiphers: "TLS_AES_128_GCM_SHA256:AES256",
  });
  const pair = await ca.issue("client");
  await strangerDials(listener.port, pair, "TLSv1.3");
  const { reason } = await listener.refusals.next();
  assertMatch(
    reason.message,
    /cipher suite TLS_AES_256_GCM_SHA384 was negotiated, which "tlsCiphers" does not allow$/,
  );
  assertEquals(listener.streams.left, []);
});

Deno.test("nodeTls.listen refuses a peer that speaks plain TCP, and serves the next one", async () => {
  await using listener = await TestListener.start(security);
  const plain = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  // The first bytes of a Dask message.
  await plain.write(Uint8Array.of(24, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0));
  const { reason } = await listener.refusals.next();
  assertMatch(reason.message, /refused: it does not speak TLS: did it dial tcp:\/\/ instead of tls:\/\/\?$/);
  plain.close();
  const stream = await listener.dial(security);
  await (await listener.streams.next()).close();
  await stream.close();
});

Deno.test("nodeTls.dial refuses a port that speaks plain TCP", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = server.accept().then(async (conn) => {
    await conn.write(Uint8Array.of(24, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0));
    return conn;
  });
  const error = await refusalOf(dialAs(security, server.addr.port));
  assertMatch(error.message, /refused: it does not speak TLS: a plain tcp:\/\/ port\?$/);
  assertEquals(error.final, true);
  (await serving).close();
});

Deno.test("nodeTls.dial may be tried again if the port closes in the middle of the handshake", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = server.accept().then(async (conn) => {
    await conn.read(new Uint8Array(4096));
    await conn.write(new Uint8Array([0x16, 3, 3, 0, 100, 2])); // the beginning of what a server says first
    conn.close();
  });
  const error = await refusalOf(dialAs(security, server.addr.port));
  assertMatch(error.message, /it closed the link during the TLS handshake/);
  assertEquals([error.side, error.final], ["peer", false]);
  await serving;
});

Deno.test("nodeTls.dial takes a port that closes without a word for no refusal", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  for (const isHeard of [false, true]) {
    const serving = server.accept().then(async (conn) => {
      if (isHeard) await conn.read(new Uint8Array(10)); // a reset, for the rest is not read
      conn.close();
    });
    const error = await assertRejects(
      () => dialAs(security, server.addr.port),
      Error,
      "before it said anything",
    );
    assertEquals(error instanceof TlsRefusedError, false);
    await serving;
  }
});

Deno.test("nodeTls.listen drops a silent peer after the handshake time-out, and serves others meanwhile", async () => {
  await using listener = await TestListener.start(security, 300);
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const stream = await listener.dial(security);
  const accepted = await listener.streams.next();
  const { reason } = await listener.refusals.next();
  assertMatch(reason.message, /refused: it did not complete the TLS handshake in time$/);
  assertEquals(await silent.read(new Uint8Array(1)), null);
  silent.close();
  // The time-out was the handshake's: a link that is up may be silent.
  await accepted.write([Uint8Array.of(1)]);
  assertEquals(await stream.read(), Uint8Array.of(1));
  await Promise.all([stream.close(), accepted.close()]);
});

Deno.test("TlsListener.close drops peers whose handshake is not complete", async () => {
  const listener = await TestListener.start(security);
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  // A complete handshake behind it shows that the silent one was accepted.
  const stream = await listener.dial(security);
  const accepted = await listener.streams.next();
  await listener[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  assertEquals(await silent.read(new Uint8Array(1)).catch(() => null), null);
  silent.close();
  await Promise.all([stream.close(), accepted.close()]);
});

Deno.test("nodeTls.listen survives peers that vanish at any moment of the handshake", async () => {
  await using listener = await TestListener.start(security);
  // A real client hello, cut off anywhere; ended or reset.
  const hello = await recordHello();
  for (const length of [0, 1, 5, 100, hello.length]) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    await conn.write(hello.subarray(0, length));
    conn.close();
    assertEquals((await listener.refusals.next()).reason.final, false);
  }
  const stream = await listener.dial(security);
  await (await listener.streams.next()).close();
  await stream.close();
});

async function recordHello(): Promise<Uint8Array> {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialling = dialAs(security, server.addr.port).catch(() => {});
  const conn = await server.accept();
  const buffer = new Uint8Array(16 * 1024);
  const length = await conn.read(buffer) ?? 0;
  conn.close();
  await dialling;
  return buffer.subarray(0, length);
}
