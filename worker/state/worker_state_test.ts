import { assert, assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/assert.ts";
import { InvalidTransition } from "../../internal/story.ts";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";
import type { RunSpec } from "../../messages/run_spec.ts";
import type { ComputeTask } from "../../messages/worker_scheduler.ts";
import { Serialized } from "../../protocol/serialized.ts";
import type { Instruction } from "./instruction.ts";
import type { ExecuteFailure, ExecuteSuccess, Stimulus } from "./stimulus.ts";
import { WorkerState, type WorkerStateOptions } from "./worker_state.ts";

const HERE = "tls://10.0.0.1:1" as Address;
const PEER = "tls://10.0.0.2:2" as Address;
const OTHER = "tls://10.0.0.3:3" as Address;
const TYPE = Uint8Array.of(1, 2, 3);

function make(options: Partial<WorkerStateOptions> = {}): WorkerState {
  return new WorkerState({ address: HERE, nthreads: 1, validate: true, ...options });
}

function specOf(key: string): RunSpec {
  return ["f".repeat(64) as FunctionHash, new TextEncoder().encode(key), []];
}

type Holders = Readonly<Record<string, readonly Address[]>>;

function compute(key: string, whoHas: Holders = {}, more: Partial<ComputeTask> = {}): ComputeTask {
  return {
    op: "compute-task",
    key: key as Key,
    run_id: 1,
    priority: [0],
    stimulus_id: `compute-${key}`,
    who_has: whoHas,
    nbytes: Object.fromEntries(Object.keys(whoHas).map((name) => [name, 10])),
    run_spec: specOf(key),
    resource_restrictions: null,
    actor: false,
    annotations: {},
    span_id: null,
    ...more,
  };
}

function succeeded(key: string, more: Partial<ExecuteSuccess> = {}): ExecuteSuccess {
  return {
    op: "execute-success",
    key: key as Key,
    run_id: 1,
    nbytes: 8,
    type: TYPE,
    typename: "number",
    start: 1,
    stop: 2,
    thread: 7,
    stimulus_id: `done-${key}`,
    ...more,
  };
}

const ERROR = new Serialized({ serializer: "pickle" }, [Uint8Array.of(9)]);

function failed(key: string): ExecuteFailure {
  return {
    op: "execute-failure",
    key: key as Key,
    run_id: 1,
    start: null,
    stop: null,
    thread: 7,
    exception: ERROR,
    traceback: null,
    exception_text: "Error: no",
    traceback_text: "at f",
    stimulus_id: `failed-${key}`,
  };
}

function withdrawn(key: string): Stimulus {
  return { op: "execution-withdrawn", key: key as Key, run_id: 1, stimulus_id: `withdrawn-${key}` };
}

function free(...keys: string[]): Stimulus {
  return { op: "free-keys", keys: keys as Key[], stimulus_id: "free" };
}

function gathered(worker: Address, ...keys: string[]): Stimulus {
  return {
    op: "gather-success",
    worker,
    data: new Map(keys.map((key) => [key as Key, 10])),
    stimulus_id: "gathered",
  };
}

const TICK: Stimulus = { op: "tick", stimulus_id: "tick" };

function simple(op: "pause" | "unpause"): Stimulus {
  return { op, stimulus_id: op };
}

/** Time of all machines. */
let now = 0;

/** Handles stimuli one after the other and returns what the last one led to. */
function feed(state: WorkerState, ...stimuli: Stimulus[]): readonly Instruction[] {
  let instructions: readonly Instruction[] = [];
  for (const stimulus of stimuli) instructions = state.handle([stimulus], now).instructions;
  return instructions;
}

/** Lets time pass until the next deadline, and returns what that led to. */
function wait(state: WorkerState): readonly Instruction[] {
  const { nextDeadline } = state.handle([], now);
  assert(nextDeadline < Infinity, "Nothing is due");
  now = nextDeadline;
  return feed(state, TICK);
}

/** Checks that instructions are those wanted, in order; a field that is not named may be anything. */
function assertInstructions(
  actual: readonly Instruction[],
  wanted: readonly Record<string, unknown>[],
): void {
  const named = actual.map((instruction, index) => {
    const fields: [string, unknown][] = Object.entries(instruction);
    return Object.fromEntries(fields.filter(([name]) => name in (wanted[index] ?? { op: "" })));
  });
  assertEquals(named, wanted.map((fields) => ({ ...fields })));
}

Deno.test("WorkerState runs a task, tells its result, and drops it when it is freed", () => {
  const state = make();
  assertEquals(feed(state, compute("x")), [{
    op: "execute",
    key: "x" as Key,
    run_id: 1,
    run_spec: specOf("x"),
    dependencies: [],
    inline_result: false,
  }]);
  assertEquals(feed(state, succeeded("x")), [{
    op: "task-finished",
    status: "OK",
    key: "x" as Key,
    run_id: 1,
    nbytes: 8,
    type: TYPE,
    typename: "number",
    metadata: {},
    thread: 7,
    startstops: [{ action: "compute", start: 1, stop: 2 }],
    stimulus_id: "done-x",
  }]);
  assertEquals([...state.data()], [["x" as Key, 8]]);
  assertEquals(state.nbytes, 8);
  assertEquals(feed(state, free("x")), [
    { op: "drop-data", key: "x" as Key },
    { op: "release-worker-data", key: "x" as Key, stimulus_id: "free" },
  ]);
  assertEquals(state.taskCount, 0);
  assertEquals(state.nbytes, 0);
});

Deno.test("WorkerState sends a small result along if a client waits for it, and only then", () => {
  const result = Uint8Array.of(42);
  for (const inline_result of [true, false]) {
    const state = make();
    assertInstructions(feed(state, compute("x", {}, { inline_result })), [{ op: "execute", inline_result }]);
    const [message] = feed(state, succeeded("x", { result }));
    assert(message?.op === "task-finished");
    assertEquals(message.result, inline_result ? result : undefined);
    assertEquals("result" in message, inline_result);
  }
});

Deno.test("WorkerState tells a task's error and runs it again when it is asked to", () => {
  const state = make();
  assertInstructions(feed(state, compute("x"), failed("x")), [
    { op: "task-erred", status: "error", key: "x", run_id: 1, exception: ERROR, exception_text: "Error: no" },
  ]);
  assertEquals(state.stateOf("x" as Key), "error");
  assertInstructions(feed(state, compute("x", {}, { run_id: 2 })), [{ op: "execute", key: "x", run_id: 2 }]);
});

Deno.test("WorkerState hands out as many tasks as it has slots, by priority", () => {
  const state = make({ nthreads: 2 });
  feed(state, simple("pause"));
  for (let i = 6; i > 0; i--) feed(state, compute(`x${i}`, {}, { priority: [i] }));
  assertInstructions(feed(state, simple("unpause")), [{ op: "execute", key: "x2" }, {
    op: "execute",
    key: "x1",
  }]);
  // Threads are fed ahead with 5 ms of work: two of these per thread.
  assertInstructions(feed(state, succeeded("x1", { start: 1, stop: 1.0024 })), [
    { op: "task-finished", key: "x1" },
    { op: "execute", key: "x5" },
    { op: "execute", key: "x4" },
    { op: "execute", key: "x3" },
  ]);
  assertEquals(state.executingCount, 4);
  assertEquals(state.readyCount, 1);
  // A long one ends that.
  assertInstructions(feed(state, succeeded("x2")), [{ op: "task-finished", key: "x2" }]);
  feed(state, succeeded("x3"));
  assertInstructions(feed(state, succeeded("x4")), [{ op: "task-finished" }, { op: "execute", key: "x6" }]);
});

Deno.test("WorkerState withdraws a task that is freed, and runs the next when it came back", () => {
  const state = make();
  feed(state, compute("x"), compute("y"));
  assertEquals(feed(state, free("x")), [{ op: "withdraw", key: "x" as Key }]);
  assertEquals(state.stateOf("x" as Key), "cancelled");
  assertInstructions(feed(state, withdrawn("x")), [{ op: "execute", key: "y" }]);
  assertEquals(state.stateOf("x" as Key), undefined);
  assertEquals(state.executedCount, 0);
});

Deno.test("WorkerState runs a withdrawn task again if it was asked for meanwhile", () => {
  const state = make();
  feed(state, compute("x"), free("x"));
  assertEquals(feed(state, compute("x", {}, { run_id: 2, run_spec: specOf("new") })), []);
  assertEquals(state.stateOf("x" as Key), "executing");
  assertInstructions(feed(state, withdrawn("x")), [
    { op: "execute", key: "x", run_id: 2, run_spec: specOf("new") },
  ]);
});

Deno.test("WorkerState has a withdrawn task wait if a dependency is gone meanwhile, and runs another", () => {
  const state = make();
  feed(state, compute("y", { x: [PEER] }), gathered(PEER, "x"), compute("z"), free("x"));
  assertEquals(state.stateOf("y" as Key), "executing");
  assertInstructions(feed(state, withdrawn("y")), [{ op: "execute", key: "z" }]);
  assertEquals(state.counts(), { waiting: 1, missing: 1, executing: 1 });
});

Deno.test("WorkerState fetches a withdrawn task that is wanted from elsewhere", () => {
  const state = make();
  feed(state, compute("x"), free("x"), compute("y", { x: [PEER] }));
  assertEquals(state.stateOf("x" as Key), "resumed");
  assertInstructions(feed(state, withdrawn("x")), [{ op: "gather-dep", worker: PEER, keys: ["x"] }]);
});

Deno.test("WorkerState takes back what has not begun when it is paused, and hands it out again after", () => {
  const state = make({ nthreads: 2 });
  const withdrawals = [{ op: "withdraw", key: "x" }, { op: "withdraw", key: "short" }];
  assertInstructions(feed(state, compute("x"), compute("short"), compute("y"), simple("pause")), withdrawals);
  assertEquals(feed(state, simple("pause")), []);
  // There is room for more now.
  assertInstructions(feed(state, succeeded("short", { start: 1, stop: 1.001 })), [{ op: "task-finished" }]);
  assertEquals(feed(state, withdrawn("x")), []);
  assertEquals(state.stateOf("x" as Key), "ready");
  assertInstructions(feed(state, simple("unpause")), [{ op: "execute", key: "x" }, {
    op: "execute",
    key: "y",
  }]);
});

Deno.test("WorkerState drops results that nobody wants any more when they come", () => {
  const state = make();
  feed(state, compute("x"), free("x"));
  assertEquals(feed(state, succeeded("x")), [{ op: "drop-data", key: "x" as Key }]);
  feed(state, compute("y", { x: [PEER] }), free("y"));
  assertEquals(feed(state, gathered(PEER, "x")), [{ op: "drop-data", key: "x" as Key }]);
  assertEquals(state.taskCount, 0);
});

Deno.test("WorkerState.handle asks a peer once for what all stimuli need", () => {
  const state = make();
  const { instructions } = state.handle([compute("a", { x: [PEER] }), compute("b", { y: [PEER] })], now);
  assertInstructions(instructions, [{ op: "gather-dep", worker: PEER, totalNbytes: 20 }]);
  assertEquals(state.transferIncomingBytes, 20);
  const then = feed(state, gathered(PEER, "x", "y"));
  const added = then.filter(({ op }) => op === "add-keys");
  assert(added.length === 1 && added[0]?.op === "add-keys");
  assertEquals(added[0].keys.toSorted(), ["x" as Key, "y" as Key]);
  assertEquals(state.transferIncomingBytes, 0);
});

Deno.test("WorkerState.handle does not fetch what is freed in the same turn", () => {
  const state = make();
  assertEquals(state.handle([compute("a", { x: [PEER] }), free("a")], now).instructions, []);
  assertEquals(state.taskCount, 0);
});

Deno.test("WorkerState keeps a request to a peer below the limit of bytes", () => {
  const state = make({ transferMessageBytesLimit: 25 });
  const whoHas = Object.fromEntries(["a", "b", "c", "d", "e"].map((name) => [name, [PEER]]));
  const [first] = feed(state, compute("y", whoHas));
  assert(first?.op === "gather-dep");
  assertEquals(first.totalNbytes, 20);
  const rest = feed(state, gathered(PEER, ...first.keys));
  assertInstructions(rest, [{ op: "add-keys" }, { op: "gather-dep", worker: PEER, totalNbytes: 20 }]);
});

Deno.test("WorkerState fetches a result beyond all limits if it is the first", () => {
  const state = make({ transferMessageBytesLimit: 5, transferIncomingBytesLimit: 5 });
  assertInstructions(feed(state, compute("y", { a: [PEER], b: [OTHER] })), [
    { op: "gather-dep", totalNbytes: 10 },
  ]);
});

Deno.test("WorkerState fetches the more urgent result first, wherever it is", () => {
  const state = make({ transferIncomingBytesLimit: 10 });
  feed(state, compute("busy", { z: [PEER] }));
  feed(state, compute("late", { a: [OTHER] }, { priority: [5] }));
  feed(state, compute("soon", { b: ["tls://10.0.0.4:4" as Address] }, { priority: [1] }));
  assertInstructions(feed(state, gathered(PEER, "z")), [
    { op: "add-keys" },
    { op: "execute", key: "busy" },
    { op: "gather-dep", worker: "tls://10.0.0.4:4", keys: ["b"] },
  ]);
});

Deno.test("WorkerState asks another holder if a peer fails, and the scheduler if there is none", () => {
  for (const op of ["gather-failure", "gather-network-failure"] as const) {
    const state = make();
    feed(state, compute("y", { x: [PEER, OTHER] }));
    const [first] = state.snapshot().in_flight_tasks.length === 1
      ? Object.keys(state.snapshot().in_flight_workers) as Address[]
      : [];
    assert(first !== undefined);
    const second = first === PEER ? OTHER : PEER;
    assertInstructions(feed(state, { op, worker: first, stimulus_id: "failed" }), [
      { op: "gather-dep", worker: second, keys: ["x"] },
    ]);
    assertEquals(feed(state, { op, worker: second, stimulus_id: "failed" }), []);
    assertEquals(state.snapshot().missing, ["x" as Key]);
    assertEquals(feed(state, TICK), [], "that was a moment ago");
    assertInstructions(wait(state), [{ op: "request-refresh-who-has", keys: ["x"] }]);
    assertInstructions(wait(state), [{ op: "request-refresh-who-has", keys: ["x"] }]);
    assertInstructions(
      feed(state, { op: "refresh-who-has", who_has: { x: [PEER] }, stimulus_id: "refresh" }),
      [{ op: "gather-dep", worker: PEER, keys: ["x"] }],
    );
  }
});

Deno.test("WorkerState lets a busy peer rest", () => {
  const state = make();
  feed(state, compute("y", { x: [PEER] }));
  assertInstructions(feed(state, { op: "gather-busy", worker: PEER, stimulus_id: "busy" }), [
    { op: "request-refresh-who-has", keys: ["x"] },
  ]);
  assertEquals(state.snapshot().busy_workers, [PEER]);
  assertEquals(feed(state, compute("z", { w: [PEER] }), TICK), []);
  const [again] = wait(state);
  assert(again?.op === "gather-dep");
  assertEquals(again.keys.toSorted(), ["w" as Key, "x" as Key]);
});

Deno.test("WorkerState never gathers from itself", () => {
  const state = make();
  assertEquals(feed(state, compute("y", { x: [HERE] })), []);
  assertEquals(state.stateOf("x" as Key), "missing");
});

Deno.test("WorkerState has a ready task wait again if its dependency is removed", () => {
  const state = make();
  feed(state, compute("y", { x: [PEER] }), simple("pause"), gathered(PEER, "x"));
  assertEquals(state.stateOf("y" as Key), "ready");
  assertInstructions(feed(state, { op: "remove-replicas", keys: ["x" as Key], stimulus_id: "remove" }), [
    { op: "drop-data", key: "x" },
    { op: "release-worker-data", key: "x" },
  ]);
  assertEquals(state.stateOf("y" as Key), "waiting");
  assertEquals(state.stateOf("x" as Key), "missing");
  feed(state, simple("unpause"));
  feed(state, { op: "refresh-who-has", who_has: { x: [OTHER] }, stimulus_id: "refresh" });
  assertInstructions(feed(state, gathered(OTHER, "x")), [
    { op: "add-keys", keys: ["x"] },
    { op: "execute", key: "y", dependencies: ["x"] },
  ]);
});

Deno.test("WorkerState goes on gathering a freed key that a task still waits for", () => {
  const state = make();
  feed(state, compute("y", { x: [PEER] }));
  assertEquals(feed(state, free("x")), []);
  assertEquals(state.stateOf("x" as Key), "flight");
  assertInstructions(feed(state, gathered(PEER, "x")), [{ op: "add-keys" }, { op: "execute", key: "y" }]);
});

Deno.test("WorkerState acquires and removes replicas", () => {
  const state = make();
  const acquire: Stimulus = {
    op: "acquire-replicas",
    who_has: { x: [PEER] },
    nbytes: { x: 5 },
    stimulus_id: "acquire",
  };
  assertInstructions(feed(state, acquire), [{ op: "gather-dep", worker: PEER, totalNbytes: 5 }]);
  assertInstructions(feed(state, gathered(PEER, "x")), [{ op: "add-keys", keys: ["x"] }]);
  assertEquals(feed(state, acquire), []);
  const remove: Stimulus = { op: "remove-replicas", keys: ["x" as Key, "y" as Key], stimulus_id: "remove" };
  assertInstructions(feed(state, remove), [{ op: "drop-data" }, { op: "release-worker-data", key: "x" }]);
  assertEquals(state.taskCount, 0);
});

Deno.test("WorkerState tells again of a result that it is asked to compute", () => {
  const state = make();
  feed(state, compute("x"), succeeded("x"));
  assertInstructions(feed(state, compute("x", {}, { run_id: 9 })), [
    { op: "task-finished", key: "x", run_id: 9, nbytes: 8, type: TYPE, typename: "number" },
  ]);
});

Deno.test("WorkerState gives back resources however a task ends", () => {
  const ends: Stimulus[][] = [
    [succeeded("x")],
    [failed("x")],
    [free("x"), succeeded("x")],
    [free("x"), withdrawn("x")],
    [{ op: "execute-reschedule", key: "x" as Key, stimulus_id: "again" }],
  ];
  for (const end of ends) {
    const state = make({ nthreads: 2, resources: { GPU: 1 } });
    const resource_restrictions = { GPU: 1 };
    feed(state, compute("x", {}, { resource_restrictions }));
    assertEquals(feed(state, compute("y", {}, { resource_restrictions })), []);
    const last = feed(state, ...end);
    assert(last.some((instruction) => instruction.op === "execute" && instruction.key === "y"));
    feed(state, succeeded("y"));
    assertEquals(state.snapshot().available_resources, { GPU: 1 });
  }
});

Deno.test("WorkerState runs the more urgent of a plain task and one that needs resources", () => {
  for (const urgent of ["plain", "constrained"]) {
    const state = make({ resources: { GPU: 1 } });
    const first = { priority: [1] }, second = { priority: [2] };
    feed(state, simple("pause"), compute("plain", {}, urgent === "plain" ? first : second));
    const order = urgent === "plain" ? second : first;
    feed(state, compute("constrained", {}, { resource_restrictions: { GPU: 1 }, ...order }));
    assertInstructions(feed(state, simple("unpause")), [{ op: "execute", key: urgent }]);
  }
});

Deno.test("WorkerState begins no request beyond the limit of their number once enough is under way", () => {
  const state = make({ transferIncomingCountLimit: 2 });
  const peers = [2, 3, 4, 5].map((n) => `tls://10.0.0.${n}:1` as Address);
  const whoHas = Object.fromEntries(peers.map((peer, index) => [`x${index}`, [peer]]));
  const nbytes = Object.fromEntries(Object.keys(whoHas).map((name) => [name, 6_000_000]));
  assertEquals(feed(state, compute("y", whoHas, { nbytes })).length, 2);
  assertEquals(state.transferIncomingCount, 2);
});

Deno.test("WorkerState asks this host before others, then who has most", () => {
  const state = make({ transferIncomingBytesLimit: 30 });
  const remote = [2, 3, 4, 5, 6, 7].map((n) => `tls://10.0.0.${n}:1` as Address);
  const local = "tls://10.0.0.1:99" as Address;
  const many = "tls://10.0.0.8:1" as Address;
  const whoHas: Record<string, Address[]> = { l: [local], m1: [many], m2: [many] };
  for (const peer of remote) whoHas[`only at ${peer}`] = [peer];
  const instructions = feed(state, compute("y", whoHas));
  assertInstructions(instructions, [
    { op: "gather-dep", worker: local, keys: ["l"] },
    { op: "gather-dep", worker: many, totalNbytes: 20 },
  ]);
});

Deno.test("WorkerState keeps a result that comes together with a dependent that is not wanted", () => {
  for (const order of [["x", "y"], ["y", "x"]]) {
    const state = make();
    const who_has = Object.fromEntries(order.map((name) => [name, [PEER]]));
    feed(state, { op: "acquire-replicas", who_has, nbytes: { x: 1, y: 1 }, stimulus_id: "acquire" });
    feed(state, compute("y", { x: [PEER] }), free("y"));
    assertEquals(state.counts(), { flight: 1, cancelled: 1 });
    assertEquals(feed(state, gathered(PEER, "x", "y")), [
      { op: "add-keys", keys: ["x" as Key], stimulus_id: "gathered" },
      { op: "drop-data", key: "y" as Key },
    ]);
  }
});

Deno.test("WorkerState drops what a peer sends without being asked", () => {
  const state = make();
  feed(state, compute("y", { x: [PEER] }));
  const instructions = feed(state, gathered(PEER, "x", "z"));
  assertEquals(instructions.filter(({ op }) => op === "drop-data"), [{ op: "drop-data", key: "z" as Key }]);
});

Deno.test("WorkerState counts tasks by state", () => {
  const state = make();
  feed(state, compute("x"), compute("y"), compute("z", { w: [PEER] }));
  assertEquals(state.counts(), { waiting: 1, ready: 1, executing: 1, flight: 1 });
  assertEquals(state.executing(now + 2), { ["x" as Key]: 2 });
  feed(state, free("x"));
  assertEquals(state.executing(now), {});
});

Deno.test("WorkerState refuses an end of something that did not begin, with the story", () => {
  const state = make();
  feed(state, compute("x"), succeeded("x"));
  const error = assertThrows(() => feed(state, succeeded("x")), AssertionError);
  assert(error.message.includes("transition: executing → memory (done-x)"), error.message);
  assertThrows(() => feed(state, gathered(PEER)), AssertionError, PEER);
});

Deno.test("WorkerState ends an endless loop of transitions", () => {
  const state = make({ transitionCounterMax: 3 });
  assertThrows(() => feed(state, compute("x")), InvalidTransition, `"x" from "ready" to "executing"`);
});

Deno.test("WorkerState.story keeps the latest entries only", () => {
  const state = make({ logLength: 4 });
  feed(state, compute("x"), succeeded("x"));
  const lines = state.story().map(({ event, start, finish }) => `${event} ${start} ${finish}`);
  assertEquals(lines, [
    "transition released waiting",
    "transition waiting ready",
    "transition ready executing",
    "transition executing memory",
  ]);
  assertEquals(state.story("done-x").length, 1);
});
