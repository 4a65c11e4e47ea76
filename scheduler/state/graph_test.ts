import { assertEquals } from "@std/assert";
import type { Key } from "../../messages/common.ts";
import { A, ALICE, BOB, keys, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

Deno.test("SchedulerState refuses tasks whose function nobody sent, and what depends on them", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  const graph = updateGraph([["x", [], "f"], ["y", ["x"], "g"], ["z", [], "g"]], {}, { g: new Uint8Array() });
  assertEquals(fixture.client(ALICE, graph), [
    `${A} register-functions g`,
    `${A} compute-task z`,
    "alice cancelled-keys x y: unknown function",
  ]);
});

Deno.test("SchedulerState refuses only those tasks of a graph that depend on something unknown", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  const lines = fixture.client(ALICE, updateGraph([["x", ["gone"]], ["y", ["x"]], ["z"]]));
  assertEquals(lines.filter((line) => line.startsWith("alice")), [
    "alice cancelled-keys x y: lost dependencies",
  ]);
  assertEquals([...fixture.state.tasks.keys()], keys("z"));
});

Deno.test("SchedulerState refuses tasks that depend on themselves", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  const rows = [["a", ["b"]], ["b", ["c"]], ["c", ["a"]], ["d", ["a"]], ["e", ["e"]], ["z"]] as const;
  const [refused] = fixture.client(ALICE, updateGraph(rows)).filter((line) => line.startsWith("alice"));
  assertEquals(refused, "alice cancelled-keys a b c d e: cyclic dependencies");
  assertEquals([...fixture.state.tasks.keys()], keys("z"));
});

Deno.test("SchedulerState lets the first definition of a key stand", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"], ["x", ["x"]]]));
  fixture.client(BOB, updateGraph([["y"], ["x", ["y"]]]));
  assertEquals(fixture.state.tasks.get("x" as Key)?.dependencies.size, 0);
  assertEquals(fixture.finish("x"), ["alice key-in-memory x", "bob key-in-memory x"]);
});

Deno.test("SchedulerState runs graphs depth first, and urgent ones before others", () => {
  const fixture = new SchedulerFixture();
  fixture.client(
    ALICE,
    updateGraph([["f1"], ["f2"], ["f3"], ["g1", ["f1"]], ["g2", ["f2"]], ["sum", ["g1", "g2"]]]),
  );
  const order = [...fixture.state.tasks.values()].toSorted((a, b) =>
    (a.priority[2] ?? 0) - (b.priority[2] ?? 0)
  );
  assertEquals(order.map((ts) => ts.key), keys("f3", "f1", "g1", "f2", "g2", "sum"));
  fixture.client(ALICE, updateGraph([["late"]]));
  fixture.client(ALICE, updateGraph([["urgent"]], { priority: 10 }));
  const priorities = ["f1", "late", "urgent"].map((key) =>
    fixture.state.tasks.get(key as Key)?.priority.slice(0, 2)
  );
  assertEquals(priorities, [[0, 1], [0, 2], [-10, 3]]);
});

Deno.test("SchedulerState gives graphs that follow each other closely one generation", () => {
  const fixture = new SchedulerFixture();
  fixture.client(ALICE, { ...updateGraph([["a"]]), fifo_timeout: 60 });
  fixture.client(ALICE, { ...updateGraph([["b"]]), fifo_timeout: 60 });
  fixture.client(ALICE, { ...updateGraph([["c"]]), fifo_timeout: 0 });
  assertEquals([...fixture.state.tasks.values()].map((ts) => ts.priority[1]), [1, 1, 2]);
});

Deno.test("SchedulerState fails a new task at once if it depends on a failed one", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]]));
  fixture.fail("x");
  assertEquals(fixture.client(BOB, updateGraph([["y", ["x"]], ["z", ["y"]]])), [
    "bob task-erred y",
    "bob task-erred z",
  ]);
  assertEquals(fixture.state.tasks.get("z" as Key)?.failure?.culprit, "x" as Key);
});

Deno.test("SchedulerState forgets a chain of any length", () => {
  const fixture = new SchedulerFixture({ validate: false });
  const length = 20_000;
  fixture.client(
    ALICE,
    updateGraph(Array.from({ length }, (_, i) => [`c-${i}`, i > 0 ? [`c-${i - 1}`] : []] as const).reverse()),
  );
  assertEquals(fixture.state.tasks.size, length);
  const message = { op: "cancel-keys", keys: keys("c-0"), force: false, reason: "", msg: null } as const;
  fixture.client(ALICE, message);
  assertEquals(fixture.state.tasks.size, 0);
});

Deno.test("SchedulerState sends the more urgent of several tasks that become ready together first", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 4);
  fixture.client(ALICE, updateGraph([["x"]]));
  fixture.client(ALICE, updateGraph([["late", ["x"]]]));
  fixture.client(ALICE, updateGraph([["urgent", ["x"]]], { priority: 1 }));
  fixture.client(ALICE, updateGraph([["later", ["x"]]]));
  const sent = fixture.finish("x").filter((line) => line.includes("compute-task"));
  assertEquals(sent, [`${A} compute-task urgent`, `${A} compute-task late`, `${A} compute-task later`]);
});

Deno.test("SchedulerState computes a released input again if a client submits or desires it", () => {
  for (const ask of [updateGraph([["x"]]), { op: "client-desires-keys", keys: keys("x") }] as const) {
    const fixture = new SchedulerFixture();
    fixture.addWorker(A);
    fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]]]));
    fixture.client(ALICE, { op: "client-releases-keys", keys: keys("x") });
    fixture.finish("x");
    fixture.finish("y");
    assertEquals(fixture.stateOf("x"), "released", "y is done and may have to be done again");
    assertEquals(fixture.client(BOB, ask), [`${A} compute-task x`], ask.op);
    assertEquals(fixture.finish("x"), ["bob key-in-memory x"]);
  }
});

Deno.test("SchedulerState leaves a result alone when its input is computed again for another task, and fails", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]], ["z", ["y"]]]));
  fixture.client(ALICE, { op: "client-releases-keys", keys: keys("x", "y") });
  for (const key of ["x", "y", "z"]) fixture.finish(key);
  fixture.client(BOB, updateGraph([["other", ["y"]]]));
  assertEquals(fixture.fail("x"), ["bob task-erred other"]);
  assertEquals(["x", "y", "z", "other"].map((key) => fixture.stateOf(key)), [
    "erred",
    "erred",
    "memory",
    "erred",
  ]);
});
