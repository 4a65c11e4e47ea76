import { assertEquals } from "@std/assert";
import type { ClientReport } from "../../messages/client_scheduler.ts";
import type { ClientId, Key } from "../../messages/common.ts";
import { A, ALICE, B, BOB, keys, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

const desire = (...names: string[]) => ({ op: "client-desires-keys", keys: keys(...names) }) as const;
const release = (...names: string[]) => ({ op: "client-releases-keys", keys: keys(...names) }) as const;
const cancel = (names: readonly string[], force = false) =>
  ({ op: "cancel-keys", keys: keys(...names), force, reason: "enough", msg: "no more" }) as const;

function started(): SchedulerFixture {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  return fixture;
}

/** What a client is told. */
function told(fixture: SchedulerFixture, client: ClientId): readonly ClientReport[] {
  return fixture.state.takeOutbox().toClient.get(client) ?? [];
}

Deno.test("A client that desires a key is told what became of it, or that it is unknown", () => {
  const fixture = started();
  fixture.client(ALICE, updateGraph([["done"], ["failed"], ["running"]]));
  fixture.finish("done");
  fixture.fail("failed");
  assertEquals(fixture.client(BOB, desire("done", "no", "failed", "running", "nor")), [
    "bob key-in-memory done",
    "bob cancelled-keys no: unknown key",
    "bob task-erred failed",
    "bob cancelled-keys nor: unknown key",
  ]);
  assertEquals([...fixture.state.clients.get(BOB)?.wantsWhat ?? []].map((ts) => ts.key), [
    ...keys("done", "failed", "running"),
  ]);
});

Deno.test("A client that asks about a key wants it no more than before", () => {
  const fixture = started();
  fixture.client(ALICE, updateGraph([["x"]]));
  const ask = { op: "report-key", key: "x" as Key } as const;
  assertEquals(fixture.client(BOB, ask), []);
  fixture.finish("x");
  assertEquals(fixture.client(BOB, ask), ["bob key-in-memory x"]);
  assertEquals(fixture.state.clients.get(BOB)?.wantsWhat.size, 0);
  assertEquals(fixture.client(BOB, { ...ask, key: "no" as Key }), ["bob cancelled-keys no: unknown key"]);
});

Deno.test("A released key is kept as long as another client or a task needs it", () => {
  const fixture = started();
  fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]]]));
  fixture.client(BOB, desire("x"));
  assertEquals(fixture.client(ALICE, release("x", "unknown")), []);
  assertEquals(fixture.client(BOB, release("y")), [], "it never wanted y");
  assertEquals(fixture.client(BOB, release("x")), []);
  assertEquals(fixture.stateOf("x"), "processing", "y needs it");
  fixture.finish("x");
  assertEquals(fixture.finish("y").includes(`${A} free-keys x`), true);
  assertEquals([fixture.stateOf("x"), fixture.stateOf("y")], ["released", "memory"]);
  assertEquals(fixture.client(ALICE, release("y")), [`${A} free-keys y`]);
  assertEquals(fixture.state.tasks.size, 0);
});

Deno.test("A failed key that is released stays as long as what failed by it is wanted", () => {
  const fixture = started();
  fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]]]));
  fixture.fail("x");
  fixture.client(ALICE, release("x"));
  assertEquals([fixture.stateOf("x"), fixture.stateOf("y")], ["erred", "erred"]);
  fixture.client(ALICE, release("y"));
  assertEquals(fixture.state.tasks.size, 0);
});

Deno.test("A cancellation reaches what depends on its keys, and every client that wanted some of it", () => {
  const fixture = started();
  fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]], ["other"]]));
  fixture.client(BOB, desire("y"));
  fixture.client(ALICE, release("y"));
  fixture.state.handleClientMessage(ALICE, cancel(["x", "unknown"], true), fixture.now++);
  const { toClient } = fixture.state.takeOutbox();
  const words = { op: "cancelled-keys", reason: "enough", msg: "no more" } as const;
  assertEquals(toClient.get(ALICE), [{ ...words, keys: keys("x") }]);
  assertEquals(toClient.get(BOB), [{ ...words, keys: keys("y") }]);
  assertEquals([...fixture.state.tasks.keys()], keys("other"));
});

Deno.test("A cancellation ends where another client wants something, and gives up what no client wants", () => {
  const fixture = started();
  fixture.client(ALICE, updateGraph([["x"], ["between", ["x"]], ["end", ["between"]]]));
  fixture.client(ALICE, release("between"));
  fixture.client(BOB, desire("end"));
  fixture.state.handleClientMessage(ALICE, cancel(["x"]), fixture.now++);
  assertEquals(told(fixture, ALICE), [
    { op: "cancelled-keys", keys: keys("x"), reason: "enough", msg: "no more" },
  ]);
  assertEquals(["x", "between", "end"].map((key) => fixture.stateOf(key)), [
    "processing",
    "waiting",
    "waiting",
  ]);
  assertEquals(fixture.state.clients.get(ALICE)?.wantsWhat.size, 1, "end was not cancelled");
});

Deno.test("A cancellation of keys that are unknown or wanted by others alone tells nothing", () => {
  const fixture = started();
  fixture.client(ALICE, updateGraph([["x"]]));
  assertEquals(fixture.client(BOB, cancel(["x", "unknown"])), []);
  assertEquals(fixture.stateOf("x"), "processing");
});

Deno.test("SchedulerState.retry begins with the failures that failed others", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.addWorker(B);
  fixture.client(ALICE, updateGraph([["a"], ["b"], ["c", ["a", "b"]], ["d", ["c"]]]));
  fixture.finish("a");
  fixture.fail("b");
  assertEquals(["a", "b", "c", "d"].map((key) => fixture.stateOf(key)), [
    "memory",
    "erred",
    "erred",
    "erred",
  ]);
  fixture.state.handle([{ op: "retry", ask: 99, keys: keys("d", "a", "unknown") }], fixture.now++);
  const answer = fixture.state.answers.get(99);
  assertEquals(answer?.op === "retry" && answer.keys.toSorted(), keys("b", "c", "d"));
  assertEquals(["b", "c", "d"].map((key) => fixture.stateOf(key)), ["processing", "waiting", "waiting"]);
  assertEquals(told(fixture, ALICE).map(({ op }) => op), ["task-retried", "task-retried", "task-retried"]);
  assertEquals(fixture.state.retry(keys("d"), fixture.now++), [], "it did not fail");
});

Deno.test("A client's message tells when it was seen, and messages behind its goodbye are not read", () => {
  const fixture = started();
  fixture.state.handle([{
    op: "client-messages",
    client: ALICE,
    messages: [{ op: "heartbeat-client" }, { op: "close-client" }, updateGraph([["x"]])],
  }], 4000);
  assertEquals([fixture.state.hasClient(ALICE), fixture.state.tasks.size], [false, 0]);
  fixture.state.handleClientMessage(BOB, { op: "close-stream" }, 4001);
  assertEquals([fixture.state.hasClient(BOB), fixture.state.clients.get(BOB)?.lastSeen], [true, 4001]);
  fixture.client(BOB, updateGraph([["y"]]));
  assertEquals(fixture.state.story("y")[0]?.stimulusId.startsWith("update-graph-"), true);
});
