import { assert, assertEquals, assertMatch } from "@std/assert";
import { systemClock } from "../internal/clock.ts";
import { Scope } from "../internal/scope.ts";
import type { Address, Key } from "../messages/common.ts";
import { decodeError } from "../protocol/remote_error.ts";
import { Serialized } from "../protocol/serialized.ts";
import type { Executor } from "./executor/executor.ts";
import { DataStore } from "./memory/store.ts";
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

Deno.test("Performer fails a task of another runtime in words, and goes on", async () => {
  const sent: SchedulerMessage[] = [];
  await using scope = new Scope();
  const performer = new Performer({
    clock: systemClock,
    state: new WorkerState({ address: "tls://10.0.0.1:1" as Address, nthreads: 1, validate: true }),
    store: new DataStore(),
    peers: { getData: () => Promise.reject(new Error("No peer is asked")) },
    scope,
    send: (message) => sent.push(message),
    executor: UNUSED,
    onFailure: (error) => {
      throw error;
    },
  });
  performer.handle([{
    op: "compute-task",
    key: "load-1" as Key,
    run_id: 7,
    priority: [0],
    stimulus_id: "compute-task-1",
    who_has: {},
    nbytes: {},
    run_spec: new Serialized({ serializer: "pickle" }, [new Uint8Array([0x80, 5, 0x2e])]),
    resource_restrictions: null,
    actor: false,
    annotations: {},
    span_id: null,
  }]);
  const [message] = sent;
  assert(message?.op === "task-erred" && sent.length === 1);
  assertEquals([message.key, message.run_id], ["load-1" as Key, 7]);
  assertMatch(
    decodeError(message.exception).message,
    /^Cannot run task "load-1": it is serialized for another runtime/,
  );
  performer.close();
});
