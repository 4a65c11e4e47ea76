import { assertEquals } from "@std/assert";
import type { FunctionHash, Key } from "../../messages/common.ts";
import { SchedulerMachine } from "./machine.ts";

Deno.test("SchedulerMachine.dropGroup remembers the durations of 4096 functions, those dropped last", () => {
  const m = new SchedulerMachine({});
  for (let i = 0; i < 4097; i++) {
    const group = m.group(`f${i}` as FunctionHash, "f" as Key);
    group.addDuration(i + 1);
    m.dropGroup(group);
  }
  const durations = [0, 1, 4096].map((i) => m.group(`f${i}` as FunctionHash, "f" as Key).durationAverage);
  assertEquals(durations, [-1, 2, 4097]);
});
