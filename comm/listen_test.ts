import { assert, assertEquals, assertRejects } from "@std/assert";
import { pauseIfBusy } from "../internal/turns.ts";
import { loadTlsContext } from "../security/live/context.ts";
import { setLogLevel } from "../config/logging.ts";
import { SecurityError } from "../security/material/errors.ts";
import { Security } from "../security/security.ts";
import { encodeFrames } from "../protocol/frames.ts";
import { encodeMessage, MsgpackError } from "../protocol/message.ts";
import { Serialized } from "../protocol/serialized.ts";
import { PYTHON_HANDSHAKE, RawPeer, SCHEMES, sidesOf, tlsSides } from "../testing/links.ts";
import { LogWatch } from "../testing/logs.ts";
import { tlsTransport } from "../transport/tls/transport.ts";
import { type Clock, systemClock } from "../internal/clock.ts";
import type { Comm } from "./comm.ts";
import { connect, type ConnectOptions } from "./connect.ts";
import { AddressError, CommAuthError, CommClosed, CommTimeoutError } from "./errors.ts";
import { listen, type ListenOptions } from "./listen.ts";
import { acceptAll } from "../transport/tcp.ts";
import { parseAddress } from "./address.ts";

/** A listener that tells whom it took and whom it refused. */
async function watched(scheme: "tcp" | "tls", options: Partial<ListenOptions> = {}) {
  const { server, client } = await sidesOf(scheme);
  const comms: Comm[] = [];
  const refusals: string[] = [];
  let wake = Promise.withResolvers<void>();
  const happened = () => {
    wake.resolve();
    wake = Promise.withResolvers();
  };
  const listener = await listen(SCHEMES[scheme], {
    ...server,
    ...options,
    onComm: (comm) => {
      comms.push(comm);
      happened();
    },
    onRefused: (reason) => {
      refusals.push(reason instanceof Error ? reason.message : String(reason));
      happened();
    },
  });
  return {
    address: listener.contactAddress,
    listener,
    comms,
    refusals,
    async refused(count: number): Promise<void> {
      while (refusals.length < count) await wake.promise;
    },
    /** A good peer still gets through. */
    async stillServes(): Promise<void> {
      const before = comms.length;
      const comm = await connect(listener.contactAddress, client);
      while (comms.length === before) await wake.promise;
      await comm.write("hello");
      assertEquals(await comms.at(-1)?.read(), "hello");
      comm.abort();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const comm of comms) comm.abort();
      await listener.close();
      await Promise.all(comms.map((comm) => comm.close()));
    },
  };
}

/** Tries follow each other at once, and none is given up. */
const hurried = {
  clock: { ...systemClock, now: () => 0, sleep: () => Promise.resolve(), timer: () => () => {} },
} satisfies ConnectOptions;

const bytes = (...values: number[]) => new Uint8Array(values);

Deno.test("listen survives peers that are no peers, and serves the next one", async () => {
  await using watch = await watched("tcp");
  const clientHello = bytes(0x16, 3, 1, 0, 0xf4, 1, 0, 0, 0xf0, 3, 3);
  const http = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const tooMany = new Uint8Array(16).fill(0xff);
  const tooLong = bytes(16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10);
  const notMsgpack = bytes(17, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xc1);
  const garbage = [clientHello, http, tooMany, tooLong, notMsgpack];
  for (const [i, sent] of garbage.entries()) {
    using peer = await RawPeer.dial(watch.address);
    await peer.send(sent);
    await watch.refused(i + 1);
    await peer.read(); // the listener's handshake, if it got through
    assertEquals(await peer.read(), undefined, "the link is closed");
  }
  assert(watch.refusals[0]?.includes("speaks TLS"), watch.refusals[0]);
  for (const refusal of watch.refusals.slice(1)) {
    assert(refusal.includes("does not speak Dask's protocol"), refusal);
  }
  await watch.stillServes();
});

