import { assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { ClientStreamMessage, TaskRow } from "../../messages/client_scheduler.ts";
import type { Address, ClientId, FunctionHash, Key } from "../../messages/common.ts";
import { AssertionError } from "../../internal/assert.ts";
import { ClientState } from "./client_state.ts";
import type { ClientEffects } from "./effects.ts";
import type { KeyState } from "./key_state.ts";
import type { ClientStimulus, FunctionBody } from "./stimulus.ts";

const INC: FunctionBody = { hash: "aa" as FunctionHash, body: new Uint8Array([1]) };
const ADD: FunctionBody = { hash: "bb" as FunctionHash, body: new Uint8Array([2]) };
const WORKER = "tls://127.0.0.1:1" as Address;
const CLIENT = "client" as ClientId;
const NO_ANNOTATIONS = {};
const HEARTBEAT = 5;

/** A machine with a stopped clock. */
class Client {
  readonly state = new ClientState({ client: CLIENT, heartbeat: HEARTBEAT, now: 0, validate: true });
  now = 0;

  do(...stimuli: ClientStimulus[]): ClientEffects {
    return this.state.handle(stimuli, this.now);
  }

  submit(fn: FunctionBody, key: string, annotations = NO_ANNOTATIONS): KeyState {
    this.do({ op: "submit", fn, row: row(key), annotations });
    return this.wanted(key);
  }

  wanted(key: string): KeyState {
    const state = this.state.get(key as Key);
    if (state === undefined) throw new TypeError(`"${key}" is not wanted`);
    return state;
  }

  release(...wants: KeyState[]): ClientEffects {
    return this.do({ op: "release", wants });
  }

  cancel(...wants: KeyState[]): ClientEffects {
    return this.do({ op: "cancel", wants, force: false, reason: "enough" });
  }

  flush(): readonly ClientStreamMessage[] {
    return this.do({ op: "flush" }).messages;
  }

  flushed(): string[] {
    return this.flush().map((message) => message.op);
  }

  /** Returns the messages of the next heartbeat. */
  beat(): readonly ClientStreamMessage[] {
    this.now += HEARTBEAT;
    return this.do({ op: "tick" }, { op: "flush" }).messages;
  }
}

function row(key: string): TaskRow {
  return [key as Key, new Uint8Array([0x90]), []];
}

function bodiesIn([message]: readonly ClientStreamMessage[]): unknown {
  return message?.op === "update-graph" ? message.functions : undefined;
}

Deno.test("ClientState sends the tasks of one turn as one graph, grouped by function, each body once", () => {
  const client = new Client();
  for (const key of ["a", "b"]) client.submit(INC, key);
  client.submit(ADD, "c");
  client.submit(INC, "d");
  assertEquals(client.flush(), [{
    op: "update-graph",
    groups: [
      { function: INC.hash, tasks: [row("a"), row("b")] },
      { function: ADD.hash, tasks: [row("c")] },
      { function: INC.hash, tasks: [row("d")] },
    ],
    functions: { [INC.hash]: INC.body, [ADD.hash]: ADD.body },
    annotations: NO_ANNOTATIONS,
    fifo_timeout: 0.1,
  }]);
  client.submit(INC, "e");
  assertEquals(bodiesIn(client.flush()), {});
});

Deno.test("ClientState sends tasks with other annotations as another graph, with equal ones as the same", () => {
  const client = new Client();
  client.submit(INC, "a", { priority: 1, workers: ["x"] });
  client.submit(INC, "b", { priority: 1, workers: ["x"] });
  client.submit(INC, "c", { priority: 1, workers: ["y"] });
  client.submit(INC, "d", { priority: 1 });
  client.submit(INC, "e", { priority: 1, retries: 2 });
  const graphs = client.flush();
  assertEquals(
    graphs.map((graph) => graph.op === "update-graph" ? graph.groups.map(({ tasks }) => tasks.length) : []),
    [[2], [1], [1], [1]],
  );
  client.submit(INC, "f", { workers: ["x"], allow_other_workers: true });
  client.submit(INC, "g", { workers: ["x"] });
  client.submit(INC, "h", {});
  client.submit(INC, "i", { priority: 2 });
  client.submit(INC, "j", { priority: 2 });
  assertEquals(client.flush().length, 4);
  client.submit(INC, "k", { workers: ["x", "y"] });
  client.submit(INC, "l", { workers: ["x", "z"] });
  client.submit(INC, "m", { workers: ["x"] });
  assertEquals(client.flush().length, 3);
});

Deno.test("ClientState sends nothing before the turn is over, and says that it waits", () => {
  const client = new Client();
  const effects = client.do({ op: "submit", fn: INC, row: row("a"), annotations: NO_ANNOTATIONS });
  assertEquals([effects.messages, effects.isFlushDue], [[], true]);
  const flushed = client.do({ op: "flush" });
  assertEquals([flushed.messages.length, flushed.isFlushDue], [1, false]);
  assertEquals(client.flush(), []);
});

Deno.test("ClientState does not grow a graph behind another message", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.release(a);
  client.submit(INC, "b");
  assertEquals(client.flushed(), ["update-graph", "client-releases-keys", "update-graph"]);
});

