/**
 * Clusters on certificates which other people's tools made (`tests/vectors/certificates.json`), each in all
 * roles and with both versions of TLS.
 */

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import {
  CancelledError,
  type CertificateRule,
  Client,
  CommAuthError,
  Scheduler,
  type Security,
  type TlsRole,
  Worker,
} from "../../mod.ts";
import { TlsRefusedError } from "../../security/verdict.ts";
import { readPems } from "../../security/material/pem.ts";
import { fingerprint256, parseCertificate } from "../../security/x509/certificate.ts";
import { LogWatch } from "../../testing/logs.ts";
import { madeBy, madePairs } from "../../testing/pki/made_certificates.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { dialAs, readAll, TestListener } from "../../testing/tls_pair.ts";

const ALL = madePairs();

interface Running extends AsyncDisposable {
  readonly scheduler: Scheduler;
  readonly worker: Worker;
  readonly client: Client;
}

async function start(security: Security): Promise<Running> {
  await using cleanup = new AsyncDisposableStack();
  const stack = cleanup.use(new AsyncDisposableStack());
  const scheduler = stack.use(
    await Scheduler.start({ host: "127.0.0.1", port: 0, security, validate: true }),
  );
  const worker = stack.use(await Worker.start(scheduler.address, { nthreads: 1, security, validate: true }));
  const client = stack.use(await Client.connect(scheduler.address, { security }));
  cleanup.move();
  return { scheduler, worker, client, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("Certificates of other makers are all there, and hold for a lifetime", async () => {
  assertEquals(ALL.map(({ id }) => id.split("-")[0]).filter((maker, at, all) => all.indexOf(maker) === at), [
    "openssl",
    "cfssl",
    "step",
    "cert",
    "spire",
    "python",
  ]);
  for (const { id, ca, pairs } of ALL) {
    const texts = [ca, ...Object.values(pairs).map(({ cert }) => cert)].join("");
    for (const pem of (await readPems(id, texts)).certificates) {
      assert(parseCertificate(pem).validTo > new Date("2100-01-01"), id);
    }
  }
});

for (const made of ALL) {
  for (const version of ["1.2", "1.3"] as const) {
    Deno.test(`A cluster runs over TLS ${version} with certificates of ${made.id}`, async () => {
      const security = { ...made.security(), tlsMinVersion: version, tlsMaxVersion: version };
      await using cluster = await start(security);
      const { scheduler, worker, client } = cluster;
      const futures = client.map((x: number) => new Uint8Array(5000).fill(x), [1, 2]);
      assertEquals((await client.gather(futures)).map((bytes) => bytes[4999]), [1, 2]);
      for (const address of [scheduler.address, worker.address]) {
        const links = await client.links(address);
        assert(links.length > 0);
        for (const { tls } of links) assertEquals(tls?.protocol, `TLSv${version}`);
      }
      assertEquals(scheduler.identity().security?.refused.handshake, 0);
    });
  }

  Deno.test(`A role with certificates of ${made.id} refuses others, and is refused by them`, async () => {
    const others = await (await TestCa.make("stranger-ca")).security();
    await using ours = await TestListener.start(made.security());
    const intruder = await dialAs({ ...others, tlsCaFile: made.ca }, ours.port);
    assertEquals((await readAll(intruder)).length, 0);
    assertMatch(
      (await ours.refusals.next()).reason.message,
      /is signed by "CN=stranger-ca", which is not in "tlsCaFile"/,
    );
    assertEquals(ours.streams.left, []);
    await intruder.close();
    await using theirs = await TestListener.start(others);
    const error = await assertRejects(() => dialAs(made.security(), theirs.port), TlsRefusedError);
    assertEquals([error.side, error.final], ["here", true]);
    assertEquals(theirs.streams.left, []);
  });
}

Deno.test("Certificates without a subject are called by their other names in every refusal of a handshake", async () => {
  const own = await (await TestCa.make("own-ca")).security();
  for (
    const [id, name] of [
      ["cert-manager-uri", "URI:spiffe://cluster.local/ns/dask/sa/client"],
      ["cert-manager-dns", "DNS:dask-client.dask.svc"],
      ["spire", "O=SPIRE,C=US (URI:spiffe://example.org/dask/client)"],
    ] as const
  ) {
    const made = madeBy(id);
    // As the listener tells it, and as the dialler calls its own.
    await using listener = await TestListener.start(own);
    const { cert, key } = made.pair("client");
    const dialler = { tlsCaFile: own.tlsCaFile ?? "", tlsClientCert: cert, tlsClientKey: key };
    const told = dialAs({ ...dialler, tlsMaxVersion: "1.2" }, listener.port);
    assertStringIncludes(
      (await assertRejects(() => told, TlsRefusedError)).message,
      `our certificate "${name}"`,
    );
    const { reason } = await listener.refusals.next();
    assertStringIncludes(reason.message, `refused: its certificate "${name}" `);
  }
});

/** Rules by what tells the roles of a maker's certificates apart, and what they are called in logs. */
const RULED: readonly (readonly [
  id: string,
  pattern: (role: TlsRole) => Partial<CertificateRule>,
  name: (role: TlsRole) => string,
])[] = [
  [
    "cert-manager-uri",
    (role) => ({ uri: `spiffe://cluster.local/ns/*/sa/${role}` }),
    (role) => `URI:spiffe://cluster.local/ns/dask/sa/${role}`,
  ],
  [
    "cert-manager-dns",
    (role) => ({ dns: `dask-${role}.dask.svc.cluster.local` }),
    (role) => `DNS:dask-${role}.dask.svc`,
  ],
  [
    "spire",
    (role) => ({ uri: `spiffe://example.org/dask/${role}` }),
    (role) => `O=SPIRE,C=US (URI:spiffe://example.org/dask/${role})`,
  ],
  ["cfssl-ecdsa", (role) => ({ ou: role }), (role) => `CN=${role},OU=${role},O=acme`],
  ["step", (role) => ({ cn: role }), (role) => `CN=${role}`],
  [
    "cert-manager-ed25519",
    (role) => ({ fingerprint: fingerprintOf("cert-manager-ed25519", role) }),
    (role) => `CN=${role}`,
  ],
];

function fingerprintOf(id: string, role: TlsRole): string {
  return fingerprint256(parseCertificate(madeBy(id).pair(role).cert).raw);
}

/** Matches texts in this order. */
function words(...texts: readonly string[]): RegExp {
  return new RegExp(texts.map(RegExp.escape).join(".*"));
}

for (const [id, pattern, name] of RULED) {
  Deno.test(`authorization tells the roles of ${id} apart at both ends, and calls each by its name`, async () => {
    const made = madeBy(id);
    const rules = (["scheduler", "worker"] as const).map((role) => ({ ...pattern(role), role }));
    const authorization = {
      rules: [...rules, { ...pattern("client"), role: "client", access: "observe" }],
    } as const;
    const security = { ...made.security(), authorization };
    using log = new LogWatch();
    await using cluster = await start(security);
    const { scheduler, client } = cluster;

    // Who may look is told by name that it may do no more.
    const error = await assertRejects(() => client.submit((x: number) => x, 1).result(), CancelledError);
    assertStringIncludes(error.message, `the certificate "${name("client")}" is a client that may observe`);
    const peers = scheduler.identity().security?.peers.map((peer) => peer.name);
    assertEquals(new Set(peers), new Set([name("client"), name("worker")]));
    const links = await client.links(scheduler.address);
    assertEquals(new Set(links.map(({ tls }) => tls?.peer.name)), new Set(peers));

    // A worker's certificate is no scheduler's, at the dialler's end; and a client's registers no worker.
    const { cert, key } = made.pair("worker");
    const impostor = { ...made.security(), tlsSchedulerCert: cert, tlsSchedulerKey: key };
    await using fake = await Scheduler.start({ host: "127.0.0.1", port: 0, security: impostor });
    const mistaken = await assertRejects(() => Client.connect(fake.address, { security }), CommAuthError);
    assertStringIncludes(
      mistaken.message,
      `by "authorization" its certificate "${name("worker")}" is a worker, and a scheduler was expected`,
    );
    const pair = made.pair("client");
    const posing = { ...made.security(), tlsWorkerCert: pair.cert, tlsWorkerKey: pair.key };
    await assertRejects(() => Worker.start(scheduler.address, { nthreads: 1, security: posing }), Error);
    await log.line(
      words(
        'Refused "register-worker" of tls://127.0.0.1:',
        `the certificate "${name("client")}" is a client`,
      ),
    );
    assertEquals(scheduler.identity().n_workers, 1);

    // Whom no rule fits is refused by name.
    await scheduler.reloadSecurity({ ...security, authorization: { rules } });
    await log.line(
      words("Ended a link: ", `no rule of "authorization" fits its certificate "${name("client")}"`),
    );
    await assertRejects(() => Client.connect(scheduler.address, { security }), CommAuthError);
    await log.line(
      words("Refused a connection", `no rule of "authorization" fits its certificate "${name("client")}"`),
    );
  });
}
