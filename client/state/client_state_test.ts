import { assertEquals, assertStrictEquals } from "@std/assert";
import type { TaskRow } from "../../messages/client_scheduler.ts";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";
import { ClientState, type FunctionBody, type KeyState } from "./client_state.ts";

const INC: FunctionBody = { hash: "aa" as FunctionHash, body: new Uint8Array([1]) };
const ADD: FunctionBody = { hash: "bb" as FunctionHash, body: new Uint8Array([2]) };
const WORKER = "tls://127.0.0.1:1" as Address;
const NO_ANNOTATIONS = {};

function row(key: string): TaskRow {
  return [key as Key, new Uint8Array([0x90]), []];
}

function submit(state: ClientState, fn: FunctionBody, key: string): KeyState {
  const made = state.submit(fn, row(key), NO_ANNOTATIONS);
  state.acquire(made);
  return made;
}

Deno.test("ClientState sends the tasks of one turn as one graph, grouped by function, each body once", () => {
  const state = new ClientState();
  for (const key of ["a", "b"]) submit(state, INC, key);
  submit(state, ADD, "c");
  submit(state, INC, "d");
  assertEquals(state.takeMessages(), [{
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
  submit(state, INC, "e");
  const [later] = state.takeMessages();
  assertEquals(later?.op === "update-graph" ? later.functions : undefined, {});
});

Deno.test("ClientState does not grow a graph behind another message", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  state.drop(a);
  submit(state, INC, "b");
  assertEquals(state.takeMessages().map((message) => message.op), [
    "update-graph",
    "client-releases-keys",
    "update-graph",
  ]);
});

Deno.test("ClientState shares the state of a key and releases it with its last Future", () => {
  const state = new ClientState();
  const first = submit(state, INC, "a");
  const second = submit(state, INC, "a");
  assertStrictEquals(first, second);
  state.takeMessages();
  state.drop(first);
  assertEquals(state.hasMessages, false);
  state.drop(second);
  assertEquals(state.takeMessages(), [{ op: "client-releases-keys", keys: ["a" as Key] }]);
  assertEquals(state.size, 0);
});

Deno.test("ClientState releases bodies that no wanted key needs, and sends them again later", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  submit(state, ADD, "b");
  state.drop(a);
  state.takeMessages();
  state.releaseIdleFunctions();
  assertEquals(state.takeMessages(), [{ op: "client-releases-functions", functions: [INC.hash] }]);
  assertEquals(state.functionCount, 1);
  submit(state, INC, "c");
  const [graph] = state.takeMessages();
  assertEquals(graph?.op === "update-graph" ? graph.functions : undefined, { [INC.hash]: INC.body });
});

Deno.test("ClientState follows a task to its result, its loss and its end", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  let ended = 0;
  const watch = () => a.watch(() => ended++);
  watch();
  state.handle({ op: "key-in-memory", key: a.key, workers: [WORKER], result: new Uint8Array([7]) });
  assertEquals([a.status, a.workers, a.result, ended], ["finished", [WORKER], new Uint8Array([7]), 1]);
  state.handle({ op: "lost-data", key: a.key });
  assertEquals([a.status, a.workers, a.result, a.ended], ["lost", [], undefined, false]);
  watch();
  state.handle({ op: "task-erred", key: a.key, exception: "boom", traceback: null });
  assertEquals([a.status, a.exception, ended], ["error", "boom", 2]);
  state.handle({ op: "task-retried", key: a.key });
  assertEquals([a.status, a.exception], ["pending", undefined]);
});

