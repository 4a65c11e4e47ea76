import { assert, assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/assert.ts";
import type { Key, Priority } from "../../messages/common.ts";
import { A, ALICE, B, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";
import { TaskPrefix } from "./task_prefix.ts";
import {
  areSharedSetsEmpty,
  comparePriority,
  NO_TASKS,
  runsBefore,
  State,
  STATE_NAMES,
  stateName,
  type TaskState,
} from "./task_state.ts";

/** A task with nothing but what decides its turn. */
function turn(sequence: number, ...priority: Priority): TaskState {
  return { priority, sequence } as unknown as TaskState;
}

Deno.test("runsBefore goes by each part of the priority in turn, then by who was made first", () => {
  const inOrder = [
    turn(9, -1, 5, 5),
    turn(8, 0, 1, 0),
    turn(7, 0, 1, 2),
    turn(3, 0, 2, 0),
    turn(4, 0, 2, 0),
    turn(2, 0, 2, 0, 1),
  ];
  for (const [i, left] of inOrder.entries()) {
    for (const [j, right] of inOrder.entries()) {
      if (left.priority.length !== right.priority.length) continue;
      assertEquals(runsBefore(left, right), i < j, `${i} and ${j}`);
      assertEquals(Math.sign(comparePriority(left, right)), Math.sign(i - j));
    }
  }
  assert(runsBefore(turn(1, 0, 1), turn(2, 0, 1, 5)), "what both have is compared");
});

Deno.test("State has Dask's names", () => {
  for (const [name, state] of Object.entries(State)) {
    const word = name.toLowerCase().replace("_", "-");
    assertEquals([stateName(state), STATE_NAMES[state]], [word, word]);
  }
});

Deno.test("A task counts for a guess of bytes until its size is known, and holders account for changes", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.addWorker(B);
  fixture.client(ALICE, updateGraph([["x"]]));
  const ts = fixture.state.tasks.get("x" as Key);
  assert(ts !== undefined);
  assertEquals([ts.nbytes, ts.size], [-1, 1024]);
  const worker = ts.processingOn?.address ?? A;
  fixture.finish("x", 0);
  assertEquals([ts.nbytes, ts.size, fixture.state.workers.get(worker)?.nbytes], [0, 0, 0]);
  ts.setNbytes(50);
  ts.setNbytes(20);
  assertEquals([ts.size, fixture.state.workers.get(worker)?.nbytes], [20, 20]);
  fixture.state.validateState();
});

Deno.test("The sets that tasks share while they have none are seen to be empty", () => {
  assert(areSharedSetsEmpty());
  NO_TASKS.add(turn(1));
  assert(!areSharedSetsEmpty());
  NO_TASKS.clear();
  assert(areSharedSetsEmpty());
});

Deno.test("A task is made once, and either has something to run and a pool, or is a value", () => {
  const { machine } = new SchedulerFixture().state;
  const group = machine.groups.ofName("v" as Key);
  const ts = machine.addTask("v" as Key, null, group, [0], {});
  assertEquals([ts.pool, ts.stateName, group.size, group.taskCount], [null, "released", 1, 1]);
  assertThrows(() => machine.addTask("v" as Key, null, group, [0], {}), AssertionError, "made twice");
});

Deno.test("TaskPrefix averages what tasks took, and expects twice of what runs longer", () => {
  const prefix = new TaskPrefix("f", -1);
  assertEquals([prefix.duration, prefix.hasLearned], [0.5, false]);
  prefix.addExecTime(0);
  assertEquals([prefix.duration, prefix.hasLearned], [0.5, false]);
  prefix.addExecTime(3);
  prefix.addExecTime(2);
  assertEquals([prefix.duration, prefix.hasLearned], [6, true]);
  prefix.addDuration(0);
  assertEquals([prefix.duration, prefix.hasLearned], [0, true]);
  prefix.addDuration(1.0000004);
  assertEquals(prefix.duration, 0.5);
  prefix.addDuration(-5);
  assertEquals(prefix.duration, 0.25);
  for (const strange of [1e9, NaN, Infinity, "x" as unknown as number]) {
    prefix.addDuration(strange);
    prefix.addExecTime(strange);
  }
  assertEquals([prefix.duration, prefix.maxExecTime], [0.25, 3]);
  prefix.addExecTime(0.5);
  assertEquals(prefix.duration, 0.25, "twice the average is no surprise");
  prefix.addExecTime(0.6);
  assertEquals([prefix.durationAverage, prefix.duration], [-1, 6]);
  assertEquals(new TaskPrefix("g", 0).hasLearned, true);
});
