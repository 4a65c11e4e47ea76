import { assertEquals } from "@std/assert";
import type { Address, Key } from "../../messages/common.ts";
import type { AcquireReplicas } from "../../messages/worker_scheduler.ts";
import { A, ALICE, B, keys, METRICS, SchedulerFixture, status } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";
import type { Retirement } from "./retire.ts";

const C = "tls://10.0.0.3:1003" as Address;

/** `x` and `y` are computed on A, which is then retired. */
function withResultsOnA(options: { others?: Address[] } = {}): [SchedulerFixture, Retirement] {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"], ["y"]]));
  fixture.finish("x", 100);
  fixture.finish("y", 50);
  for (const other of options.others ?? []) fixture.addWorker(other);
  fixture.flush();
  const retirement = fixture.state.retire(A, "retire", fixture.now++);
  if (retirement === null) throw new Error("A is not known");
  return [fixture, retirement];
}

/** What is asked of whom. */
function orders(fixture: SchedulerFixture): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [address, messages] of fixture.state.takeOutbox().toWorker) {
    for (const message of messages) {
      if (message.op === "acquire-replicas") {
        found[address] = Object.keys((message as AcquireReplicas).who_has);
      }
    }
  }
  return found;
}

Deno.test("Retirement stops new tasks, has results copied, and is done when others hold them", () => {
  const [fixture, retirement] = withResultsOnA({ others: [B] });
  assertEquals(fixture.flush(), [`${A} worker-status-change`]);
  assertEquals(fixture.state.workers.get(A)?.status, "closing_gracefully");
  fixture.client(ALICE, updateGraph([["z"]]));
  assertEquals(fixture.state.tasks.get("z" as Key)?.processingOn?.address, B);
  assertEquals(retirement.step(fixture.now++), { unsafe: 2, stuck: 0 });
  assertEquals(orders(fixture), { [B]: ["x", "y"] });
  fixture.worker(B, { op: "add-keys", keys: keys("x"), stimulus_id: "s" });
  assertEquals(retirement.countUnsafe(), 1);
  // B may have given the copy of y up, with a task that needed it and was freed: asked again, it begins anew.
  assertEquals(retirement.step(fixture.now++), { unsafe: 1, stuck: 0 });
  assertEquals(orders(fixture), { [B]: ["y"] });
  fixture.worker(B, { op: "add-keys", keys: keys("y"), stimulus_id: "s" });
  assertEquals([retirement.countUnsafe(), retirement.step(fixture.now++)], [0, { unsafe: 0, stuck: 0 }]);
  const loss = fixture.state.removeWorker(A, { now: fixture.now++, expected: true });
  assertEquals(loss, { recomputed: [], lost: [], givenUp: [] });
  assertEquals([fixture.stateOf("x"), fixture.stateOf("y")], ["memory", "memory"]);
});

Deno.test("Retirement spreads results by the bytes that receivers hold and will hold", () => {
  const [fixture, retirement] = withResultsOnA({ others: [B, C] });
  fixture.flush();
  retirement.step(fixture.now++);
  const asked = orders(fixture);
  assertEquals([asked[B]?.length, asked[C]?.length], [1, 1]);
});

Deno.test("Retirement asks another worker if the receiver paused or is gone", () => {
  for (const leave of ["pause", "go"]) {
    const [fixture, retirement] = withResultsOnA({ others: [B] });
    retirement.step(fixture.now++);
    fixture.flush();
    fixture.addWorker(C);
    if (leave === "pause") fixture.worker(B, status("paused"));
    else fixture.removeWorker(B);
    assertEquals(retirement.step(fixture.now++).stuck, 0);
    assertEquals(orders(fixture), { [C]: ["x", "y"] });
  }
});

Deno.test("Retirement does not count copies on workers that leave, too", () => {
  const [fixture, first] = withResultsOnA({ others: [B] });
  fixture.worker(B, { op: "add-keys", keys: keys("x", "y"), stimulus_id: "s" });
  assertEquals(first.countUnsafe(), 0);
  const second = fixture.state.retire(B, "retire-b", fixture.now++);
  assertEquals([first.countUnsafe(), second?.countUnsafe()], [2, 2]);
  assertEquals(first.step(fixture.now++), { unsafe: 2, stuck: 2 });
});