Deno.test("listen takes no offence at who looks whether a tls port is open, and says so at debug level", async () => {
  await using watch = await watched("tls");
  using log = new LogWatch();
  setLogLevel("distributed", "debug");
  try {
    (await RawPeer.dial(watch.address))[Symbol.dispose]();
    const line = await log.line(/came and went/);
    assert(/DEBUG - tls:\/\/127\.0\.0\.1:\d+ came and went without a word$/.test(line), line);
    await watch.stillServes();
    assertEquals(watch.refusals, []);
  } finally {
    setLogLevel("distributed", "info");
  }
});

Deno.test("listen refuses a first message that is no handshake", async () => {
  await using watch = await watched("tcp");
  for (const [i, first] of ["hello", ["list"], {}, { compression: 1, "pickle-protocol": 5 }].entries()) {
    using peer = await RawPeer.dial(watch.address);
    await peer.write(first);
    await watch.refused(i + 1);
  }
  assert(watch.refusals[2]?.includes("compression"), watch.refusals[2]);
  await watch.stillServes();
});

Deno.test("listen speaks first, as Dask's does", async () => {
  await using watch = await watched("tcp");
  using peer = await RawPeer.dial(watch.address);
  const first = await peer.read() as Record<string, unknown>;
  assertEquals(first, {
    compression: null,
    python: [0, 0, 0],
    "pickle-protocol": 5,
    javascript: { protocol: 1 },
  });
});

Deno.test("listen drops a peer that sends no handshake in time, and one that stops in the middle", async () => {
  await using watch = await watched("tcp", { limits: { handshakeTimeout: 50 } });
  using silent = await RawPeer.dial(watch.address);
  using half = await RawPeer.dial(watch.address);
  await half.send(bytes(32, 0, 0, 0));
  await watch.refused(2);
  for (const refusal of watch.refusals) {
    assert(refusal.includes("no handshake message within 0.05 s"), refusal);
  }
  await silent.read();
  assertEquals(await silent.read(), undefined);
  await watch.stillServes();
});

Deno.test("listen logs who was refused, why, and on which of several ports", async () => {
  for (const scheme of ["tcp", "tls"] as const) {
    using log = new LogWatch();
    await using watch = await watched(scheme, { limits: { handshakeTimeout: 50 } });
    using peer = await RawPeer.dial(watch.address);
    await peer.send(bytes(0x16, 3, 1, 0));
    const line = await log.line(/Refused a connection from t\w+:\/\/127\.0\.0\.1:\d+ on /);
    assert(line.includes(` on ${watch.address}: `), `${line} is of ${watch.address}`);
  }
});

Deno.test("listen over TLS says that a peer which ends the link after TLS may refuse its certificate", async () => {
  using log = new LogWatch();
  await using watch = await watched("tls");
  const { host, port = 0 } = parseAddress(watch.address);
  const { client } = await sidesOf("tls");
  const { context } = client;
  if (context === undefined) throw new Error("no certificates");
  const stream = await tlsTransport.dial({ hostname: host, port, context });
  await stream.close();
  await log.line(
    / Refused a connection from .*: the peer closed the connection after TLS, before it said anything: it went away, or refuses our certificate "CN=.*"; its log has the reason$/,
  );
});

Deno.test("listen over TLS drops silent peers in time and serves others meanwhile", async () => {
  await using watch = await watched("tls", { limits: { handshakeTimeout: 100 } });
  const { host, port = 0 } = parseAddress(watch.address);
  const silent = await Deno.connect({ hostname: host, port });
  await watch.stillServes();
  await watch.refused(1);
  assertEquals(await silent.read(new Uint8Array(10)).catch(() => null), null);
  silent.close();
});

Deno.test("connect without TLS to a TLS port says so", async () => {
  await using watch = await watched("tls");
  const plain = watch.address.replace("tls:", "tcp:");
  const error = await assertRejects(() => connect(plain, hurried), CommAuthError);
  assert(error.message.includes(`use "tls://" at both ends`), error.message);
  await watch.refused(1);
  await watch.stillServes();
});

