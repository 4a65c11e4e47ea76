import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/assert.ts";
import type { FunctionHash, Key } from "../../messages/common.ts";
import { A, ALICE, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";
import { keys } from "../../testing/scheduler_fixture.ts";
import { TaskGroups } from "./task_groups.ts";
import { State } from "./task_state.ts";

Deno.test("TaskGroups remembers the durations of 4096 functions without tasks, those dropped last", () => {
  const groups = new TaskGroups({});
  for (let i = 0; i < 4097; i++) {
    const group = groups.ofFunction(`f${i}` as FunctionHash, "f" as Key);
    group.prefix.addDuration(i + 1);
    groups.drop(group);
  }
  const durations = [0, 1, 4096].map((i) =>
    groups.ofFunction(`f${i}` as FunctionHash, "f" as Key).prefix.durationAverage
  );
  assertEquals(durations, [-1, 2, 4097]);
});

Deno.test("TaskGroups keeps functions of one name apart, and joins their counts by that name", () => {
  const groups = new TaskGroups({ load: 7 });
  const first = groups.ofFunction("f" as FunctionHash, "load-1" as Key);
  const second = groups.ofFunction("g" as FunctionHash, "load-2" as Key);
  for (const group of [first, second]) group.addTask();
  first.moveTask(State.RELEASED, State.WAITING);
  first.prefix.addDuration(1);
  assertEquals([first.prefix.duration, second.prefix.duration], [4, 7]);
  const counts = groups.countsByName().get("load");
  assertEquals([counts?.["released"], counts?.["waiting"], counts?.["forgotten"]], [1, 1, undefined]);
});

Deno.test("TaskGroups groups values by the function part of their keys, apart from functions", () => {
  const groups = new TaskGroups({});
  const values = groups.ofName("load-1" as Key);
  assertEquals(values.function, null);
  assertStrictEquals(groups.ofName("load-2" as Key), values);
  assertEquals(groups.ofFunction("load" as FunctionHash, "load-3" as Key) === values, false);
  assertEquals([groups.size, groups.hasFunction("load" as FunctionHash)], [2, true]);
  groups.drop(values);
  assertEquals(groups.size, 1);
});

Deno.test("TaskGroups drops no group that has tasks", () => {
  const groups = new TaskGroups({});
  const group = groups.ofName("x" as Key);
  group.addTask();
  assertThrows(() => groups.drop(group), AssertionError, "has 1 tasks");
});

Deno.test("SchedulerState remembers how long the tasks of a dropped function took", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x", [], "f"]]));
  fixture.finish("x", 8, 0.25);
  fixture.client(ALICE, { op: "client-releases-functions", functions: ["f" as never] });
  fixture.client(ALICE, { op: "client-releases-keys", keys: keys("x") });
  assertEquals(fixture.state.functions.bodies.size, 0);
  fixture.client(ALICE, updateGraph([["y", [], "f"]]));
  assertEquals(Array.from(fixture.state.groups.values(), (group) => group.prefix.durationAverage), [0.25]);
});