Deno.test("Retirement.abort gives the worker its status back, and tasks when it confirms", () => {
  for (const before of ["running", "paused"] as const) {
    const fixture = new SchedulerFixture();
    fixture.addWorker(A, 1, before);
    const retirement = fixture.state.retire(A, "retire", fixture.now++);
    fixture.client(ALICE, updateGraph([["z"]]));
    fixture.flush();
    retirement?.abort(fixture.now++);
    const told = [...fixture.state.takeOutbox().toWorker.values()].flat();
    assertEquals(told, [{ op: "worker-status-change", status: before, stimulus_id: "retire" }]);
    fixture.worker(A, status(before));
    assertEquals(fixture.stateOf("z"), before === "running" ? "processing" : "no-worker");
  }
});

Deno.test("Retirement of a worker that is gone is done", () => {
  const [fixture, retirement] = withResultsOnA({ others: [B] });
  fixture.removeWorker(A);
  assertEquals([retirement.isMember, retirement.countUnsafe()], [false, 0]);
  assertEquals(retirement.step(fixture.now++), { unsafe: 0, stuck: 0 });
  retirement.abort(fixture.now++);
  assertEquals(orders(fixture), {});
  assertEquals(fixture.state.retire(A, "again", fixture.now++), null);
});

Deno.test("A paused worker gets no new tasks until it runs again", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.worker(A, status("paused"));
  fixture.client(ALICE, updateGraph([["x"]]));
  assertEquals(fixture.stateOf("x"), "no-worker");
  fixture.worker(A, status("running"));
  assertEquals(fixture.state.tasks.get("x" as Key)?.processingOn?.address, A);
});

Deno.test("workersToClose takes idle workers first, then those that hold least", () => {
  const [fixture] = withResultsOnA({ others: [B, C] });
  fixture.client(ALICE, updateGraph([["z"]]));
  const busy = fixture.state.tasks.get("z" as Key)?.processingOn?.address;
  const idle = busy === B ? C : B;
  const { state } = fixture;
  assertEquals(state.workersToClose({ n: 1 }), [idle]);
  assertEquals(state.workersToClose({ target: 1 }), [idle, A]);
  assertEquals(state.workersToClose({ n: 3 }), [idle, A, busy]);
  assertEquals(state.workersToClose({ n: 3, minimum: 2 }), [idle]);
  assertEquals(state.workersToClose({ n: 0 }), []);
  assertEquals(state.workersToClose({ target: 5 }), []);
});

Deno.test("workersToClose without a number keeps twice the memory of all results", () => {
  const fixture = new SchedulerFixture();
  for (const address of [A, B, C]) {
    fixture.state.addWorker(
      { address, status: "running", nthreads: 1, name: address, memory_limit: 100 },
      fixture.now++,
    );
  }
  assertEquals(fixture.state.workersToClose({}).length, 3);
  fixture.client(ALICE, updateGraph([["x"]]));
  fixture.finish("x", 60);
  assertEquals(fixture.state.workersToClose({}).length, 1);
  assertEquals(fixture.state.workersToClose({ memoryRatio: 1 }).length, 2);
});

Deno.test("silentWorkers lists those not heard of for the time-to-live, and for ten heartbeats", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.addWorker(B);
  const joined = fixture.state.workers.get(A)?.lastSeen ?? 0;
  fixture.state.heartbeat(B, METRICS, {}, joined + 100);
  assertEquals(fixture.state.silentWorkers(30, joined + 30), new Map());
  assertEquals(fixture.state.silentWorkers(30, joined + 101), new Map([[A, 101]]));
  assertEquals(fixture.state.silentWorkers(0.1, joined + 4.9), new Map());
  assertEquals([...fixture.state.silentWorkers(0.1, joined + 104.9).keys()], [A]);
});
