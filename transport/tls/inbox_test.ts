import { assertEquals, assertRejects } from "@std/assert";
import { Inbox } from "./inbox.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

Deno.test("Inbox gives chunks in order, then the end for ever", async () => {
  const inbox = new Inbox(false);
  inbox.push(bytes(1));
  inbox.push(bytes(2));
  inbox.end();
  assertEquals([await inbox.read(), await inbox.read()], [bytes(1), bytes(2)]);
  assertEquals([await inbox.read(), await inbox.read()], [null, null]);
});

Deno.test("Inbox gives what came before a failure, then fails with its first reason", async () => {
  const inbox = new Inbox(false);
  inbox.push(bytes(1));
  inbox.fail(new Error("first"));
  inbox.fail(new Error("second"));
  inbox.end();
  assertEquals(await inbox.read(), bytes(1));
  await assertRejects(() => inbox.read(), Error, "first");
  await assertRejects(() => inbox.read(), Error, "first");
});

Deno.test("Inbox stops the socket when two chunks wait, and lets it go on when one was read", async () => {
  const inbox = new Inbox(false);
  const flow: boolean[] = [];
  inbox.onFlow((on) => flow.push(on));
  inbox.push(bytes(1));
  assertEquals(flow, []);
  inbox.push(bytes(2));
  // What was under way still comes, and is kept.
  inbox.push(bytes(3));
  assertEquals(flow, [false]);
  assertEquals(await inbox.read(), bytes(1));
  assertEquals(flow, [false]);
  assertEquals(await inbox.read(), bytes(2));
  assertEquals(flow, [false, true]);
  assertEquals(await inbox.read(), bytes(3));
  const waiting = inbox.read();
  inbox.push(bytes(4));
  assertEquals(await waiting, bytes(4));
  assertEquals(flow, [false, true]);
});

Deno.test("Inbox hands no buffer to the socket that the reader or the queue holds", async () => {
  const inbox = new Inbox(true);
  const held = new Set<ArrayBufferLike>();
  const receive = (value: number): void => {
    const buffer = inbox.buffer();
    assertEquals(held.has(buffer.buffer), false);
    buffer[0] = value;
    held.add(buffer.buffer);
    inbox.push(buffer.subarray(0, 1));
  };
  let lent: ArrayBufferLike | undefined;
  let next = 0;
  let read = 0;
  // Bursts of 1, 2, 3 chunks: reader behind, level, waiting.
  for (let round = 0; round < 30; round++) {
    const burst = round % 3 + 1;
    for (let i = 0; i < burst; i++) receive(next++ % 251);
    for (let i = 0; i < burst; i++) {
      if (lent !== undefined) held.delete(lent);
      const chunk = await inbox.read();
      assertEquals(chunk, bytes(read++ % 251));
      lent = chunk?.buffer;
    }
  }
});

Deno.test("Inbox.discard drops what is there and comes, and lets the socket go on", async () => {
  const inbox = new Inbox(false);
  const flow: boolean[] = [];
  inbox.onFlow((on) => flow.push(on));
  inbox.push(bytes(1));
  inbox.push(bytes(2));
  inbox.discard(new Error("over"));
  inbox.push(bytes(3));
  assertEquals(flow, [false, true]);
  await assertRejects(() => inbox.read(), Error, "over");
});
