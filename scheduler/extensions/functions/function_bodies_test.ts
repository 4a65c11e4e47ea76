import { assertEquals } from "@std/assert";
import { A, ALICE, B, BOB, keys, SchedulerFixture } from "../../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../../testing/scheduler_simulation.ts";

Deno.test("SchedulerState sends a function's body once to a worker, ahead of the first task that names it", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 4);
  assertEquals(fixture.client(ALICE, updateGraph([["x", [], "f"], ["y", [], "f"]])), [
    `${A} register-functions f`,
    `${A} compute-task x`,
    `${A} compute-task y`,
  ]);
  assertEquals(fixture.client(BOB, updateGraph([["z", [], "f"]])), [`${A} compute-task z`]);
});

Deno.test("SchedulerState gives a function's body to a worker that takes over from a lost one", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x", [], "f"]]));
  fixture.client(ALICE, { op: "client-releases-functions", functions: ["f" as never] });
  fixture.addWorker(B);
  assertEquals(fixture.removeWorker(A), [
    `${A} close`,
    `${B} register-functions f`,
    `${B} compute-task x`,
    `${B} remove-worker ${A}`,
  ]);
});

Deno.test("SchedulerState drops a function when no client may name it and no task does", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x", [], "f"]]));
  fixture.client(BOB, updateGraph([["y", [], "f"]]));
  const release = { op: "client-releases-functions", functions: ["f" as never] } as const;
  assertEquals(fixture.client(ALICE, release), []);
  fixture.client(ALICE, { op: "client-releases-keys", keys: keys("x") });
  assertEquals(fixture.client(BOB, release), [], "y names it");
  assertEquals(fixture.client(BOB, { op: "client-releases-keys", keys: keys("y") }), [
    `${A} free-keys y`,
    `${A} free-functions f`,
  ]);
  assertEquals(fixture.state.functions.bodies.size, 0);
});

Deno.test("SchedulerState drops what a lost client wanted, and its functions", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]]]));
  fixture.state.removeClient(ALICE, fixture.now++);
  assertEquals(fixture.flush(), [`${A} free-keys x`, `${A} free-functions f`]);
  assertEquals([fixture.state.tasks.size, fixture.state.functions.bodies.size, fixture.state.clients.size], [
    0,
    0,
    1,
  ]);
});
