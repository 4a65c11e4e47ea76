import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import type { ByteStream } from "../byte_stream.ts";
import { readAll, StreamPair, TestListener } from "../../testing/tls_pair.ts";
import { Security } from "../../security/security.ts";

const security = await Security.temporary();
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Both directions: a dialled end reads by other means than an accepted one. */
function directions(
  { dialled, accepted }: StreamPair,
): readonly (readonly [string, ByteStream, ByteStream])[] {
  return [["to the dialled end", accepted, dialled], ["to the accepted end", dialled, accepted]];
}

/** Bytes without a period that a buffer's length could hide. */
function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function sha(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

Deno.test("NodeStream carries many chunks in order, both ways, and then the end", async () => {
  await using pair = await StreamPair.make(security);
  for (const [way, from, to] of directions(pair)) {
    const sent = Array.from({ length: 50 }, (_, i) => encoder.encode(`${way} ${i};`));
    const writes = [
      from.write(sent.slice(0, 20)),
      from.write(sent.slice(20, 21)),
      from.write(sent.slice(21)),
    ];
    let text = "";
    while (!text.endsWith(";") || text.split(";").length <= 50) {
      text += decoder.decode(await to.read() ?? undefined);
    }
    await Promise.all(writes);
    assertEquals(text, sent.map((chunk) => decoder.decode(chunk)).join(""));
  }
  const closing = pair.dialled.close();
  assertEquals(await pair.accepted.read(), null);
  assertEquals(await pair.accepted.read(), null);
  await closing;
});

Deno.test("NodeStream carries 32 MiB unharmed past a reader that is slower than the writer", async () => {
  await using pair = await StreamPair.make(security);
  const half = pattern(16 * 1024 * 1024);
  const parts = [half.subarray(0, 5), half.subarray(5, 70_000), half.subarray(70_000), half];
  for (const [way, from, to] of directions(pair)) {
    const written = from.write(parts);
    const hash = createHash("sha256");
    for (let length = 0; length < 2 * half.length;) {
      const chunk = await to.read();
      assert(chunk !== null, way);
      // Other turns of the loop between receiving a chunk and using it: it must not change meanwhile.
      const before = sha(chunk);
      await new Promise((resolve) => setImmediate(resolve));
      assertEquals(sha(chunk), before, way);
      hash.update(chunk);
      length += chunk.length;
    }
    await written;
    assertEquals(hash.digest("hex"), createHash("sha256").update(half).update(half).digest("hex"), way);
  }
});

Deno.test("NodeStream.write waits for the reader: back-pressure", async () => {
  await using pair = await StreamPair.make(security);
  await using other = await StreamPair.make(security);
  for (const [way, from, to] of directions(pair)) {
    const big = new Uint8Array(64 * 1024 * 1024);
    let written = false;
    const write = from.write([big]).then(() => written = true);
    let length = (await to.read())?.length ?? 0;
    // The clock of this test: so many round trips elsewhere take longer than the write would without
    // back-pressure.
    const byte = Uint8Array.of(1);
    for (let i = 0; i < 3000; i++) {
      await other.dialled.write([byte]);
      await other.accepted.read();
    }
    assertEquals(written, false, way);
    while (length < big.length) length += (await to.read())?.length ?? 0;
    await write;
  }
});

Deno.test("NodeStream.close sends what was written before it ends", async () => {
  for (const side of ["dialled", "accepted"] as const) {
    await using pair = await StreamPair.make(security);
    const from = pair[side];
    const to = side === "dialled" ? pair.accepted : pair.dialled;
    const bytes = pattern(3_000_000);
    const write = from.write([bytes]);
    const closed = from.close();
    assertEquals(sha(await readAll(to)), sha(bytes));
    await write;
    await closed;
    await from.close();
  }
});

Deno.test("NodeStream.close ends although a peer sends on and never reads", async () => {
  await using pair = await StreamPair.make(security);
  const flood = pair.accepted.write([new Uint8Array(8 * 1024 * 1024)]).catch(() => {});
  await pair.dialled.close();
  await assertRejects(() => pair.dialled.read(), Error, "closed by this side");
  await assertRejects(() => pair.dialled.write([new Uint8Array(1)]), Error, "closed by this side");
  await flood;
});

Deno.test("NodeStream.abort rejects what waits here and ends the peer's link", async () => {
  for (const side of ["dialled", "accepted"] as const) {
    await using pair = await StreamPair.make(security);
    const from = pair[side];
    const to = side === "dialled" ? pair.accepted : pair.dialled;
    const reading = assertRejects(() => from.read(), Error, "aborted by this side");
    const writing = assertRejects(() => from.write([new Uint8Array(64 * 1024 * 1024)]), Error);
    from.abort();
    from.abort();
    await reading;
    await writing;
    await assertRejects(() => from.write([new Uint8Array(1)]), Error);
    await to.close();
  }
});

Deno.test("NodeStream refuses a second reader", async () => {
  await using pair = await StreamPair.make(security);
  const first = pair.dialled.read();
  await assertRejects(() => pair.dialled.read(), TypeError, "Two reads");
  await pair.accepted.write([encoder.encode("x")]);
  assertEquals(decoder.decode(await first ?? undefined), "x");
});

Deno.test("NodeStream writes nothing for no chunks", async () => {
  await using pair = await StreamPair.make(security);
  await pair.dialled.write([]);
  await pair.dialled.write([new Uint8Array(0), new Uint8Array(0)]);
  await pair.dialled.write([encoder.encode("x")]);
  assertEquals(decoder.decode(await pair.accepted.read() ?? undefined), "x");
});

Deno.test("NodeStream tells who is at the other end", async () => {
  await using pair = await StreamPair.make(security);
  const { dialled, accepted } = pair;
  assertEquals(dialled.remoteAddr, accepted.localAddr);
  assertEquals(accepted.remoteAddr, dialled.localAddr);
  assertEquals(dialled.tls?.peer.subject, "CN=scheduler,O=dask-internal");
  assertEquals(accepted.tls?.peer.subject, "CN=client,O=dask-internal");
  assertMatch(dialled.tls?.peer.fingerprint256 ?? "", /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  assertEquals([dialled.tls?.protocol, dialled.tls?.cipher], ["TLSv1.3", "TLS_AES_256_GCM_SHA384"]);
});

Deno.test("nodeTls.dial gives up by its signal, before, during and not after", async () => {
  const reason = new Error("changed my mind");
  await using listener = await TestListener.start(security);
  await assertRejects(() => listener.dial(security, AbortSignal.abort(reason)), Error, "changed my mind");
  // A port that accepts and says nothing.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = silent.accept();
  const controller = new AbortController();
  const { loadTlsContext } = await import("../../security/live/context.ts");
  const { nodeTls } = await import("./node_tls.ts");
  const context = await loadTlsContext(security, "client");
  const { hostname, port } = silent.addr;
  const dialled = nodeTls.dial({ hostname, port, context, signal: controller.signal });
  const link = await accepted;
  controller.abort(reason);
  assertEquals(await dialled.catch((error: unknown) => error), reason);
  link.close();
  // After: the link stays.
  const late = new AbortController();
  const stream = await listener.dial(security, late.signal);
  late.abort(reason);
  const peer = await listener.streams.next();
  await peer.write([encoder.encode("x")]);
  assertEquals(decoder.decode(await stream.read() ?? undefined), "x");
  await Promise.all([stream.close(), peer.close()]);
});

Deno.test("nodeTls.dial finds a listener by name, and tells when nobody listens", async () => {
  const { loadTlsContext } = await import("../../security/live/context.ts");
  const { nodeTls } = await import("./node_tls.ts");
  const context = await loadTlsContext(security, "client");
  let port: number;
  {
    await using listener = await TestListener.start(security);
    port = listener.port;
    const stream = await nodeTls.dial({ hostname: "localhost", port, context });
    const peer = await listener.streams.next();
    await Promise.all([stream.close(), peer.close()]);
  }
  const error = await assertRejects(() => nodeTls.dial({ hostname: "127.0.0.1", port, context }), Error);
  assertMatch(error.message, new RegExp(`^Cannot connect to "127\\.0\\.0\\.1:${port}": .*refused`, "i"));
  assertEquals("code" in error && error.code, "ECONNREFUSED");
});

Deno.test("nodeTls.listen tells when the port is taken", async () => {
  await using listener = await TestListener.start(security);
  const { loadTlsContext } = await import("../../security/live/context.ts");
  const { nodeTls } = await import("./node_tls.ts");
  const context = await loadTlsContext(security, "scheduler");
  const taken = {
    hostname: "127.0.0.1",
    port: listener.port,
    context,
    onConnection: () => {},
    onRefused: () => {},
  };
  await assertRejects(() => nodeTls.listen(taken), Error, `Cannot listen on "127.0.0.1:${listener.port}"`);
});

Deno.test("TlsListener.close leaves accepted links alone", async () => {
  // `StreamPair.make` closes the listener before the pair is used.
  await using pair = await StreamPair.make(security);
  await pair.dialled.write([encoder.encode("x")]);
  assertEquals(decoder.decode(await pair.accepted.read() ?? undefined), "x");
});

Deno.test("NodeStream sends the whole of a large write that is under way when it is closed, and what came after", async () => {
  await using pair = await StreamPair.make(security);
  for (const [way, from, to] of directions(pair).slice(0, 1)) {
    const large = pattern(5 * 1024 * 1024);
    const last = encoder.encode("last");
    const written = Promise.all([from.write([large]), from.write([last])]);
    const closing = from.close();
    const got = await readAll(to);
    await written;
    assertEquals(got.length, large.length + last.length, way);
    assertEquals(sha(got.subarray(0, large.length)), sha(large));
    assertEquals(decoder.decode(got.subarray(large.length)), "last");
    await Promise.all([closing, to.close()]);
  }
});
