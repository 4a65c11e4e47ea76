/**
 * Peers that must be refused, at real roles: nothing that they say is heard, no task of theirs runs, the log
 * and the counters tell of each, and no socket is left open.
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { CancelledError, Client, CommAuthError, Scheduler, Worker } from "../../mod.ts";
import { handshakeInfo } from "../../comm/handshake.ts";
import { encodeFrames } from "../../protocol/frames.ts";
import { encodeMessage } from "../../protocol/message.ts";
import { parseCertificate } from "../../security/x509/certificate.ts";
import { LogWatch } from "../../testing/logs.ts";
import {
  expired,
  notYetValid,
  TestCa,
  type TestCertificateOptions,
  type TestPair,
} from "../../testing/pki/pki.ts";
import { RuledPki } from "../../testing/pki/rules.ts";
import { SocketCount } from "../../testing/sockets.ts";
import { selfSigned, Stranger, strangerDials, VERSIONS } from "../../testing/pki/strangers.ts";

const LOCAL = { host: "127.0.0.1", port: 0, validate: true };

function flat(chunks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}

/** Hears from tasks that run. */
class Canary implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly port: number = this.#listener.addr.port;

  /** What the next task says. */
  async next(): Promise<string> {
    using conn = await this.#listener.accept();
    const buffer = new Uint8Array(100);
    return new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

/** A task that says `word` to the canary at `port`. */
const sing = async (port: number, word: string): Promise<void> => {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode(word));
  conn.close();
};

/** Passes bytes on until either end is gone, and shows them. */
async function pipe(from: Deno.Conn, to: Deno.Conn, show: (bytes: Uint8Array) => void): Promise<void> {
  const buffer = new Uint8Array(65536);
  try {
    for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
      show(buffer.slice(0, n));
      for (let rest = buffer.subarray(0, n); rest.length > 0;) rest = rest.subarray(await to.write(rest));
    }
    await to.closeWrite();
  } catch {
    // The other direction met its end first.
  }
}

/** All that an honest client says to a scheduler, from its handshake to a task that says `word`. */
async function recordedSession(canary: Canary, word: string): Promise<Uint8Array> {
  await using scheduler = await Scheduler.start({ ...LOCAL, protocol: "tcp" });
  const target = Number(new URL(scheduler.address.replace("tcp:", "http:")).port);
  const proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connecting = Client.connect(`tcp://127.0.0.1:${proxy.addr.port}`);
  using outer = await proxy.accept(); // the stream is a client's first link
  using inner = await Deno.connect({ hostname: "127.0.0.1", port: target });
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  let said = "";
  const pipes = [
    pipe(outer, inner, (bytes) => {
      for (const byte of bytes) said += String.fromCharCode(byte);
      if (said.includes("update-graph")) resolve(Uint8Array.from(said, (char) => char.charCodeAt(0)));
    }),
    pipe(inner, outer, () => {}),
  ];
  const client = await connecting;
  client.submit(sing, canary.port, word);
  const words = await promise;
  await client.close();
  proxy.close();
  await Promise.all(pipes);
  return words;
}

interface Setting {
  readonly pki: RuledPki;
  readonly other: TestCa;
  /** A user's and a scheduler's. */
  readonly revoked: Readonly<Record<"users" | "schedulers", TestPair>>;
}

async function makeSetting(): Promise<Setting> {
  const pki = await RuledPki.make();
  const [users, schedulers] = [await pki.pair("users", "revoked"), await pki.pair("schedulers", "revoked")];
  return { pki, other: await TestCa.make("other-ca"), revoked: { users, schedulers } };
}

function serialsOf({ revoked }: Setting): string[] {
  return Object.values(revoked).map(({ cert }) => parseCertificate(cert).serial);
}

/** A user's certificate, wrong in one way; what the log says of it, and which counter it is in. */
type Bad = readonly [
  what: string,
  pair: (setting: Setting) => Promise<Partial<TestPair>>,
  said: RegExp,
  counter: "handshake" | "revoked" | "unauthorized" | "operation",
];

const of = (unit: string): TestCertificateOptions => ({
  subject: [["O", "test"], ["OU", unit], ["CN", "mallory"]],
});
const user = of("users");
const issued = (unit: string, more: TestCertificateOptions) => ({ pki }: Setting) =>
  pki.ca.issue("mallory", { ...of(unit), ...more });

