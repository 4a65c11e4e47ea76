import { assert, assertEquals } from "@std/assert";
import { A, ALICE, B, BOB, keys, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

// A task whose result is there, and whose dependency was run again for another task, and failed. What happens
// when the result is lost was found by the simulator.

/** `d` is in memory on A, wanted; `p`, which it takes, is erred, and so is `z`. */
function withFailedPast(): SchedulerFixture {
  const f = new SchedulerFixture();
  f.addWorker(A, 4);
  f.client(ALICE, updateGraph([["p"], ["d", ["p"]]]));
  f.client(ALICE, { op: "client-releases-keys", keys: keys("p") });
  f.finish("p");
  f.finish("d");
  f.client(ALICE, updateGraph([["z", ["p"]]]));
  f.fail("p");
  assertEquals(["p", "d", "z"].map((key) => f.stateOf(key)), ["erred", "memory", "erred"]);
  return f;
}

Deno.test("SchedulerState fails a task whose result is lost after its dependency failed, and tells so", () => {
  const f = withFailedPast();
  f.addWorker(B);
  const sent = f.removeWorker(A);
  assert(sent.includes("alice task-erred d"), sent.join("; "));
  assertEquals(f.stateOf("d"), "erred");
});

Deno.test("SchedulerState takes a task back from its worker when a dependency is lost and fails", () => {
  const f = withFailedPast();
  f.addWorker(B);
  f.client(ALICE, {
    ...updateGraph([["t", ["d"]]]),
    annotations: { workers: [B] },
  });
  assertEquals(f.state.processing([B]).get(B), keys("t"));
  const sent = f.removeWorker(A);
  assert(sent.includes(`${B} free-keys t`), sent.join("; "));
  assert(sent.includes("alice task-erred t"), sent.join("; "));
});

Deno.test("SchedulerState leaves no waiter behind when a task fails instead of being placed anew", () => {
  const f = withFailedPast();
  f.client(ALICE, updateGraph([["e"]]));
  f.finish("e");
  f.client(ALICE, updateGraph([["t", ["e", "d"]], ["u", ["d", "e"]]]));
  assertEquals(f.stateOf("t"), "processing");
  f.addWorker(B);
  f.removeWorker(A);
  assertEquals(["t", "u", "d"].map((key) => f.stateOf(key)), ["erred", "erred", "erred"]);
  f.finish("e");
  assertEquals(f.stateOf("e"), "memory");
});

Deno.test("SchedulerState.retry runs nothing for nobody", () => {
  const f = withFailedPast();
  f.client(ALICE, { op: "client-releases-keys", keys: keys("z") });
  f.state.retry(keys("p"), f.now++);
  f.flush();
  assertEquals(f.stateOf("p"), "released");
  assertEquals(f.state.processing([A]).get(A), []);
});

Deno.test("SchedulerState.retry does not name a task that fails again at once", () => {
  const f = new SchedulerFixture();
  f.addWorker(A, 4);
  f.client(ALICE, updateGraph([["p"], ["q", ["p"]], ["r", ["q"]], ["s", ["r"]]]));
  f.client(ALICE, { op: "client-releases-keys", keys: keys("p", "q") });
  f.finish("p");
  f.finish("q");
  f.fail("r");
  f.client(ALICE, updateGraph([["z", ["p"]]]));
  f.fail("p");
  assertEquals(["p", "q", "s"].map((key) => f.stateOf(key)), ["erred", "released", "erred"]);
  assertEquals(f.state.retry(keys("s"), f.now++), []);
  f.flush();
  assertEquals(f.stateOf("s"), "erred");
});

Deno.test("SchedulerState forgets what a worker needs when a value is gone for good", () => {
  const f = new SchedulerFixture();
  f.addWorker(A);
  f.addWorker(B);
  f.client(ALICE, {
    op: "update-data",
    who_has: Object.fromEntries([["v", [A]]]),
    nbytes: Object.fromEntries([["v", 8]]),
    client: ALICE,
  });
  f.client(ALICE, { ...updateGraph([["t", ["v"]]]), annotations: { workers: [B] } });
  assertEquals(f.state.workers.get(B)?.needsWhat.size, 1);
  f.removeWorker(A);
  assertEquals(f.state.workers.get(B)?.needsWhat.size, 0);
  assertEquals(f.state.workers.get(B)?.networkBytes, 0);
  assertEquals(f.state.tasks.size, 0);
});

Deno.test("SchedulerState forgets a task that loses its worker, its input and what took it at once", () => {
  const f = new SchedulerFixture();
  f.addWorker(A, 4);
  f.addWorker(B);
  const value = { who_has: Object.fromEntries([["v", [A]]]), nbytes: Object.fromEntries([["v", 8]]) };
  f.client(ALICE, { op: "update-data", ...value, client: ALICE });
  f.client(ALICE, updateGraph([["i"], ["t", ["i"]], ["u", ["t", "v"]]]));
  f.client(ALICE, { op: "client-releases-keys", keys: keys("i", "t") });
  f.finish("i");
  assertEquals(["i", "t", "u"].map((key) => f.stateOf(key)), ["memory", "processing", "waiting"]);
  const sent = f.removeWorker(A);
  assert(sent.includes("alice cancelled-keys u: already forgotten"), sent.join("; "));
  assertEquals(f.state.tasks.size, 0);
});

Deno.test("SchedulerState answers a cancellation of a key once, however many ways lead to it", () => {
  const f = new SchedulerFixture();
  f.addWorker(A);
  for (const client of [ALICE, BOB]) f.client(client, updateGraph([["a"], ["b"], ["t", ["a", "b"]]]));
  f.client(BOB, { op: "client-releases-keys", keys: keys("a", "b") });
  const given = { keys: keys("a", "b", "t"), force: false, reason: "enough", msg: null };
  const sent = f.client(ALICE, { op: "cancel-keys", ...given });
  const answers = sent.filter((line) => line.startsWith("alice cancelled-keys"));
  assertEquals(answers.join().match(/\bt\b/g)?.length, 1, answers.join());
});