Deno.test("ClientState releases the keys of one turn by one message", () => {
  const client = new Client();
  const [a, b, c] = [client.submit(INC, "a"), client.submit(INC, "b"), client.submit(INC, "c")];
  client.flush();
  client.release(a);
  client.release(b, c);
  assertEquals(client.flush(), [{ op: "client-releases-keys", keys: ["a", "b", "c"] as Key[] }]);
});

Deno.test("ClientState shares the state of a key and releases it with its last Future", () => {
  const client = new Client();
  const first = client.submit(INC, "a");
  const second = client.submit(INC, "a");
  assertStrictEquals(first, second);
  client.flush();
  client.release(first);
  assertEquals(client.flush(), []);
  assertEquals(client.release(second).ended, [first]);
  assertEquals(client.flush(), [{ op: "client-releases-keys", keys: ["a" as Key] }]);
  assertEquals(client.state.snapshot().keys, []);
});

Deno.test("ClientState releases bodies that no wanted key needs at a heartbeat, and sends them again later", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.submit(ADD, "b");
  client.release(a);
  client.flush();
  assertEquals(client.beat(), [
    { op: "client-releases-functions", functions: [INC.hash] },
    { op: "heartbeat-client" },
  ]);
  assertEquals(client.state.snapshot().functions, new Map([[ADD.hash, 1]]));
  client.submit(INC, "c");
  assertEquals(bodiesIn(client.flush()), { [INC.hash]: INC.body });
});

Deno.test("ClientState says when its next heartbeat is due, and gives none before", () => {
  const client = new Client();
  assertEquals(client.do().nextDeadline, HEARTBEAT);
  client.now = HEARTBEAT - 1;
  assertEquals(client.do({ op: "tick" }, { op: "flush" }).messages, []);
  client.now = HEARTBEAT + 2; // late
  const effects = client.do({ op: "tick" }, { op: "flush" });
  assertEquals([effects.messages, effects.nextDeadline], [[{ op: "heartbeat-client" }], 2 * HEARTBEAT + 2]);
  client.do({ op: "disconnect", reason: "gone" });
  assertEquals(client.do({ op: "tick" }).nextDeadline, Infinity);
});

Deno.test("ClientState follows a task to its result, its loss and its end", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  const { ended } = client.do({
    op: "key-in-memory",
    key: a.key,
    workers: [WORKER],
    result: new Uint8Array([7]),
  });
  assertStrictEquals(ended[0], a);
  assertEquals([a.status, a.workers, a.result], ["finished", [WORKER], new Uint8Array([7])]);
  client.do({ op: "key-in-memory", key: a.key }); // Python's scheduler names no workers
  assertEquals([a.workers, a.result], [[WORKER], new Uint8Array([7])]);
  assertEquals(client.do({ op: "lost-data", key: a.key }).ended, []);
  assertEquals([a.status, a.workers, a.result, a.ended], ["lost", [], undefined, false]);
  const erred = client.do({ op: "task-erred", key: a.key, exception: "boom", traceback: null });
  assertEquals([a.status, a.exception, erred.ended.length], ["error", "boom", 1]);
  client.do({ op: "task-retried", key: a.key });
  assertEquals([a.status, a.exception], ["pending", undefined]);
});