const BAD: readonly Bad[] = [
  ["no certificate", () => Promise.resolve({}), /it showed no certificate/, "handshake"],
  ["another CA", ({ other }) => other.issue("mallory", user), /is signed by "CN=other-ca"/, "handshake"],
  ["an expired certificate", issued("users", expired()), /has expired on/, "handshake"],
  ["a certificate of tomorrow", issued("users", notYetValid()), /is not valid before/, "handshake"],
  ["an X.509 v1 certificate", issued("users", { version: 1 }), /is X\.509 v1/, "handshake"],
  [
    "a server's certificate",
    issued("users", { usages: ["serverAuth"] }),
    /may not be used as a client's/,
    "handshake",
  ],
  ["a self-signed certificate", () => selfSigned("mallory"), /is self-signed/, "handshake"],
  [
    "an issuer that is no CA",
    async ({ pki }) => {
      const intermediate = await pki.ca.intermediate("no-ca", { ca: false });
      const { cert, key } = await intermediate.issue("mallory", user);
      return { cert: cert + intermediate.pem, key };
    },
    /is signed by "CN=no-ca", which is no CA/,
    "handshake",
  ],
  [
    "a missing intermediate CA",
    async ({ pki }) => await (await pki.ca.intermediate("middle")).issue("mallory", user),
    /is signed by "CN=middle", which is not in "tlsCaFile"/,
    "handshake",
  ],
  [
    "no rule",
    ({ pki }) => pki.pair("strangers"),
    /no rule of "authorization" fits its certificate/,
    "unauthorized",
  ],
  [
    "a worker's certificate",
    ({ pki }) => pki.pair("workers"),
    /Refused "register-client" .* is a worker/,
    "operation",
  ],
  [
    "a revoked certificate",
    ({ revoked }) => Promise.resolve(revoked.users),
    /is revoked by "tlsRevoked"/,
    "revoked",
  ],
];

Deno.test("A scheduler hears nothing of whom it must refuse: no task runs, each is logged and counted, no socket stays", async () => {
  using canary = new Canary();
  await using stack = new AsyncDisposableStack();
  const setting = await makeSetting();
  const { pki } = setting;
  const words = await recordedSession(canary, "replayed");
  using log = new LogWatch();
  const scheduler = stack.use(
    await Scheduler.start({
      ...LOCAL,
      // Refusals cost their host so much that the rest of a test would be kept out.
      limits: { acceptsPerSecond: 1e6 },
      security: { ...await pki.security("schedulers"), tlsRevoked: serialsOf(setting) },
    }),
  );
  const worker = stack.use(
    await Worker.start(scheduler.address, {
      nthreads: 1,
      security: await pki.security("workers"),
      validate: true,
    }),
  );
  const port = Number(new URL(scheduler.address.replace("tls:", "http:")).port);
  const sockets = new SocketCount(() => scheduler.links().length + worker.links().length);

  // The words are good: whoever may say them has a task run. It would hang up only by itself.
  const good = strangerDials(port, await pki.pair("users"), "TLSv1.3", { words, until: /key-in-memory/ });
  assertEquals(await canary.next(), "replayed");
  await good;
  await log.line(/Remove client/);

  for (const [what, make, said, counter] of BAD) {
    const pair = await make(setting);
    const count = () => scheduler.identity().security?.refused[counter] ?? 0;
    const seen = count();
    let nth = 0;
    for (const version of VERSIONS) {
      for (let i = 0; i < 3; i++) {
        await strangerDials(port, pair, version, { words });
        const line = await log.line(said, ++nth);
        assertEquals(/ - WARNING - Refused /.test(line), true, line);
      }
    }
    assertEquals(count(), seen + nth, what);
    await sockets.assertSame(what);
  }
  assertEquals(log.lines.filter((line) => line.includes("Receive client connection")).length, 1);

  // Who may look only has its task cancelled.
  const watcher = await Client.connect(scheduler.address, { security: await pki.security("watchers") });
  await assertRejects(() => watcher.submit(sing, canary.port, "watched").result(), CancelledError);
  await watcher.close();

  // The next task that is heard is the next honest one.
  const client = await Client.connect(scheduler.address, { security: await pki.security("users") });
  const honest = client.submit(sing, canary.port, "honest");
  assertEquals(await canary.next(), "honest");
  await honest.result();
  await client.close();
  await sockets.assertSame("clients came and went");
});

