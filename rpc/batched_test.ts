import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LinkPair } from "../testing/links.ts";
import { Backlogs } from "./fairness/backlog.ts";
import { BatchedSend } from "./batched.ts";
import { CommClosed } from "../comm/errors.ts";

Deno.test("BatchedSend sends all of a turn as one message, in order", async () => {
  await using pair = await LinkPair.make("tcp");
  const stream = new BatchedSend(pair.client);
  for (let i = 0; i < 1000; i++) stream.send({ op: "n", i });
  assertEquals(stream.queuedMessages, 1000);
  const batch = await pair.server.read() as { i: number }[];
  assertEquals(batch.map((message) => message.i), Array.from({ length: 1000 }, (_, i) => i));
  pair.server.abort();
  await stream.close();
  assertEquals(stream.batches, 1);
});

for (const scheme of ["tcp", "tls", "inproc"] as const) {
  Deno.test(`BatchedSend over ${scheme} sends many messages of one turn in parts that a peer may take, in order`, async () => {
    await using pair = await LinkPair.make(scheme);
    const stream = new BatchedSend(pair.client);
    for (let i = 0; i < 4001; i++) stream.send({ op: "n", i });
    const closing = stream.close();
    const sizes: number[] = [];
    const seen: number[] = [];
    while (seen.length < 4001) {
      const part = await pair.server.read() as { i: number }[];
      sizes.push(part.length);
      for (const { i } of part) seen.push(i);
    }
    assertEquals(sizes, [2000, 2000, 1]);
    assertEquals(seen, Array.from({ length: 4001 }, (_, i) => i));
    await closing;
  });
}

Deno.test("BatchedSend sends a lone message at once", async () => {
  await using pair = await LinkPair.make("inproc");
  const stream = new BatchedSend(pair.client);
  for (let i = 0; i < 3; i++) {
    stream.send({ op: "n", i });
    assertEquals(await pair.server.read(), [{ op: "n", i }]);
  }
  assertEquals(stream.batches, 3);
  await stream.close();
});

Deno.test("BatchedSend collects what comes while a batch is written", async () => {
  await using pair = await LinkPair.make("tcp");
  const stream = new BatchedSend(pair.client);
  const data = new Uint8Array(32 * 2 ** 20); // more than the sockets hold
  stream.send({ op: "big", data });
  await Promise.resolve();
  for (let i = 0; i < 10; i++) {
    stream.send({ op: "n", i });
    await Promise.resolve();
  }
  assertEquals(stream.queuedMessages, 10);
  assertEquals((await pair.server.read() as unknown[]).length, 1);
  assertEquals((await pair.server.read() as unknown[]).length, 10);
  pair.server.abort();
  await stream.close();
  assertEquals(stream.batches, 2);
});

for (const scheme of ["tcp", "tls"] as const) {
  Deno.test(`BatchedSend over ${scheme} tells how many bytes wait`, async () => {
    await using pair = await LinkPair.make(scheme);
    const stream = new BatchedSend(pair.client);
    assertEquals(stream.queuedBytes, 0);
    const size = 32 * 2 ** 20; // more than the sockets hold
    stream.send({ op: "big", data: new Uint8Array(size) });
    await Promise.resolve();
    assert(stream.queuedBytes > size - 1);
    await pair.server.read();
    await stream.close();
    assertEquals(stream.queuedBytes, 0);
  });
}

Deno.test("BatchedSend close writes what waits, then closes the comm", async () => {
  await using pair = await LinkPair.make("tls");
  const stream = new BatchedSend(pair.client);
  stream.send({ op: "last" });
  const closing = stream.close();
  assert(stream.closed);
  assertThrows(() => stream.send({ op: "late" }), CommClosed);
  assertEquals(await pair.server.read(), [{ op: "last" }]);
  await assertRejects(() => pair.server.read(), CommClosed);
  await closing;
  await stream.close();
  assert(pair.client.closed);
});

Deno.test("BatchedSend abort loses what waits", async () => {
  await using pair = await LinkPair.make("inproc");
  const errors: unknown[] = [];
  const stream = new BatchedSend(pair.client, { onError: (error) => errors.push(error) });
  stream.send({ op: "lost" });
  stream.abort();
  await assertRejects(() => pair.server.read(), CommClosed);
  assertThrows(() => stream.send({ op: "late" }), CommClosed, "aborted by this side");
  await stream.close();
  assertEquals(errors, []);
});

Deno.test("BatchedSend ends with its comm, and says so once", async () => {
  await using pair = await LinkPair.make("tcp");
  const failed = Promise.withResolvers<unknown>();
  let errors = 0;
  const stream = new BatchedSend(pair.client, {
    onError: (error) => {
      errors++;
      failed.resolve(error);
    },
  });
  pair.server.abort();
  await assertRejects(() => pair.client.read(), CommClosed);
  assert(stream.closed);
  assertThrows(() => stream.send({ op: "x" }), CommClosed, pair.client.peerAddress);
  const other = await LinkPair.make("inproc");
  const sending = new BatchedSend(other.client, { onError: failed.resolve });
  sending.send({ op: "x" });
  other.server.abort(); // before the turn ends
  assert(await failed.promise instanceof CommClosed);
  assertThrows(() => sending.send({ op: "y" }), CommClosed);
  await other[Symbol.asyncDispose]();
  assertEquals(errors, 0);
});

