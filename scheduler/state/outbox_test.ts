import { assertEquals } from "@std/assert";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import { ClientState } from "./client_state.ts";
import { OutboxBuilder } from "./outbox.ts";
import { Pool } from "./pool.ts";
import { WorkerState } from "./worker_state.ts";

const pool = new Pool("deno");
const worker = (address: string): WorkerState =>
  new WorkerState(
    { address: address as Address, status: "running", nthreads: 1, name: address, memory_limit: null },
    pool,
    0,
  );
const key = (name: string): Key => name as Key;

Deno.test("OutboxBuilder keeps the order in which each is told, and begins anew when it is taken", () => {
  const outbox = new OutboxBuilder();
  const [a, b] = [worker("tcp://h:1"), worker("tcp://h:2")];
  const close = { op: "close", reason: "r" } as const;
  outbox.tellWorker(a, close);
  outbox.freeKey(b, key("x"), "s");
  outbox.freeKey(a, key("x"), "s");
  outbox.tellWorker(b, close);
  const { toWorker, toClient } = outbox.take();
  const free = { op: "free-keys", keys: [key("x")], stimulus_id: "s" } as const;
  assertEquals([...toWorker], [[a.address, [close, free]], [b.address, [free, close]]]);
  assertEquals(toClient.size, 0);
  assertEquals(outbox.take().toWorker.size, 0);
  outbox.tellWorker(a, close);
  assertEquals([...outbox.take().toWorker], [[a.address, [close]]]);
});

Deno.test("OutboxBuilder joins keys that are freed in a row by one stimulus, and cancelled for one reason", () => {
  const outbox = new OutboxBuilder();
  const a = worker("tcp://h:1");
  const client = new ClientState("c" as ClientId, 0);
  for (const [name, stimulus] of [["x", "s"], ["y", "s"], ["z", "t"], ["w", "s"]] as const) {
    outbox.freeKey(a, key(name), stimulus);
  }
  outbox.tellWorker(a, { op: "close", reason: "r" });
  outbox.freeKey(a, key("v"), "s");
  for (const [name, reason] of [["x", "r"], ["y", "r"], ["z", "q"], ["w", "r"]] as const) {
    outbox.cancelKey(client, key(name), reason);
  }
  outbox.tellClient(client, { op: "lost-data", key: key("u") });
  outbox.cancelKey(client, key("v"), "r");
  const { toWorker, toClient } = outbox.take();
  const texts = (messages: readonly object[] = []): string[] =>
    messages.map((one) => "keys" in one ? (one.keys as string[]).join() : "-");
  assertEquals(texts(toWorker.get(a.address)), ["x,y", "z", "w", "-", "v"]);
  assertEquals(texts(toClient.get(client.id)), ["x,y", "z", "w", "-", "v"]);
});

Deno.test("OutboxBuilder says farewell to who is gone before it greets who took the address or name", () => {
  const outbox = new OutboxBuilder();
  const [old, young] = [worker("tcp://h:1"), worker("tcp://h:1")];
  const [left, joined] = [new ClientState("c" as ClientId, 0), new ClientState("c" as ClientId, 1)];
  outbox.tellWorker(old, { op: "close", reason: "old" });
  outbox.tellWorker(young, { op: "close", reason: "young" });
  outbox.cancelKey(left, key("x"), "old");
  outbox.cancelKey(joined, key("x"), "young");
  const { toWorker, toClient } = outbox.take();
  const reasons = (messages: readonly object[] = []): unknown[] =>
    messages.map((one) => "reason" in one ? one.reason : "");
  assertEquals(reasons(toWorker.get(old.address)), ["old", "young"]);
  assertEquals(reasons(toClient.get(left.id)), ["old", "young"]);
});