Deno.test("ClientState asks again for a result that nobody gave", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.do({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  client.flush();
  client.do({ op: "lacking", wants: [a] });
  assertEquals([a.status, a.workers], ["lost", []]);
  assertEquals(client.flush(), [{ op: "report-key", key: a.key }]);
});

Deno.test("ClientState does not ask for a result that nobody gave if it is not wanted any more", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.do({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  client.release(a);
  client.flush();
  client.do({ op: "lacking", wants: [a] });
  assertEquals(client.flush(), []);
});

Deno.test("ClientState does not ask for a result that nobody gave if it knows better by now", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.do({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  client.flush();
  client.do({ op: "cancelled-keys", keys: [a.key], reason: "lost" });
  client.do({ op: "lacking", wants: [a] });
  assertEquals([a.status, client.flush()], ["cancelled", []]);
});

Deno.test("ClientState ignores late reports about keys that are no longer wanted", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.release(a);
  client.do({ op: "key-in-memory", key: a.key, workers: [WORKER] }, { op: "cancelled-keys", keys: [a.key] });
  assertEquals([a.status, a.workers], ["cancelled", []]);
});

Deno.test("ClientState ends a cancelled task with the reason, and keeps it ended", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.do({ op: "cancelled-keys", keys: [a.key], reason: "lost dependencies", msg: "x" });
  assertEquals([a.status, a.reason], ["cancelled", "lost dependencies: x"]);
  client.do({ op: "key-in-memory", key: a.key, workers: [WORKER], result: new Uint8Array(1) });
  for (const op of ["lost-data", "task-retried"] as const) client.do({ op, key: a.key });
  assertEquals([a.status, a.result], ["cancelled", undefined]);
  client.flush();
  client.cancel(a);
  assertEquals(client.flush(), []);
});

Deno.test("ClientState cancels everything when the scheduler is gone", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  const effects = client.do({ op: "disconnect", reason: "gone" });
  assertEquals([a.status, a.reason, effects.ended.length, effects.isFlushDue], [
    "cancelled",
    "gone",
    1,
    false,
  ]);
  assertEquals(client.state.snapshot(), { keys: [], functions: new Map(), waiting: 0 });
});

Deno.test("ClientState cancels at once what is wanted after the scheduler is gone", () => {
  const client = new Client();
  client.do({ op: "disconnect", reason: "gone" });
  const states = [client.submit(INC, "a")];
  for (const op of ["desire", "expect"] as const) {
    client.do({ op, key: op as string as Key });
    states.push(client.wanted(op));
  }
  client.do({ op: "announce", key: "data" as Key, workers: [WORKER], nbytes: 1 });
  states.push(client.wanted("data"));
  assertEquals(states.map(({ status, reason }) => [status, reason]), states.map(() => ["cancelled", "gone"]));
  client.release(...states);
  assertEquals([client.flush(), client.state.snapshot().keys], [[], []]);
});