Deno.test("BatchedSend drops the stream if a message can't be encoded", async () => {
  await using pair = await LinkPair.make("tcp");
  const failed = Promise.withResolvers<unknown>();
  const stream = new BatchedSend(pair.client, { onError: failed.resolve });
  stream.send({ op: "odd", f: () => 1 });
  const error = await failed.promise as Error;
  assert(error.message.includes("function"), error.message);
  assertThrows(() => stream.send({ op: "next" }), CommClosed, "function");
  await assertRejects(() => pair.server.read(), CommClosed);
});

Deno.test("BatchedSend drops a peer that does not read", async () => {
  await using pair = await LinkPair.make("inproc");
  const errors: unknown[] = [];
  const stream = new BatchedSend(pair.client, { maxQueued: 3, onError: (error) => errors.push(error) });
  for (let i = 0; i < 3; i++) stream.send({ op: "n" });
  assertThrows(() => stream.send({ op: "n" }), CommClosed, "does not read, and 3 messages wait");
  assert(pair.client.closed && stream.closed);
  assertEquals(errors.length, 1);
});

for (const scheme of ["tcp", "tls"] as const) {
  Deno.test(`BatchedSend over ${scheme} need not wait for a peer that does not read to close`, async () => {
    await using pair = await LinkPair.make(scheme);
    const stream = new BatchedSend(pair.client);
    stream.send({ op: "big", data: new Uint8Array(64 * 2 ** 20) });
    await Promise.resolve();
    const controller = new AbortController();
    const closing = stream.close(controller.signal);
    controller.abort();
    await closing;
    await stream.close();
    assert(pair.client.closed);
  });
}

const bounds = [
  ["tcp", "counts with others", {
    backlogs: new Backlogs({ queuedBytes: 1_000_000, queuedBytesPerHost: 2 ** 30 }),
  }],
  ["tls", "counts with others", {
    backlogs: new Backlogs({ queuedBytes: 1_000_000, queuedBytesPerHost: 2 ** 30 }),
  }],
  ["tcp", "counts alone", { maxQueuedBytes: 1_000_000 }],
  ["tls", "counts alone", { maxQueuedBytes: 1_000_000 }],
] as const;
for (const [scheme, counts, bound] of bounds) {
  Deno.test(`BatchedSend over ${scheme} that ${counts} drops a peer for which too many bytes wait`, async () => {
    await using pair = await LinkPair.make(scheme);
    const errors: unknown[] = [];
    const stream = new BatchedSend(pair.client, {
      ...bound,
      onError: (error) => void errors.push(error),
    });
    stream.send({ op: "big", data: new Uint8Array(32 * 2 ** 20) }); // more than the sockets hold
    await Promise.resolve(); // it is being written, and does not count
    let sent = 0;
    while (!stream.closed && sent < 2000) {
      stream.send({ op: "n", data: new Uint8Array(4000) });
      sent++;
      await Promise.resolve();
    }
    assert(sent * 4000 > 1_000_000 && sent * 4000 < 4_000_000, `${sent} messages`);
    assertThrows(() => stream.send({ op: "n" }), CommClosed, "does not read");
    assertEquals([errors.length, pair.client.closed, stream.queuedMessages], [1, true, 0]);
    await stream.close();
  });
}

Deno.test("BatchedSend says that its peer does not keep up before it drops it, until it has", async () => {
  await using pair = await LinkPair.make("tcp");
  const stream = new BatchedSend(pair.client, {
    backlogs: new Backlogs({ queuedBytes: 4_000_000, queuedBytesPerHost: 2 ** 30 }),
  });
  stream.send({ op: "big", data: new Uint8Array(32 * 2 ** 20) });
  let sent = 1;
  for (; !stream.isBehind; sent++) {
    await Promise.resolve();
    stream.send({ op: "n", data: new Uint8Array(4000) });
  }
  for (let read = 0; read < sent;) read += (await pair.server.read() as unknown[]).length;
  assertEquals([stream.isBehind, stream.closed], [false, false]);
  pair.server.abort();
  await stream.close();
});

Deno.test("BatchedSend counts what its peer has read also while more is being written", async () => {
  await using slow = await LinkPair.make("tcp");
  await using other = await LinkPair.make("tcp");
  const mib = 2 ** 20;
  const backlogs = new Backlogs({ queuedBytes: 2 ** 30, queuedBytesPerHost: 70 * mib });
  const stream = new BatchedSend(slow.client, { backlogs });
  for (const size of [mib / 16, mib / 8]) { // 16 and 32 MiB
    for (let i = 0; i < 256; i++) stream.send({ op: "n", data: new Uint8Array(size) });
    await Promise.resolve();
  }
  assertEquals(stream.batches, 2);
  await slow.server.read();
  await other.client.write("some turns of the event loop");
  await other.server.read();
  const next = new BatchedSend(other.client, { backlogs });
  next.send({ op: "n", data: new Uint8Array(32 * mib) });
  await Promise.resolve();
  assertEquals([stream.closed, next.closed], [false, false]);
  slow.server.abort();
  other.server.abort();
  await Promise.all([stream.close(), next.close()]);
});
