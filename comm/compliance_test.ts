import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { Serialized } from "../protocol/serialized.ts";
import { LinkPair, type SCHEMES } from "../testing/links.ts";
import type { Comm } from "./comm.ts";
import { CommClosed } from "./errors.ts";

/** What holds for every kind of link. */
function testComm(scheme: keyof typeof SCHEMES): void {
  const test = (name: string, body: (pair: LinkPair) => Promise<void>): void => {
    Deno.test(`Comm over ${scheme} ${name}`, async () => {
      await using pair = await LinkPair.make(scheme);
      await body(pair);
    });
  };

  test("knows its ends and what the other one said first", ({ client, server }) => {
    assertEquals(client.localAddress.split("://")[0], scheme);
    assertEquals(server.peerAddress, client.localAddress);
    assertEquals(client.peerAddress, server.localAddress);
    for (const comm of [client, server]) {
      assertEquals(comm.peerInfo.javascript, { protocol: 1 });
      assertEquals(comm.peerInfo.python, [0, 0, 0]);
      assertEquals(comm.tls !== undefined, scheme === "tls");
      assert(!comm.closed);
    }
    return Promise.resolve();
  });

  test("keeps the order of overlapping writes", async ({ client, server }) => {
    const writes = Array.from({ length: 50 }, (_, i) => client.write([{ op: "n", i }]));
    for (let i = 0; i < 50; i++) assertEquals(await server.read(), [{ op: "n", i }]);
    await Promise.all(writes);
  });

  test("carries plain data both ways", async ({ client, server }) => {
    const message = { text: "ä€", list: [1, -2, 2.5, null, true], bytes: new Uint8Array([1, 2]), map: {} };
    await client.write(message);
    assertEquals(await server.read(), message);
    await server.write(message);
    assertEquals(await client.read(), message);
  });

  test("carries large payloads unchanged", async ({ client, server }) => {
    const frames = [pattern(20 * 2 ** 20, 1), pattern(3, 2), pattern(5 * 2 ** 20, 3)];
    const writing = client.write({ op: "data", payload: new Serialized({ serializer: "x" }, frames) });
    const { payload } = await server.read() as { payload: unknown };
    await writing;
    assertInstanceOf(payload, Serialized);
    assertEquals(payload.nbytes, 25 * 2 ** 20 + 3);
    const whole = payload.frames.flatMap((frame) => [...hashes(frame)]);
    assertEquals(whole, frames.flatMap((frame) => [...hashes(frame)]));
  });

  test("carries large messages both ways at once", async ({ client, server }) => {
    const message = { data: pattern(6 * 2 ** 20, 7) };
    const exchange = async (comm: Comm) => {
      const writing = comm.write(message);
      const { data } = await comm.read() as { data: Uint8Array };
      await writing;
      assertEquals([...hashes(data)], [...hashes(message.data)]);
    };
    await Promise.all([exchange(client), exchange(server)]);
  });

  test("holds a writer back while nobody reads", async ({ client, server }) => {
    const count = 100;
    const data = pattern(2 ** 19, 5);
    let written = 0;
    const writes = Array.from({ length: count }, async (_, i) => {
      await client.write({ i, data });
      written++;
    });
    await server.read();
    assert(written < count, `${written} messages of 512 KiB are written, and one is read`);
    for (let i = 1; i < count; i++) assertEquals((await server.read() as { i: number }).i, i);
    await Promise.all(writes);
    assertEquals(written, count);
  });

  test("close delivers what was written, then ends both sides", async ({ client, server }) => {
    const writes = Array.from({ length: 20 }, (_, i) => client.write(i));
    await Promise.all(writes);
    const closing = client.close();
    for (let i = 0; i < 20; i++) assertEquals(await server.read(), i);
    const error = await assertRejects(() => server.read(), CommClosed);
    assertEquals(error.address, server.peerAddress);
    await closing;
    assert(client.closed && server.closed);
  });

  test("close ends reads that wait on either side", async ({ client, server }) => {
    const here = assertRejects(() => client.read(), CommClosed);
    const there = assertRejects(() => server.read(), CommClosed);
    await client.close();
    await here;
    await there;
    await assertRejects(() => client.write(1), CommClosed, client.peerAddress);
    await assertRejects(() => client.read(), CommClosed);
    await assertRejects(() => server.write(1), CommClosed);
  });

  test("abort ends reads and writes that wait", async ({ client, server }) => {
    const reading = assertRejects(() => client.read(), CommClosed, "aborted by this side");
    const data = pattern(2 ** 19, 5);
    const writes = Array.from({ length: 100 }, () => client.write(data));
    const settled = Promise.allSettled(writes);
    client.abort();
    await reading;
    const rejected = (await settled).filter((one) => one.status === "rejected");
    assert(rejected.length > 0);
    for (const { reason } of rejected) assertInstanceOf(reason, CommClosed);
    await assertRejects(async () => {
      for (;;) await server.read();
    }, CommClosed);
    assert(client.closed && server.closed);
  });

  test("close and abort may be repeated in any order", async ({ client, server }) => {
    const end = assertRejects(() => server.read(), CommClosed);
    await client.close();
    await client.close();
    client.abort();
    await client.close();
    await end;
    server.abort();
    server.abort();
    await server.close();
    assert(client.closed && server.closed);
  });

  test("is closed by leaving its scope", async ({ client, server }) => {
    const last = server.read();
    const end = last.then(() => assertRejects(() => server.read(), CommClosed));
    {
      await using scoped = client;
      await scoped.write("last");
    }
    assertEquals(await last, "last");
    await end;
    assert(client.closed);
  });

  test("has one reader at a time", async ({ client, server }) => {
    const first = client.read();
    await assertRejects(() => client.read(), TypeError, "another read is pending");
    await server.write("for the first");
    assertEquals(await first, "for the first");
  });

  test("lives on after a message that can't be encoded", async ({ client, server }) => {
    await assertRejects(() => client.write({ op: "x", f: () => 1 }), Error, "function");
    await assertRejects(() => client.write(new (class Odd {})()), Error, "Odd");
    const cycle: unknown[] = [];
    cycle.push(cycle);
    await assertRejects(() => client.write(cycle), Error);
    await client.write("fine");
    assertEquals(await server.read(), "fine");
  });

  test("isolates the ends from later changes", async ({ client, server }) => {
    const message = { list: [1], map: { a: [2] }, set: new Set([3]) };
    await client.write(message);
    message.list.push(4);
    message.map.a = [5];
    message.set.clear();
    const received = await server.read() as typeof message;
    assertEquals(received, { list: [1], map: { a: [2] }, set: new Set([3]) });
    received.list.length = 0;
    assertEquals(message.list, [1, 4]);
  });

  test("decodes what the codec would: fields without value are left out", async ({ client, server }) => {
    await client.write({ a: undefined, b: [undefined], c: new Map([["k", 1]]), ["__proto__"]: 2 });
    const received = await server.read() as Record<string, unknown>;
    assertEquals(Object.keys(received), ["b", "c", "__proto__"]);
    assertEquals(received["b"], [null]);
    assertEquals(received["c"], { k: 1 });
    assertStrictEquals(Object.getOwnPropertyDescriptor(received, "__proto__")?.value, 2);
  });
}

/** Bytes that differ from block to block. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  for (let i = 0; i < words.length; i += 64) words[i] = Math.imul(i + seed, 0x9e3779b1);
  bytes[0] = seed;
  return bytes;
}

/** One sum per MiB. */
function* hashes(bytes: Uint8Array): Generator<number> {
  for (let start = 0; start < bytes.length; start += 2 ** 20) {
    let sum = 0;
    const end = Math.min(bytes.length, start + 2 ** 20);
    for (let i = start; i < end; i++) sum = (Math.imul(sum, 31) + (bytes[i] as number)) | 0;
    yield sum;
  }
  yield bytes.length;
}

for (const scheme of ["tcp", "tls", "inproc"] as const) testComm(scheme);
