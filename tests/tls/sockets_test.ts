/** Sockets and memory after peers that misbehave, and after roles that ended: all is as it was. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { connect, type TLSSocket } from "node:tls";
import type { Comm } from "../../comm/comm.ts";
import { CommClosed } from "../../comm/errors.ts";
import { handshakeInfo } from "../../comm/handshake.ts";
import { listen } from "../../comm/listen.ts";
import { encodeFrames } from "../../protocol/frames.ts";
import { encodeMessage } from "../../protocol/message.ts";
import { Client, CommAuthError } from "../../mod.ts";
import { loadTlsContext } from "../../security/live/context.ts";
import type { Security } from "../../security/security.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";
import { LogWatch } from "../../testing/logs.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { TestProcess } from "../../testing/processes.ts";
import { CAN_COUNT, SocketCount } from "../../testing/sockets.ts";
import { VERSIONS } from "../../testing/pki/strangers.ts";
import { dialAs, TestListener } from "../../testing/tls_pair.ts";

const MB = 2 ** 20;

/** The first bytes of a dialler, as they are on the wire. */
async function clientHello(security: Security): Promise<Uint8Array> {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialling = dialAs(security, server.addr.port).catch(() => {});
  using conn = await server.accept();
  const buffer = new Uint8Array(16 * 1024);
  const hello = buffer.slice(0, await conn.read(buffer) ?? 0);
  conn.close();
  await dialling;
  return hello;
}

Deno.test({
  name:
    "A thousand links that stop behind their client hello are ended in time, and leave sockets and memory as they were",
  ignore: !CAN_COUNT,
  fn: async () => {
    const hello = await clientHello(await (await TestCa.make()).security());
    const program = new URL("../../testing/fixtures/half_open_program.ts", import.meta.url).href;
    await using process = new TestProcess({
      command: [Deno.execPath(), "run", "-A", "--v8-flags=--expose-gc", program],
      name: "../../testing/fixtures/half_open_program.ts",
    });
    const [, port] = await process.line(/listening on (\d+)/, { stream: "stdout" });
    const measured: number[] = [];
    for (let count = 100; count <= 1000; count += 100) {
      await Promise.all(Array.from({ length: 100 }, async () => {
        using conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
        await conn.write(hello);
        const buffer = new Uint8Array(16 * 1024);
        // The listener hangs up by itself.
        while (await conn.read(buffer).catch(() => null) !== null);
      }));
      const [, bytes] = await process.line(new RegExp(`after ${count}: (\\d+) bytes`), { stream: "stdout" });
      measured.push(Number(bytes));
    }
    // The first hundreds take what the rest lives on.
    const [, , settled = 0] = measured;
    assert((measured.at(-1) ?? 0) - settled < MB / 2, `bytes: ${measured}`);
  },
});

Deno.test("Peers that send their client hello byte by byte have no more time than others", async () => {
  const security = await (await TestCa.make()).security();
  const hello = await clientHello(security);
  await using listener = await TestListener.start(security, 300);
  const sockets = new SocketCount();
  await Promise.all(Array.from({ length: 20 }, async () => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    let ended = false;
    const reading = conn.read(new Uint8Array(100)).catch(() => null).then(() => ended = true);
    let sent = 0;
    for (; sent < hello.length && !ended; sent++) {
      await conn.write(hello.subarray(sent, sent + 1)).catch(() => ended = true);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await reading;
    assert(sent < hello.length, "it was let go on for all of its client hello");
    assertMatch(
      (await listener.refusals.next()).reason.message,
      /did not complete the TLS handshake in time$/,
    );
  }));
  await sockets.assertSame("slow peers");
  const stream = await listener.dial(security);
  await (await listener.streams.next()).close();
  await stream.close();
});

/** Links two streams through somebody who can put bytes in between. */
async function throughMiddle(security: Security, listener: TestListener) {
  using proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialling = dialAs(security, proxy.addr.port);
  const outer = await proxy.accept();
  const inner = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const pipes = ([[outer, inner], [inner, outer]] as const).map(async ([from, to]) => {
    const buffer = new Uint8Array(65536);
    try {
      for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) {
        await to.write(buffer.subarray(0, n));
      }
    } catch {
      // One end is gone.
    }
  });
  const dialled = await dialling;
  const accepted = await listener.streams.next();
  const close = async (): Promise<void> => {
    outer.close();
    inner.close();
    await Promise.all(pipes);
  };
  return { dialled, accepted, outer, inner, close };
}

Deno.test("Bytes that somebody in the middle puts in end the link of whom they reach, and none of them is read", async () => {
  const security = await (await TestCa.make()).security();
  await using listener = await TestListener.start(security);
  const sockets = new SocketCount();
  // A record of a length that may be, one of another type, and what is no record at all.
  const forgeries = [[23, 3, 3, 0, 40, ...new Array<number>(40).fill(7)], [21, 3, 3, 0, 2, 1, 0], [
    71,
    69,
    84,
    32,
    47,
  ]];
  for (const forged of forgeries) {
    for (const victim of ["accepted", "dialled"] as const) {
      const { dialled, accepted, outer, inner, close } = await throughMiddle(security, listener);
      const ends = { dialled, accepted };
      await dialled.write([new TextEncoder().encode("before")]);
      assertEquals(new TextDecoder().decode(await accepted.read() ?? undefined), "before");
      await (victim === "accepted" ? inner : outer).write(Uint8Array.from(forged));
      const read = await ends[victim].read().then((bytes) => bytes, () => null);
      assertEquals(read, null);
      dialled.abort();
      accepted.abort();
      await Promise.all([dialled.close(), accepted.close()]);
      await close();
    }
  }
  await sockets.assertSame("forged records");
});

