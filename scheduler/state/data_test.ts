import { assertEquals } from "@std/assert";
import type { ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import { A, ALICE, B, BOB, keys, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

function given(key: string, workers: readonly Address[], client: ClientId = ALICE): ClientStreamMessage {
  return { op: "update-data", who_has: { [key]: workers }, nbytes: { [key]: 100 }, client };
}

function started(): SchedulerFixture {
  const s = new SchedulerFixture();
  s.addWorker(A);
  s.addWorker(B);
  s.flush();
  return s;
}

Deno.test("updateData takes a value for a task in memory, and tells those who want it", () => {
  const s = started();
  assertEquals(s.client(ALICE, given("x", [A])), ["alice key-in-memory x"]);
  assertEquals([s.stateOf("x"), s.state.workers.get(A)?.nbytes], ["memory", 100]);
  assertEquals(s.client(BOB, given("x", [B], BOB)), ["alice key-in-memory x", "bob key-in-memory x"]);
  assertEquals([...s.state.whoHas(keys("x")).values()], [[A, B]]);
});

Deno.test("updateData: tasks run on a value, which is freed when nobody needs it", () => {
  const s = started();
  s.client(ALICE, given("x", [A]));
  s.client(ALICE, updateGraph([["y", ["x"]]]));
  assertEquals(s.state.tasks.get("y" as Key)?.processingOn?.address, A);
  s.finish("y");
  assertEquals(s.client(ALICE, { op: "client-releases-keys", keys: keys("x") }), [`${A} free-keys x`]);
  assertEquals(s.stateOf("y"), "memory");
  s.client(ALICE, { op: "client-releases-keys", keys: keys("y") });
  assertEquals([s.state.tasks.size, [...s.state.groups.values()].filter((group) => group.taskCount > 0)], [
    0,
    [],
  ]);
});

Deno.test("updateData: a value that is lost is cancelled, with all that waits for it", () => {
  const s = started();
  s.client(ALICE, given("x", [A]));
  s.client(ALICE, updateGraph([["y", ["x"]], ["z", ["y"]]]));
  const said = s.removeWorker(A).filter((line) => line.startsWith("alice"));
  assertEquals(said, [
    "alice cancelled-keys x: lost: no worker holds this value any more, and no task makes it",
    "alice cancelled-keys y z: already forgotten",
  ]);
  assertEquals(s.state.tasks.size, 0);
});

Deno.test("updateData: a result survives the loss of the value it was made of, until it is lost itself", () => {
  const s = started();
  s.client(ALICE, given("x", [A]));
  s.client(ALICE, updateGraph([["y", ["x"]]]));
  s.finish("y");
  s.worker(B, { op: "add-keys", keys: keys("y"), stimulus_id: "copy" });
  assertEquals(s.removeWorker(A).filter((line) => line.startsWith("alice")).length, 1);
  assertEquals([s.stateOf("x"), s.stateOf("y")], ["unknown", "memory"]);
  assertEquals(s.removeWorker(B).filter((line) => line.startsWith("alice")), [
    "alice lost-data y",
    "alice cancelled-keys y: already forgotten",
  ]);
});

Deno.test("updateData of workers that have left cancels the key, or leaves it to those that stay", () => {
  const s = started();
  const gone = "tls://10.0.0.9:9" as Address;
  assertEquals(s.client(ALICE, given("x", [gone])), [
    "alice cancelled-keys x: lost: the workers that were given this value have left",
  ]);
  s.client(ALICE, given("x", [A]));
  assertEquals(s.client(BOB, given("x", [gone], BOB)), ["bob key-in-memory x"]);
});

Deno.test("updateData does not replace a task that makes its result itself", () => {
  const s = started();
  s.client(ALICE, updateGraph([["x"]]));
  const on = s.state.tasks.get("x" as Key)?.processingOn?.address;
  const other = on === A ? B : A;
  assertEquals(s.client(BOB, given("x", [other], BOB)), [`${other} remove-replicas x`]);
  assertEquals(s.finish("x").filter((line) => line.startsWith("bob")), ["bob key-in-memory x"]);
});
