import { assertEquals, assertThrows } from "@std/assert";
import { InvalidTransition } from "../../internal/story.ts";
import type { Key } from "../../messages/common.ts";
import { SchedulerMachine } from "./machine.ts";
import { State } from "./task_state.ts";
import { transition } from "./transitions.ts";

Deno.test("transition refuses a way that no row has and that does not lead by way of released", () => {
  const m = new SchedulerMachine({}, []);
  m.begin("mistake-1", 12);
  const ts = m.addTask("x" as Key, null, m.groups.ofName("x" as Key), [0], {});
  const error = assertThrows(() => transition(m, ts, State.QUEUED), InvalidTransition);
  assertEquals(
    error.message,
    `Cannot move task "x" from "released" to "queued": there is no such transition (mistake-1). Story:\n`,
  );
  assertEquals(ts.state, State.RELEASED);
});