Deno.test("connect with TLS to a plain port says so", async () => {
  await using watch = await watched("tcp");
  const { client } = await tlsSides();
  const tls = watch.address.replace("tcp:", "tls:");
  const error = await assertRejects(() => connect(tls, { ...client, ...hurried }), CommAuthError);
  assert(/plain|not speak TLS|tcp:\/\//.test(error.message), error.message);
  await watch.stillServes();
});

Deno.test("connect and listen refuse each other's certificates if the CA differs", async () => {
  await using watch = await watched("tls");
  const stranger = { context: await loadTlsContext(await Security.temporary(), "client") };
  await assertRejects(() => connect(watch.address, { ...stranger, ...hurried }), CommAuthError);
  await watch.refused(1);
  await watch.stillServes();
  assertEquals(watch.comms.length, 1);
});

Deno.test("connect tells the likely causes when the listener refuses its certificate", async () => {
  const [ours, theirs] = [await Security.temporary(), await Security.temporary()];
  const context = await loadTlsContext(ours, "scheduler");
  await using watch = await watched("tls", { context });
  const { tlsClientCert = "", tlsClientKey = "" } = theirs;
  const { tlsCaFile = "" } = ours;
  const stranger = { context: await loadTlsContext({ tlsCaFile, tlsClientCert, tlsClientKey }, "client") };
  const error = await assertRejects(() => connect(watch.address, { ...stranger, ...hurried }), CommAuthError);
  assert(/certificate/.test(error.message), error.message);
  await watch.refused(1);
  assertEquals(watch.comms, []);
});

Deno.test("connect and listen refuse plain text where encryption is required", async () => {
  const options = { requireEncryption: true };
  await assertRejects(() => connect("tcp://127.0.0.1:1", options), SecurityError, "encryption is required");
  await assertRejects(
    () => listen("tcp://127.0.0.1:0", { ...options, onComm: () => {} }),
    SecurityError,
    `Cannot listen on "tcp://127.0.0.1:0": encryption is required`,
  );
  await assertRejects(() => connect("127.0.0.1:1", options), SecurityError, "encryption is required");
  await using listener = await listen("inproc://", { ...options, onComm: (comm) => comm.abort() });
  (await connect(listener.contactAddress, options)).abort();
});

Deno.test("connect and listen take the requirement from the certificates' context", async () => {
  const { client } = await tlsSides();
  assertEquals(client.context?.requireEncryption, true);
  await assertRejects(() => connect("tcp://127.0.0.1:1", client), SecurityError, "encryption is required");
});

Deno.test("connect and listen need certificates for tls", async () => {
  await assertRejects(() => connect("tls://127.0.0.1:1"), SecurityError, "TLS needs certificates");
  await assertRejects(
    () => listen("tls://127.0.0.1:0", { onComm: () => {} }),
    SecurityError,
    "TLS needs certificates",
  );
});

Deno.test("connect refuses foreign schemes before it dials", async () => {
  await assertRejects(() => connect("ucx://127.0.0.1:1"), AddressError, "not supported");
});

Deno.test("connect tries a port where nobody listens until its time is over", async () => {
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  let now = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => now,
    sleep: (milliseconds) => Promise.resolve(void (now += milliseconds)),
    timer: () => () => {},
  };
  const error = await assertRejects(
    () => connect(`tcp://127.0.0.1:${port}`, { timeout: "1s", clock, random: () => 0.9 }),
    CommTimeoutError,
    "after 1 s",
  );
  assert(/refused/i.test(error.message), error.message);
});

Deno.test("connect gives up on a peer that never says a word", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted: Deno.Conn[] = [];
  const loop = acceptAll(() => silent.accept(), (conn) => accepted.push(conn), () => {});
  const error = await assertRejects(
    () => connect(`tcp://127.0.0.1:${silent.addr.port}`, { timeout: 100 }),
    CommTimeoutError,
  );
  assert(error.message.includes("no answer within"), error.message);
  loop.abort();
  silent.close();
  await loop.finished;
  for (const conn of accepted) conn.close();
});

Deno.test("connect rejects with the reason of its signal, before and while it dials", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const reason = new Error("no longer wanted");
  const controller = new AbortController();
  const accepting = silent.accept().then((conn) => {
    controller.abort(reason);
    return conn;
  });
  const address = `tcp://127.0.0.1:${silent.addr.port}`;
  await assertRejects(() => connect(address, { signal: controller.signal }), Error, "no longer wanted");
  (await accepting).close();
  await assertRejects(() => connect(address, { signal: controller.signal }), Error, "no longer wanted");
  silent.close();
});