Deno.test("ClientState asks again for a result that nobody gave", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  state.handle({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  state.takeMessages();
  state.lose(a);
  assertEquals([a.status, a.workers], ["lost", []]);
  assertEquals(state.takeMessages(), [{ op: "report-key", key: a.key }]);
});

Deno.test("ClientState ignores late reports about keys that are no longer wanted", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  state.drop(a);
  state.handle({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  state.handle({ op: "cancelled-keys", keys: [a.key] });
  assertEquals([a.status, a.workers], ["cancelled", []]);
});

Deno.test("ClientState ends a cancelled task with the reason, and keeps it ended", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  state.handle({ op: "cancelled-keys", keys: [a.key], reason: "lost dependencies", msg: "x" });
  assertEquals([a.status, a.reason], ["cancelled", "lost dependencies: x"]);
  state.handle({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  assertEquals(a.status, "cancelled");
});

Deno.test("ClientState cancels everything when the scheduler is gone", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  let ended = 0;
  a.watch(() => ended++);
  state.disconnect("gone");
  assertEquals([a.status, a.reason, ended, state.size, state.hasMessages], [
    "cancelled",
    "gone",
    1,
    0,
    false,
  ]);
});

Deno.test("KeyState forgets a watcher that was taken back", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  let ended = 0;
  const watcher = () => ended++;
  a.watch(watcher);
  a.unwatch(watcher);
  state.handle({ op: "key-in-memory", key: a.key });
  assertEquals(ended, 0);
});

Deno.test("ClientState cancels at once, tells the scheduler, and submits anew afterwards", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  state.takeMessages();
  let ended = 0;
  a.watch(() => ended++);
  state.cancel([a, a], false, "enough");
  assertEquals([a.status, a.reason, ended], ["cancelled", "enough", 1]);
  const again = submit(state, INC, "a");
  assertEquals(state.takeMessages().map((message) => message.op), ["cancel-keys", "update-graph"]);
  // Reports of the time before the cancellation, and its confirmation, are not about the new one.
  state.handle({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  state.handle({ op: "cancelled-keys", keys: [a.key], reason: "enough" });
  assertEquals(again.status, "pending");
  state.handle({ op: "key-in-memory", key: a.key, workers: [WORKER] });
  assertEquals([again.status, a.status], ["finished", "cancelled"]);
  state.drop(a);
  assertEquals([state.hasMessages, state.size], [false, 1]);
});

Deno.test("ClientState submits a key anew that the scheduler cancelled", () => {
  const state = new ClientState();
  const a = submit(state, INC, "a");
  state.takeMessages();
  state.handle({ op: "cancelled-keys", keys: [a.key], reason: "lost" });
  const again = submit(state, INC, "a");
  assertEquals([a.status, again.status], ["cancelled", "pending"]);
  assertEquals(state.takeMessages().map((message) => message.op), ["update-graph"]);
  state.drop(a);
  state.drop(again);
  state.releaseIdleFunctions();
  assertEquals(state.functionCount, 0);
});

Deno.test("ClientState takes failed tasks for pending while they are run again", () => {
  const state = new ClientState();
  const [a, b, c] = ["a", "b", "c"].map((key) => submit(state, INC, key)) as [KeyState, KeyState, KeyState];
  state.takeMessages();
  for (const one of [a, b]) state.handle({ op: "task-erred", key: one.key, exception: "x", traceback: null });
  const retried = state.beginRetry([a, b, c, a]);
  assertEquals(retried, [a, b]);
  assertEquals([a.status, b.status, c.status], ["pending", "pending", "pending"]);
  state.endRetry(retried, [a.key]);
  assertEquals(state.takeMessages(), [{ op: "report-key", key: b.key }]);
});

Deno.test("ClientState wants keys of others, and values that it gave to workers", () => {
  const state = new ClientState();
  const [theirs, data] = ["theirs", "data"] as Key[] as [Key, Key];
  const desired = state.desire(theirs);
  state.acquire(desired);
  const expected = state.expect(data);
  state.acquire(expected);
  assertStrictEquals(state.desire(data), expected);
  assertEquals(state.takeMessages(), [{ op: "client-desires-keys", keys: [theirs] }]);
  state.drop(expected);
  assertEquals(state.takeMessages(), [{ op: "client-releases-keys", keys: [data] }]);
});

Deno.test("ClientState takes a key that is named twice in one message for cancelled twice", () => {
  const state = new ClientState();
  const first = submit(state, INC, "a"); // is refused
  state.cancel([first], false, "enough"); // of a key that is not known: no answer of its own
  const second = submit(state, INC, "a"); // is refused, too, and both refusals come together
  const { key } = second;
  state.handle({ op: "cancelled-keys", keys: [key, key], reason: "lost dependencies" });
  assertEquals([second.status, second.reason], ["cancelled", "lost dependencies"]);
});
