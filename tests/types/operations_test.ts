/**
 * What the tables of operations promise to both ends. It is checked by the compiler: a line that should not
 * compile, and does, fails `deno check` by its `@ts-expect-error`.
 */

import { assertEquals } from "@std/assert";
import type { ClientReport, ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { Address, Key } from "../../messages/common.ts";
import { lacking, named, OBSERVE, plain, type ServedBy } from "../../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../../messages/worker_operations.ts";
import type { WorkerCommand, WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import type { BatchedSend } from "../../rpc/batched.ts";
import { DONT_REPLY, type Handlers, serve } from "../../rpc/handlers.ts";
import type { ConnectionPool } from "../../rpc/pool.ts";

/** Compiles if and only if the types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

function sameType<A, B>(same: Same<A, B>): void {
  assertEquals<boolean>(same, true);
}

const TABLE = named({
  double: {
    access: OBSERVE,
    answer: "small",
    request: ({ x }) => ({ op: "double" as const, x: Number(x) }),
    reply: (value) => Number(value),
  },
  watch: { access: OBSERVE, answer: "stream", request: plain("watch"), reply: () => "begun" },
  fetch: { access: OBSERVE, answer: "counted", request: plain("fetch"), reply: () => "data" },
  ...lacking(["divide"]),
});

named({
  // @ts-expect-error: it does not say who may use it
  silent: { answer: "small", request: plain("silent"), reply: () => "" },
  // @ts-expect-error: no answer is of this size
  odd: { access: OBSERVE, answer: "tiny", request: plain("odd"), reply: () => "" },
  // @ts-expect-error: nobody reads the reply
  mute: { access: OBSERVE, answer: "small", request: plain("mute") },
});

const watch = () => Promise.resolve();

Deno.test("Handlers<Table> wants every operation that the role has, and no other", () => {
  sameType<ServedBy<typeof TABLE>, "double" | "watch" | "fetch">(true);
  const right: Handlers<typeof TABLE> = {
    double: ({ x }) => 2 * x,
    watch,
    fetch: () => DONT_REPLY,
  };
  assertEquals(serve(TABLE, right).map(({ handle }) => handle !== undefined), [true, true, true, false]);
});

function _handlers(): Handlers<typeof TABLE>[] {
  return [
    // @ts-expect-error: `fetch` is left out
    { double: ({ x }) => x, watch },
    // @ts-expect-error: nobody asks for `triple`
    { double: ({ x }) => x, watch, fetch: () => "data", triple: () => 3 },
    // @ts-expect-error: the role lacks `divide`
    { double: ({ x }) => x, watch, fetch: () => "data", divide: () => 3 },
    {
      // @ts-expect-error: it answers a number
      double: ({ x }) => String(x),
      watch,
      fetch: () => "data",
    },
    {
      // @ts-expect-error: the request has no `y`
      double: ({ y }) => y,
      watch,
      fetch: () => "data",
    },
    {
      // @ts-expect-error: only a handler that counts its answers writes them itself
      double: () => DONT_REPLY,
      watch,
      fetch: () => "data",
    },
    {
      double: ({ x }) => x,
      // @ts-expect-error: a stream is served to its end
      watch: () => "begun",
      fetch: () => "data",
    },
  ];
}

async function _asks(pool: ConnectionPool, address: Address, keys: readonly Key[]): Promise<void> {
  const holders = await pool.call(address, SCHEDULER_OPERATIONS.who_has, { keys });
  sameType<typeof holders, Record<Key, Address[]>>(true);
  const { workers } = await pool.call(address, SCHEDULER_OPERATIONS.identity, {});
  const _types: "Worker"[] = Object.values(workers).map(({ type }) => type);
  const results = await pool.call(address, WORKER_OPERATIONS.get_data, { keys, who: null });
  if (results.status === "OK") sameType<keyof typeof results, "status" | "data">(true);
  // @ts-expect-error: a worker that is busy has no data
  if (results.status === "busy") void results.data;
  // @ts-expect-error: the keys are left out
  await pool.call(address, SCHEDULER_OPERATIONS.who_has, {});
  // @ts-expect-error: a key is more than a string
  await pool.call(address, SCHEDULER_OPERATIONS.who_has, { keys: ["x"] });
  // @ts-expect-error: `who` is left out
  await pool.call(address, WORKER_OPERATIONS.get_data, { keys });
  // @ts-expect-error: no scheduler has results
  await pool.call(address, SCHEDULER_OPERATIONS.get_data, { keys, who: null });
  // @ts-expect-error: an operation that is lacking can't be asked for
  await pool.call(address, SCHEDULER_OPERATIONS.restart, {});
}

function _streams(client: BatchedSend<ClientStreamMessage>, worker: BatchedSend<WorkerStreamMessage>): void {
  client.send({ op: "heartbeat-client" });
  worker.send({ op: "keep-alive" });
  // @ts-expect-error: it is a worker that says so
  client.send({ op: "keep-alive" });
  // @ts-expect-error: it is lacking
  worker.send({ op: "steal-response" });
  // @ts-expect-error: the key is left out
  client.send({ op: "report-key" });
}

Deno.test("Messages of streams are those of the rows that are not lacking", () => {
  sameType<Extract<ClientReport["op"], "event" | "lost-data">, "lost-data">(true);
  sameType<Extract<WorkerCommand["op"], "steal-request" | "free-keys">, "free-keys">(true);
});