Deno.test("connect's signal does not end a link that is up", async () => {
  await using watch = await watched("tcp");
  const controller = new AbortController();
  const comm = await connect(watch.address, { signal: controller.signal });
  controller.abort();
  await comm.write("still here");
  assertEquals(await watch.comms[0]?.read(), "still here");
  comm.abort();
});

Deno.test("connect to an inproc address where nobody listens fails at once", async () => {
  await assertRejects(() => connect("inproc://127.0.0.1/0/0"), CommClosed, "nobody listens there");
});

Deno.test("a hostile message costs its sender the link and nobody else", async () => {
  await using watch = await watched("tcp");
  const head = (count: bigint, ...lengths: bigint[]) =>
    new Uint8Array(new BigUint64Array([8n * BigInt(1 + lengths.length), count, ...lengths]).buffer);
  const hostile: [string, Uint8Array][] = [
    ["a frame of 2^60 bytes", head(1n, 2n ** 60n)],
    ["2^63 frames", head(2n ** 63n)],
    ["a million frames", head(1_000_000n)],
  ];
  const before = Deno.memoryUsage().rss;
  for (const [i, [what, sent]] of hostile.entries()) {
    using peer = await RawPeer.greet(watch.address);
    await peer.send(sent);
    await assertRejects(() => watch.comms[i]?.read() ?? Promise.resolve(), CommClosed, "dropped", what);
    assertEquals(await peer.read(), undefined, what);
  }
  const grown = Deno.memoryUsage().rss - before;
  assert(grown < 64 * 2 ** 20, `${grown} bytes more`);
  await watch.stillServes();
});

Deno.test("a frame that is announced and does not come takes no memory", async () => {
  await using watch = await watched("tcp");
  const before = Deno.memoryUsage().rss;
  using peer = await RawPeer.greet(watch.address);
  await peer.send(new Uint8Array(new BigUint64Array([16n, 1n, 2n ** 39n]).buffer));
  await peer.send(new Uint8Array(1000));
  const reading = assertRejects(
    () => watch.comms[0]?.read() ?? Promise.resolve(),
    CommClosed,
    "in the middle",
  );
  await watch.stillServes();
  assert(Deno.memoryUsage().rss - before < 128 * 2 ** 20);
  peer.close();
  await reading;
});

Deno.test("a message that ends halfway, and a peer that dies, are told from a close", async () => {
  await using watch = await watched("tcp");
  const wire = bytes(20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x61);
  const half = await RawPeer.greet(watch.address);
  await half.send(wire);
  half.close();
  await assertRejects(
    () => watch.comms[0]?.read() ?? Promise.resolve(),
    CommClosed,
    "in the middle of a message",
  );
  const whole = await RawPeer.greet(watch.address);
  whole.close();
  const error = await assertRejects(() => watch.comms[1]?.read() ?? Promise.resolve(), CommClosed);
  assert(!error.message.includes("middle"), error.message);
});

Deno.test("a message that ends halfway is told from a close over TLS, too", async () => {
  await using watch = await watched("tls");
  const { client } = await tlsSides();
  const { host, port = 0 } = parseAddress(watch.address);
  assert(client.context !== undefined);
  const stream = await tlsTransport.dial({ hostname: host, port, context: client.context });
  await stream.write(encodeFrames(encodeMessage(PYTHON_HANDSHAKE)));
  while (watch.comms.length === 0) await stream.read();
  await stream.write([bytes(20, 0, 0, 0, 0, 0, 0, 0, 1)]);
  const reading = assertRejects(
    () => watch.comms[0]?.read() ?? Promise.resolve(),
    CommClosed,
    "in the middle",
  );
  await Promise.all([stream.close(), reading]);
});

