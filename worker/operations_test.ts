import { assertEquals, assertThrows } from "@std/assert";
import type { Clock } from "../internal/clock.ts";
import { call } from "../rpc/call.ts";
import { serve } from "../rpc/handlers.ts";
import { Server } from "../rpc/server.ts";
import { WORKER_OPERATIONS } from "../messages/worker_operations.ts";
import type { Key } from "../messages/common.ts";
import { MessageError } from "../messages/common.ts";
import { serializeValue } from "../protocol/values.ts";
import { connect } from "../comm/connect.ts";
import { workerOperations } from "./operations.ts";
import { LaterStore } from "../testing/later_store.ts";
import { MemoryStore } from "./memory/memory_store.ts";

/** A clock whose timers run out when a test says so. */
class ManualClock implements Clock {
  readonly timers = new Map<() => void, number>();

  now(): number {
    return 0;
  }

  time(): number {
    return 0;
  }

  every(): () => void {
    throw new TypeError("Nothing repeats here");
  }

  sleep(): Promise<void> {
    return Promise.reject(new TypeError("Nobody sleeps here"));
  }

  timer(milliseconds: number, callback: () => void): () => void {
    this.timers.set(callback, milliseconds);
    return () => void this.timers.delete(callback);
  }

  expire(): void {
    for (const callback of this.timers.keys()) callback();
  }
}

const FIELDS = { keys: ["x" as Key], who: null };
const GET = { op: "get_data", ...FIELDS } as const;

Deno.test("workerOperations: get_data serves others again when peers that never say OK are overdue", async () => {
  const store = new MemoryStore();
  store.set("x" as Key, serializeValue("value"));
  const clock = new ManualClock();
  await using server = new Server({
    name: "Worker",
    operations: serve(
      WORKER_OPERATIONS,
      workerOperations(store, () => undefined, () => ({}), 1, clock),
    ),
  });
  const { contactAddress } = await server.listen("tcp://127.0.0.1:0");
  await using stack = new AsyncDisposableStack();
  const dial = async () => {
    const comm = await connect(contactAddress, {});
    stack.defer(() => comm.abort());
    return comm;
  };
  const silent = [await dial(), await dial()]; // on the same host two may be served
  for (const comm of silent) {
    await comm.write(GET);
    await comm.read();
  }
  const asker = await dial();
  assertEquals((await call(asker, WORKER_OPERATIONS.get_data, FIELDS)).status, "busy");
  assertEquals([...clock.timers.values()].every((milliseconds) => milliseconds >= 10_000), true);
  clock.expire();
  assertEquals((await call(asker, WORKER_OPERATIONS.get_data, FIELDS)).status, "OK");
  // A late answer does not free the place of somebody else.
  for (const comm of silent) await comm.write("OK");
  for (const comm of silent) await call(comm, WORKER_OPERATIONS.ping, {});
  for (const comm of silent) {
    await comm.write(GET);
    await comm.read();
  }
  assertEquals((await call(await dial(), WORKER_OPERATIONS.get_data, FIELDS)).status, "busy");
});

Deno.test("workerOperations: update_data fails while the worker starts, and keeps nothing", () => {
  const taken: unknown[] = [];
  const { update_data: updateData } = workerOperations(new MemoryStore(), () => undefined, (data) => {
    taken.push(data);
    return {};
  }, 1);
  const request = { op: "update_data", data: { x: serializeValue(1) } } as const;
  assertThrows(
    () => updateData(request, undefined as never, new AbortController().signal),
    MessageError,
    "still starting",
  );
  assertEquals(taken, []);
});

Deno.test("workerOperations: get_data waits for results that are read first, and holds them until they are taken", async () => {
  const store = new LaterStore();
  store.set("x" as Key, serializeValue("value"));
  const operations = serve(
    WORKER_OPERATIONS,
    workerOperations(store, () => undefined, () => ({}), 1, new ManualClock()),
  );
  await using server = new Server({ name: "Worker", operations });
  const { contactAddress } = await server.listen("tcp://127.0.0.1:0");
  await using stack = new AsyncDisposableStack();
  const comms = await Promise.all([1, 2, 3].map(async () => {
    const comm = await connect(contactAddress, {});
    stack.defer(() => comm.abort());
    return comm;
  }));
  const replies = comms.map((comm) => call(comm, WORKER_OPERATIONS.get_data, FIELDS));
  assertEquals((await Promise.race(replies)).status, "busy", "two may be served, and both are waited for");
  assertEquals([store.waiting, store.held], [2, 0]);
  store.read();
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  assertEquals(statuses.sort(), ["OK", "OK", "busy"]);
  for (const comm of comms) await call(comm, WORKER_OPERATIONS.ping, {});
  assertEquals(store.held, 0);
});