Deno.test("A worker gives no result to whom it must refuse, and leaves no socket open", async () => {
  await using stack = new AsyncDisposableStack();
  const setting = await makeSetting();
  const { pki } = setting;
  const scheduler = stack.use(
    await Scheduler.start({ ...LOCAL, security: await pki.security("schedulers") }),
  );
  const worker = stack.use(
    await Worker.start(scheduler.address, {
      nthreads: 1,
      limits: { acceptsPerSecond: 1e6 },
      security: { ...await pki.security("workers"), tlsRevoked: serialsOf(setting) },
    }),
  );
  const client = stack.use(
    await Client.connect(scheduler.address, { security: await pki.security("users") }),
  );
  const future = client.submit((text: string) => text + text, "secret");
  await future.result();
  const port = Number(new URL(worker.address.replace("tls:", "http:")).port);
  const words = flat(
    [handshakeInfo(worker.address, worker.address, null), { op: "get_data", keys: [future.key], who: null }]
      .flatMap((message) => encodeFrames(encodeMessage(message))),
  );
  const sockets = new SocketCount(() => scheduler.links().length + worker.links().length);
  const talk = { words, until: /secretsecret|PermissionError/ };
  assertMatch(await strangerDials(port, await pki.pair("users"), "TLSv1.3", talk), /secretsecret/);
  assertMatch(await strangerDials(port, await pki.pair("watchers"), "TLSv1.3", talk), /PermissionError/);
  for (const [what, make, , counter] of BAD) {
    if (counter === "operation") continue; // workers give each other results
    const pair = await make(setting);
    for (const version of VERSIONS) assertEquals(await strangerDials(port, pair, version, talk), "", what);
    await sockets.assertSame(what);
  }
});

/** Certificates of schedulers that clients and workers must refuse. */
const BAD_SCHEDULERS: readonly (readonly [what: string, pair: (setting: Setting) => Promise<TestPair>])[] = [
  ["another CA", ({ other }) => other.issue("mallory", of("schedulers"))],
  ["an expired certificate", issued("schedulers", expired())],
  ["a certificate of tomorrow", issued("schedulers", notYetValid())],
  ["an X.509 v1 certificate", issued("schedulers", { version: 1 })],
  ["a client's certificate", issued("schedulers", { usages: ["clientAuth"] })],
  ["a self-signed certificate", () => selfSigned("mallory")],
  [
    "a missing intermediate CA",
    async ({ pki }) => (await pki.ca.intermediate("middle")).issue("x", of("schedulers")),
  ],
  ["no rule", ({ pki }) => pki.pair("strangers")],
  ["a worker's role", ({ pki }) => pki.pair("workers")],
  ["a client's role", ({ pki }) => pki.pair("admins")],
  ["a revoked certificate", ({ revoked }) => Promise.resolve(revoked.schedulers)],
];

Deno.test("Clients and workers refuse a scheduler with a bad certificate, tell it nothing, and leave no socket open", async () => {
  const setting = await makeSetting();
  const { pki } = setting;
  const more = { tlsRevoked: serialsOf(setting) };
  const asClient = { ...await pki.security("users"), ...more };
  const asWorker = { ...await pki.security("workers"), ...more };
  const sockets = new SocketCount();
  for (const [what, make] of BAD_SCHEDULERS) {
    for (const maxVersion of VERSIONS) {
      {
        await using stranger = await Stranger.start({ ...await make(setting), maxVersion });
        const address = `tls://127.0.0.1:${stranger.port}`;
        for (
          const start of [
            () => Client.connect(address, { security: asClient }),
            () => Worker.start(address, { nthreads: 1, security: asWorker }),
          ]
        ) {
          const error = await assertRejects(start, CommAuthError);
          assertEquals(error.code, "COMM_AUTH");
          assertMatch(error.message, /^Cannot connect to "tls:.* refused: /);
        }
        assertEquals(stranger.heard, [], what);
      }
      await sockets.assertSame(what);
    }
  }
});