Deno.test("deep nesting is refused message by message", async () => {
  await using watch = await watched("tcp");
  using peer = await RawPeer.greet(watch.address);
  const deep = new Uint8Array(24 + 100_001).fill(0x91, 24);
  new DataView(deep.buffer).setBigUint64(0, 100_017n, true);
  new DataView(deep.buffer).setBigUint64(8, 1n, true);
  new DataView(deep.buffer).setBigUint64(16, 100_001n, true);
  deep[deep.length - 1] = 0xc0;
  await peer.send(deep);
  await assertRejects(() => watch.comms[0]?.read() ?? Promise.resolve(), MsgpackError, "deep");
  await peer.write("next");
  assertEquals(await watch.comms[0]?.read(), "next");
});

Deno.test("a comm that is aborted in a pause hands over nothing", async () => {
  await using watch = await watched("tcp");
  using peer = await RawPeer.greet(watch.address);
  await watch.stillServes(); // by then it was greeted
  const both = ["first", "second"].flatMap((message) =>
    encodeFrames(encodeMessage(message, { compression: null }))
  );
  await peer.send(new Uint8Array(await new Blob(both as BlobPart[]).arrayBuffer())); // at once: the second one is there
  const comm = watch.comms[0] as Comm;
  assertEquals(await comm.read(), "first");
  while (pauseIfBusy() === undefined);
  const reading = comm.read();
  comm.abort();
  await assertRejects(() => reading, CommClosed, "aborted by this side");
});

Deno.test("listen holds peers to the limits that it was given", async () => {
  await using watch = await watched("tcp", {
    limits: { messageDepth: 16, messageFrames: 20, messageBytes: 70_000, messageValues: 1000 },
  });
  const nested = (depth: number): unknown => depth === 0 ? 1 : [nested(depth - 1)];
  using deep = await RawPeer.greet(watch.address);
  await deep.write(nested(17));
  await assertRejects(() => watch.comms[0]?.read() ?? Promise.resolve(), MsgpackError, "deeper than 16");
  await deep.write(nested(16));
  assertEquals(await watch.comms[0]?.read(), nested(16));
  // A byte each, and some fifty in memory.
  await deep.write([Array(400).fill({}), Array(599).fill(null)]);
  await assertRejects(
    () => watch.comms[0]?.read() ?? Promise.resolve(),
    MsgpackError,
    "more than 1000 values",
  );
  await deep.write([Array(400).fill({}), Array(598).fill(null)]);
  assertEquals((await watch.comms[0]?.read() as unknown[]).length, 2);

  const payloads = (count: number) => Array.from({ length: count }, () => new Serialized({}, []));
  using many = await RawPeer.greet(watch.address);
  await many.write(payloads(19));
  assertEquals((await watch.comms[1]?.read() as unknown[]).length, 19);
  await many.write(payloads(20));
  await assertRejects(
    () => watch.comms[1]?.read() ?? Promise.resolve(),
    CommClosed,
    "at most 20 are allowed",
  );

  using large = await RawPeer.greet(watch.address);
  await large.write("x".repeat(70_000));
  await assertRejects(
    () => watch.comms[2]?.read() ?? Promise.resolve(),
    CommClosed,
    "at most 70000 are allowed",
  );
  await watch.stillServes();
});

Deno.test("listen over TLS keeps out a host that opens too many links, and counts how often", async () => {
  const { server } = await tlsSides();
  const { context } = server;
  await using watch = await watched("tls", { limits: { handshakesPerHost: 2 } });
  const { host, port = 0 } = parseAddress(watch.address);
  const open = () => Deno.connect({ hostname: host, port });
  using _first = await open();
  using _second = await open();
  const before = context?.refusals.keptOut ?? 0;
  using third = await open();
  assertEquals(await third.read(new Uint8Array(10)).catch(() => null), null);
  assertEquals([context?.refusals.keptOut, watch.refusals], [before + 1, []]);
});

Deno.test("a herd of dials that a TLS listener keeps out at first all become comms", async () => {
  const { client } = await tlsSides();
  await using watch = await watched("tls", { limits: { handshakesPerHost: 1 } });
  const { host, port = 0 } = parseAddress(watch.address);
  const first = await Deno.connect({ hostname: host, port });
  const herd = 12;
  let pauses = 0;
  const sleep = () => {
    if (++pauses === herd * 5) first.close();
    return Promise.resolve();
  };
  const clock = { ...hurried.clock, sleep };
  const comms = await Promise.all(
    Array.from({ length: herd }, () => connect(watch.address, { ...client, clock })),
  );
  for (const comm of comms) comm.abort();
  assert(pauses >= herd * 5);
});