Deno.test("ClientState cancels at once, tells the scheduler, and submits anew afterwards", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.flush();
  assertEquals(client.cancel(a, a).ended, [a]);
  assertEquals([a.status, a.reason], ["cancelled", "enough"]);
  const again = client.submit(INC, "a");
  assertNotStrictEquals(again, a);
  assertEquals(client.flushed(), ["cancel-keys", "update-graph"]);
  // Reports from before the cancellation, and its confirmation, are not about the new task.
  client.do({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  client.do({ op: "cancelled-keys", keys: [a.key], reason: "enough" });
  assertEquals(again.status, "pending");
  client.do({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  assertEquals([again.status, a.status], ["finished", "cancelled"]);
  client.release(a);
  assertEquals([client.flush(), client.state.snapshot().keys.length], [[], 1]);
});

Deno.test("ClientState waits for as many confirmations as there were cancellations", () => {
  const client = new Client();
  client.cancel(client.submit(INC, "a"));
  client.cancel(client.submit(INC, "a"));
  const { key } = client.submit(INC, "a");
  const last = client.wanted("a");
  client.do({ op: "cancelled-keys", keys: [key], reason: "enough" });
  client.do({ op: "key-in-memory", key, workers: [WORKER] }); // from before the second one
  assertEquals(last.status, "pending");
  client.do({ op: "cancelled-keys", keys: [key], reason: "enough" });
  client.do({ op: "key-in-memory", key, workers: [WORKER] });
  assertEquals(last.status, "finished");
});

Deno.test("ClientState begins a task anew once, and not when a later cancellation takes it along", () => {
  const client = new Client();
  const [a, b] = [client.submit(INC, "a"), client.submit(INC, "b")];
  client.cancel(a);
  client.submit(INC, "b");
  client.do({ op: "cancelled-keys", keys: [a.key], reason: "enough" }); // "b" was not cancelled with it
  client.do({ op: "cancelled-keys", keys: [b.key], reason: "lost" });
  assertEquals(b.status, "cancelled");
});

Deno.test("ClientState begins a task anew that another cancellation took along", () => {
  const client = new Client();
  const [a, b] = [client.submit(INC, "a"), client.submit(INC, "b")];
  client.flush();
  client.cancel(a);
  assertStrictEquals(client.submit(INC, "b"), b); // depends on "a", so it is cancelled, too
  assertEquals(client.flushed(), ["cancel-keys"]);
  client.do({ op: "cancelled-keys", keys: [a.key, b.key], reason: "enough" });
  assertEquals([b.status, client.flushed()], ["pending", ["update-graph"]]);
});

Deno.test("ClientState submits a key anew that the scheduler cancelled", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.flush();
  client.do({ op: "cancelled-keys", keys: [a.key], reason: "lost" });
  const again = client.submit(INC, "a");
  assertEquals([a.status, again.status], ["cancelled", "pending"]);
  assertEquals(client.flushed(), ["update-graph"]);
  client.release(a, again);
  client.beat();
  assertEquals(client.state.snapshot().functions.size, 0);
});

Deno.test("ClientState takes failed tasks for pending while they are run again", () => {
  const client = new Client();
  const [a, b, c] = [client.submit(INC, "a"), client.submit(INC, "b"), client.submit(INC, "c")];
  client.flush();
  for (const { key } of [a, b]) client.do({ op: "task-erred", key, exception: "x", traceback: null });
  const { retrying } = client.do({ op: "retry", wants: [a, b, c, a] });
  assertEquals(retrying.map((state) => state.key), [a.key, b.key]);
  assertEquals([a.status, b.status, c.status], ["pending", "pending", "pending"]);
  client.do({ op: "retry-answer", wants: retrying, running: [a.key] });
  assertEquals(client.flush(), [{ op: "report-key", key: b.key }]);
});

Deno.test("ClientState wants keys of others, and values that it gave to workers", () => {
  const client = new Client();
  const [theirs, data, mine] = ["theirs", "data", "mine"] as Key[] as [Key, Key, Key];
  client.do({ op: "desire", key: theirs }, { op: "expect", key: data });
  const expected = client.wanted(data);
  client.do({ op: "desire", key: data }); // is expected already
  assertStrictEquals(client.wanted(data), expected);
  assertEquals(client.flush(), [{ op: "client-desires-keys", keys: [theirs] }]);
  client.do({ op: "announce", key: mine, workers: [WORKER], nbytes: 9 });
  const whoHas = { [mine]: [WORKER] } as Record<Key, Address[]>;
  const nbytes = { [mine]: 9 } as Record<Key, number>;
  assertEquals(client.flush(), [{ op: "update-data", who_has: whoHas, nbytes, client: CLIENT }]);
  client.release(expected, expected);
  assertEquals(client.flush(), [{ op: "client-releases-keys", keys: [data] }]);
});

Deno.test("ClientState takes a key that is named twice in one message for cancelled twice", () => {
  const client = new Client();
  const first = client.submit(INC, "a"); // is refused
  client.cancel(first); // of an unknown key: gets no answer of its own
  const second = client.submit(INC, "a"); // is refused, too, and both refusals come together
  const { key } = second;
  client.do({ op: "cancelled-keys", keys: [key, key], reason: "lost dependencies" });
  assertEquals([second.status, second.reason], ["cancelled", "lost dependencies"]);
});

Deno.test("ClientState takes stimuli that went through JSON, as it names wants by number", () => {
  const client = new Client();
  const a = client.submit(INC, "a");
  client.flush();
  const { key, want } = a;
  const stimulus = JSON.parse(JSON.stringify({ op: "release", wants: [{ key, want }] })) as ClientStimulus;
  client.do(stimulus);
  assertEquals(client.state.snapshot().keys, []);
});

Deno.test("ClientState fails at once if its time goes back, or it is told of a want that it never had", () => {
  const client = new Client();
  client.now = 1;
  client.do();
  client.now = 0;
  assertThrows(() => client.do(), AssertionError, "went back");
  const a = new Client().submit(INC, "a");
  assertThrows(() => new Client().release(a), AssertionError, "has no want 0");
});
