import { assert, assertEquals, assertMatch } from "@std/assert";
import { systemClock } from "../internal/clock.ts";
import { Scope } from "../internal/scope.ts";
import type { Address, FunctionHash, Key } from "../messages/common.ts";
import type { RunSpec } from "../messages/run_spec.ts";
import type { ComputeTask } from "../messages/worker_scheduler.ts";
import { serializeValue } from "../protocol/values.ts";
import { decodeError } from "../protocol/remote_error.ts";
import { Serialized } from "../protocol/serialized.ts";
import type { ExecutionRequest, Executor } from "./executor/executor.ts";
import { LaterStore } from "../testing/later_store.ts";
import { MemoryStore } from "./memory/memory_store.ts";
import type { Store } from "./memory/store.ts";
import { Performer } from "./performer.ts";
import type { SchedulerMessage } from "./state/instruction.ts";
import { WorkerState } from "./state/worker_state.ts";

/** An executor that must be given nothing. */
const UNUSED: Executor = {
  nthreads: 1,
  execute: () => assert(false, "nothing is for threads"),
  withdraw: () => assert(false, "nothing was given"),
  addFunction: () => {},
  removeFunction: () => {},
  close: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

const X = "x" as Key;
const Y = "y" as Key;
const VALUE = serializeValue("operand");

function compute(key: Key, run_spec: RunSpec, whoHas: Readonly<Record<string, Address[]>> = {}): ComputeTask {
  return {
    op: "compute-task",
    key,
    run_id: 7,
    priority: [0],
    stimulus_id: "compute-task-1",
    who_has: whoHas,
    nbytes: {},
    run_spec,
    resource_restrictions: null,
    actor: false,
    annotations: {},
    span_id: null,
  };
}

function performerOf(store: Store, executor: Executor, scope: Scope, sent: SchedulerMessage[]): Performer {
  return new Performer({
    clock: systemClock,
    state: new WorkerState({ address: "tls://10.0.0.1:1" as Address, nthreads: 1, validate: true }),
    store,
    peers: { getData: () => Promise.reject(new Error("No peer is asked")) },
    scope,
    send: (message) => sent.push(message),
    executor,
    onFailure: (error) => {
      throw error;
    },
  });
}

/** A performer that has "x" in a slow store, and was told to run "y" on it. */
function waitingForX(scope: Scope) {
  const store = new LaterStore();
  const requests: ExecutionRequest[] = [];
  const sent: SchedulerMessage[] = [];
  const executor = {
    ...UNUSED,
    execute: (batch: readonly ExecutionRequest[]) => void requests.push(...batch),
  };
  const performer = performerOf(store, executor, scope, sent);
  assertEquals(Object.keys(performer.takeData(new Map([[X, VALUE]]))), ["x"]);
  const native: RunSpec = ["f".repeat(64) as FunctionHash, Uint8Array.of(0x91, 0xc0), [[X, 0]]];
  performer.handle([compute(Y, native, { x: [] })]);
  assertEquals([store.waiting, requests.length], [1, 0]);
  return { store, requests, sent, performer };
}

Deno.test("Performer waits for operands that are read first, and holds them until the task has ended", async () => {
  await using scope = new Scope();
  const { store, requests, sent, performer } = waitingForX(scope);
  performer.handle([{ op: "remove-replicas", keys: [X], stimulus_id: "remove" }]); // what was taken stays
  store.read();
  await scope.idle();
  assertEquals(requests.map(({ key, runId, dependencies }) => [key, runId, dependencies]), [
    [Y, 7, [[X, VALUE]]],
  ]);
  assertEquals(store.held, 1);
  const result = serializeValue(1);
  const times = { start: 1, stop: 2, thread: 1 };
  performer.onOutcomes([{ kind: "success", key: Y, runId: 7, result, typename: "number", ...times }]);
  assertEquals(store.held, 0);
  assert(sent.some(({ op }) => op === "task-finished"));
  performer.close();
});

Deno.test("Performer runs nothing that is withdrawn while its operands are read", async () => {
  await using scope = new Scope();
  const { store, requests, sent, performer } = waitingForX(scope);
  performer.handle([{ op: "free-keys", keys: [Y], stimulus_id: "free" }]);
  performer.handle([{ op: "free-keys", keys: [X], stimulus_id: "free" }]);
  store.read();
  await scope.idle();
  assertEquals([requests.length, store.held, store.size], [0, 0, 0]);
  assertEquals(sent.map(({ op }) => op), ["release-worker-data"]);
  performer.close();
});

Deno.test("Performer fails a task of another runtime in words, and goes on", async () => {
  const sent: SchedulerMessage[] = [];
  await using scope = new Scope();
  const performer = performerOf(new MemoryStore(), UNUSED, scope, sent);
  const foreign = new Serialized({ serializer: "pickle" }, [new Uint8Array([0x80, 5, 0x2e])]);
  performer.handle([compute("load-1" as Key, foreign)]);
  const [message] = sent;
  assert(message?.op === "task-erred" && sent.length === 1);
  assertEquals([message.key, message.run_id], ["load-1" as Key, 7]);
  assertMatch(
    decodeError(message.exception).message,
    /^Cannot run task "load-1": it is serialized for another runtime/,
  );
  performer.close();
});
