import { assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/assert.ts";
import type { ClientId, Key } from "../../messages/common.ts";
import { A, ALICE } from "../../testing/scheduler_fixture.ts";
import { taskFinished, updateGraph } from "../../testing/scheduler_simulation.ts";
import { type Extension, Extensions } from "./extension.ts";
import { machineOf, SchedulerState } from "./scheduler_state.ts";

/** Notes what it is told. */
class Witness implements Extension {
  readonly seen: string[] = [];
  readonly clientStream: Extension["clientStream"] = {
    "client-releases-functions": (_m, cs, { functions }) => {
      this.seen.push(`${cs.id} releases ${functions.join()}`);
    },
  };

  graphArrived(): void {
    this.seen.push("graph");
  }

  refusal(hash: string): string | undefined {
    return hash === "g" ? "no g today" : undefined;
  }

  taskPlaced(...[, ts, ws]: Parameters<NonNullable<Extension["taskPlaced"]>>): void {
    this.seen.push(`${ts.key} to ${ws.address}`);
  }

  groupEnded(...[, group]: Parameters<NonNullable<Extension["groupEnded"]>>): void {
    this.seen.push(`no more ${group.name}`);
  }

  clientLeft(m: Parameters<NonNullable<Extension["clientLeft"]>>[0]): void {
    this.seen.push(`client left ${m.tasks.size} tasks`);
  }

  workerLeft(...[, ws]: Parameters<NonNullable<Extension["workerLeft"]>>): void {
    this.seen.push(`${ws.address} left`);
  }
}

/** A scheduler with an extension, one client and one worker. */
function schedulerWith(extension: Extension): SchedulerState {
  const state = new SchedulerState({ validate: true }, [extension]);
  const worker = { address: A, status: "running", nthreads: 1, name: A, memory_limit: null } as const;
  state.handle([{ op: "add-client", ask: 0, client: ALICE }, { op: "add-worker", ask: 1, worker }], 1);
  return state;
}

Deno.test("An extension is told of graphs, tasks, groups, clients and workers, in their order", () => {
  const witness = new Witness();
  const state = schedulerWith(witness);
  state.handle([{
    op: "client-messages",
    client: ALICE,
    messages: [updateGraph([["x", [], "f"], ["y", [], "g"]])],
  }], 2);
  const runId = machineOf(state).tasks.get("x" as Key)?.runId ?? 0;
  state.handle([{ op: "worker-messages", worker: A, messages: [taskFinished("x", runId)] }], 3);
  const release = { op: "client-releases-functions", functions: ["f" as never] } as const;
  state.handle([{ op: "client-messages", client: ALICE, messages: [release] }], 4);
  state.handle([{ op: "remove-client", client: ALICE }], 5);
  state.handle([{ op: "remove-worker", worker: A, expected: true, close: false, stimulusId: "bye" }], 6);
  assertEquals(witness.seen, [
    "graph",
    `x to ${A}`,
    "alice releases f",
    "no more x",
    "client left 0 tasks",
    `${A} left`,
  ]);
});

Deno.test("An extension refuses tasks of a function, and the sender is told why", () => {
  const state = schedulerWith(new Witness());
  const graph = updateGraph([["y", [], "g"]]);
  const { toClient } = state.handle([{ op: "client-messages", client: ALICE, messages: [graph] }], 2);
  assertEquals(toClient.get("alice" as ClientId), [{
    op: "cancelled-keys",
    keys: ["y" as Key],
    reason: "no g today",
  }]);
});

Deno.test("Extensions handle different operations", () => {
  assertThrows(() => new Extensions([new Witness(), new Witness()]), AssertionError, "Two extensions handle");
});