Deno.test("Listener closes once, keeps accepted comms, and drops handshakes that wait", async () => {
  const watch = await watched("tcp");
  const comm = await connect(watch.address);
  using waiting = await RawPeer.dial(watch.address);
  await waiting.read();
  await watch.listener.close();
  await watch.listener.close();
  assertEquals(await waiting.read(), undefined);
  await comm.write("alive");
  assertEquals(await watch.comms[0]?.read(), "alive");
  comm.abort();
  assertEquals(watch.refusals, []);
  await watch[Symbol.asyncDispose]();
});

Deno.test("listen ends with its signal", async () => {
  const controller = new AbortController();
  const listener = await listen("tcp://127.0.0.1:0", { signal: controller.signal, onComm: () => {} });
  controller.abort();
  await listener.close();
  const { port = 0 } = parseAddress(listener.listenAddress);
  await assertRejects(() => Deno.connect({ hostname: "127.0.0.1", port }));
  await assertRejects(() => listen("tcp://127.0.0.1:0", { signal: controller.signal, onComm: () => {} }));
});

Deno.test("listen tells concrete contact addresses for wildcards", async () => {
  await using listener = await listen("tcp://0.0.0.0:0", { contactHost: "10.0.0.9", onComm: () => {} });
  const { port } = parseAddress(listener.listenAddress);
  assertEquals(listener.listenAddress, `tcp://0.0.0.0:${port}` as never);
  assertEquals(listener.contactAddress, `tcp://10.0.0.9:${port}` as never);
});

for (const scheme of ["tcp", "tls"] as const) {
  Deno.test(`listen over ${scheme} tells a port that is taken from an address that is not there`, async () => {
    const { server } = await sidesOf(scheme);
    const options = { ...server, onComm: () => {} };
    await using first = await listen(SCHEMES[scheme], options);
    const taken = first.listenAddress;
    await assertRejects(() => listen(taken, options), Deno.errors.AddrInUse, `Cannot listen on "${taken}"`);
    const elsewhere = `${scheme}://192.0.2.1:0`;
    await assertRejects(() => listen(elsewhere, options), AddressError, `Cannot listen on "${elsewhere}"`);
  });
}

Deno.test("a handler of comms that throws costs the comm, not the listener", async () => {
  let first = true;
  const taken = Promise.withResolvers<Comm>();
  await using listener = await listen("tcp://127.0.0.1:0", {
    onComm: (comm) => {
      if (!first) return taken.resolve(comm);
      first = false;
      throw new Error("not this one");
    },
  });
  const dropped = await connect(listener.contactAddress);
  await assertRejects(() => dropped.read(), CommClosed);
  const kept = await connect(listener.contactAddress);
  await kept.write(1);
  const comm = await taken.promise;
  assertEquals(await comm.read(), 1);
  kept.abort();
  comm.abort();
});

Deno.test("acceptAll goes on after errors such as too many open files, with longer pauses", async () => {
  const outcomes: (Error | string)[] = [
    new Error("EMFILE"),
    new Error("EMFILE"),
    "peer",
    new Error("EMFILE"),
    "next",
  ];
  const accepted: string[] = [];
  const errors: unknown[] = [];
  const done = Promise.withResolvers<void>();
  const accept = (): Promise<string> => {
    const outcome = outcomes.shift();
    if (outcome === undefined) {
      done.resolve();
      return Promise.withResolvers<string>().promise;
    }
    return typeof outcome === "string" ? Promise.resolve(outcome) : Promise.reject(outcome);
  };
  const loop = acceptAll(accept, (peer) => accepted.push(peer), (error) => errors.push(error), [1, 4]);
  await done.promise;
  assertEquals(accepted, ["peer", "next"]);
  assertEquals(errors.length, 3);
  loop.abort();
});