/** Hands out what a listener for comms takes and refuses. */
async function commListener(security: Security) {
  const comms: Comm[] = [];
  const refused: string[] = [];
  let happened = Promise.withResolvers<void>();
  const wake = () => {
    happened.resolve();
    happened = Promise.withResolvers();
  };
  const listener = await listen("tls://127.0.0.1:0", {
    context: await loadTlsContext(security, "scheduler"),
    limits: { handshakeTimeout: 300, acceptsPerSecond: 1e6 },
    onComm: (comm) => {
      comms.push(comm);
      wake();
    },
    onRefused: (reason) => {
      refused.push(reason instanceof Error ? reason.message : String(reason));
      wake();
    },
  });
  const port = Number(new URL(listener.contactAddress.replace("tls:", "http:")).port);
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await happened.promise;
  };
  return { listener, port, comms, refused, until };
}

/** With a good certificate: sends `bytes` once TLS is up, and waits until the other side hangs up. */
async function sendAndWait(
  port: number,
  security: Security,
  maxVersion: "TLSv1.2" | "TLSv1.3",
  bytes: Uint8Array,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket: TLSSocket = connect({
    host: "127.0.0.1",
    port,
    ca: security.tlsCaFile ?? "",
    cert: security.tlsClientCert ?? "",
    key: security.tlsClientKey ?? "",
    maxVersion,
    checkServerIdentity: () => undefined,
  });
  if (bytes.length > 0) socket.once("secureConnect", () => socket.write(bytes));
  socket.on("data", () => {});
  socket.on("error", () => {});
  socket.on("close", () => resolve());
  await promise;
}

const words = (...values: (number | bigint)[]) =>
  new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer);

/** First messages that are none, and what the log says of them. */
const FIRST_MESSAGES: readonly (readonly [what: string, bytes: Uint8Array, said: RegExp])[] = [
  [
    "garbage",
    crypto.getRandomValues(new Uint8Array(5000)).fill(0xff, 0, 8),
    /does not speak Dask's protocol/,
  ],
  [
    "a request over HTTP",
    new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    /does not speak Dask's protocol/,
  ],
  ["a frame of 2^60 bytes", words(16, 1, 2n ** 60n), /does not speak Dask's protocol|too l/],
  ["a frame of a megabyte", words(16, 1, MB), /does not speak Dask's protocol|too l/],
  ["2^62 frames", words(8, 2n ** 62n), /does not speak Dask's protocol|too m/],
  ["half a frame and then nothing", words(16, 1, 100), /no handshake message within 0\.3 s/],
  ["nothing", new Uint8Array(), /no handshake message within 0\.3 s/],
];

Deno.test("Peers whose certificate is good and whose first message is none are refused, and leave sockets and memory as they were", async () => {
  const security = await (await TestCa.make()).security();
  const { listener, port, comms, refused, until } = await commListener(security);
  try {
    const sockets = new SocketCount();
    const before = Deno.memoryUsage().rss;
    for (const [what, bytes, said] of FIRST_MESSAGES) {
      for (const version of VERSIONS) {
        const seen = refused.length;
        await Promise.all(Array.from({ length: 5 }, () => sendAndWait(port, security, version, bytes)));
        await until(() => refused.length >= seen + 5);
        for (const reason of refused.slice(seen)) assertMatch(reason, said, what);
      }
      await sockets.assertSame(what);
    }
    assertEquals(comms, []);
    assert(Deno.memoryUsage().rss - before < 64 * MB);
  } finally {
    await listener.close();
  }
});

Deno.test("Impossible lengths behind the first message end their link, and leave no socket open", async () => {
  const security = await (await TestCa.make()).security();
  const { listener, port, comms, until } = await commListener(security);
  try {
    const sockets = new SocketCount();
    const hello = encodeFrames(encodeMessage(handshakeInfo("tls://127.0.0.1:1", "tls://127.0.0.1:2", null)));
    const first = Uint8Array.from(hello.flatMap((chunk) => [...chunk]));
    for (
      const rest of [
        words(16, 1, 2n ** 60n),
        words(8, 2n ** 62n),
      ]
    ) {
      const ended = sendAndWait(port, security, "TLSv1.3", Uint8Array.from([...first, ...rest]));
      await until(() => comms.length > 0);
      await assertRejects(() => comms.pop()?.read() ?? Promise.resolve(), CommClosed);
      await ended;
      await sockets.assertSame("a bad message");
    }
  } finally {
    await listener.close();
  }
});

Deno.test("Clusters that were used, changed and closed leave no socket open", async () => {
  using _log = new LogWatch();
  const stranger = await (await TestCa.make("other-ca")).security();
  const sockets = new SocketCount();
  for (let round = 0; round < 3; round++) {
    await using cluster = await startCluster({ nWorkers: 3 });
    const { client, workers, scheduler, security } = cluster;
    const parts = client.map((x: number) => new Uint8Array(20_000).fill(x), [1, 2, 3, 4, 5, 6]);
    const sum = client.submit(
      (all: Uint8Array[]) => all.reduce((total, { length }) => total + length, 0),
      parts,
    );
    assertEquals(await sum.result(), 120_000);
    const other = await cluster.connect();
    await assertRejects(() => Client.connect(scheduler.address, { security: stranger }), CommAuthError);
    await workers[0]?.close();
    await client.retireWorkers({ names: ["w1"] });
    await scheduler.reloadSecurity(security);
    await other.close();
    assertEquals((await client.gather(parts)).length, 6);
    await cluster[Symbol.asyncDispose]();
    await sockets.assertSame(`round ${round}`);
  }
});
