/**
 * What of peers' messages the state machine keeps: it must not keep whole messages alive, nor grow by odd
 * fields.
 */

import { assert, assertEquals } from "@std/assert";
import type { FunctionHash, Key } from "../../messages/common.ts";
import type { WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import { A, ALICE, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { taskFinished, updateGraph } from "../../testing/scheduler_simulation.ts";

/** A view of a part of a message that is much larger. */
function partOfMessage(bytes: readonly number[]): Uint8Array {
  const message = new Uint8Array(100_000);
  message.set(bytes, 500);
  return message.subarray(500, 500 + bytes.length);
}

Deno.test("SchedulerState keeps one copy of the type of results, and not the messages that it came in", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 2);
  fixture.client(ALICE, updateGraph([["x"], ["y"], ["z"]]));
  const finish = (key: string, runId: number, type: unknown, typename = "number") => {
    const message = { ...taskFinished(key, runId), type, typename } as WorkerStreamMessage;
    fixture.state.handleWorkerMessage(A, message, fixture.now++);
    return fixture.state.tasks.get(key as Key)?.type;
  };
  const runIdOf = (key: string) => fixture.state.tasks.get(key as Key)?.runId ?? 0;
  const first = finish("x", runIdOf("x"), partOfMessage([1, 2, 3]));
  const second = finish("y", runIdOf("y"), partOfMessage([1, 2, 3]));
  assert(first instanceof Uint8Array && first === second);
  assertEquals([first.length, first.buffer.byteLength], [3, 3]);
  const other = finish("z", runIdOf("z"), partOfMessage([4, 5]));
  assertEquals(other, new Uint8Array([4, 5]));
});

Deno.test("SchedulerState forgets a type that is no bytes, or far too many", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 2);
  fixture.client(ALICE, updateGraph([["x"], ["y"]]));
  for (const [key, type] of [["x", { huge: [] }], ["y", new Uint8Array(100_000)]] as const) {
    const { runId = 0 } = fixture.state.tasks.get(key as Key) ?? {};
    const message = { ...taskFinished(key, runId), type } as unknown as WorkerStreamMessage;
    fixture.state.handleWorkerMessage(A, message, fixture.now++);
    assertEquals(fixture.state.tasks.get(key as Key)?.type, null);
  }
});

Deno.test("SchedulerState keeps the bodies of functions, and not the messages that they came in", () => {
  const fixture = new SchedulerFixture();
  const body = partOfMessage([7, 7]);
  const graph = updateGraph([["x", [], "f"]]);
  fixture.client(ALICE, { ...graph, functions: { f: body } } as typeof graph);
  const kept = fixture.state.functions.bodies.get("f" as FunctionHash)?.bytes;
  assertEquals([kept?.length, kept?.buffer.byteLength], [2, 2]);
});

Deno.test("SchedulerState notes no causes in its stories that are longer than names, or no names", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 2);
  fixture.client(ALICE, updateGraph([["x"], ["y"]]));
  for (const [key, stimulus_id] of [["x", "s".repeat(100_000)], ["y", { no: "name" }]] as const) {
    const message = { op: "reschedule", key, stimulus_id } as unknown as WorkerStreamMessage;
    fixture.state.handleWorkerMessage(A, message, fixture.now++);
  }
  const causes = fixture.state.story().map(({ stimulusId }) => stimulusId);
  assert(causes.includes("reschedule"), causes.join());
  assert(causes.every((cause) => typeof cause === "string" && cause.length < 300));
});
