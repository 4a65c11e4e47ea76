import { assertEquals, assertThrows } from "@std/assert";
import type { Address, Key } from "../../messages/common.ts";
import type { AcquireReplicas } from "../../messages/worker_scheduler.ts";
import { A, ALICE, B, keys, METRICS, SchedulerFixture, status } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

const C = "tls://10.0.0.3:1003" as Address;

/** `x` and `y` are computed on A. */
function withResultsOnA(...others: Address[]): SchedulerFixture {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"], ["y"]]));
  fixture.finish("x", 100);
  fixture.finish("y", 50);
  for (const other of others) fixture.addWorker(other);
  fixture.flush();
  fixture.state.takeEvents();
  return fixture;
}

/** As {@linkcode withResultsOnA}, and A is being retired. Also: the number of the answer. */
function retiringA(...others: Address[]): [SchedulerFixture, number] {
  const fixture = withResultsOnA(...others);
  return [fixture, fixture.state.retire({ workers: [A] }, fixture.now++)];
}

/** What is asked of which worker. */
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

/** Which workers were retired; undefined while that is under way. */
function retired(fixture: SchedulerFixture, ask: number): string[] | undefined {
  const answer = fixture.state.answers.get(ask);
  return answer?.op === "retire" ? Object.keys(answer.workers) : undefined;
}

/** What the log is told of, by name. */
function events(fixture: SchedulerFixture): string[] {
  return fixture.state.takeEvents().map(({ event }) => event);
}

Deno.test("retire stops new tasks, has results copied, and removes the worker when others hold them", () => {
  const [fixture, ask] = retiringA(B);
  assertEquals(fixture.state.workers.get(A)?.status, "closing_gracefully");
  assertEquals(orders(fixture), { [B]: ["x", "y"] });
  assertEquals(events(fixture), ["retire-begun", "worker-retiring"]);
  fixture.client(ALICE, updateGraph([["z"]]));
  assertEquals(fixture.state.tasks.get("z" as Key)?.processingOn?.address, B);
  fixture.worker(B, { op: "add-keys", keys: keys("x"), stimulus_id: "s" });
  assertEquals(retired(fixture, ask), undefined);
  // B may have given the copy of y up, with a task that needed it and was freed: asked again, it begins anew.
  fixture.now += 2;
  fixture.state.tick(fixture.now++);
  assertEquals(orders(fixture), { [B]: ["y"] });
  fixture.worker(B, { op: "add-keys", keys: keys("y"), stimulus_id: "s" });
  assertEquals(retired(fixture, ask), [A]);
  assertEquals(events(fixture), ["worker-retiring", "worker-removed", "worker-retired"]);
  assertEquals(fixture.state.workers.has(A), false);
  assertEquals([fixture.stateOf("x"), fixture.stateOf("y")], ["memory", "memory"]);
});

Deno.test("retire asks again for copies only when it is time to", () => {
  const [fixture] = retiringA(B);
  const asked = fixture.now - 1;
  orders(fixture);
  assertEquals(fixture.state.nextDeadline, asked + 2);
  fixture.state.tick(asked + 1.9);
  assertEquals(orders(fixture), {});
  fixture.state.tick(asked + 2);
  assertEquals(orders(fixture), { [B]: ["x", "y"] });
});

Deno.test("retire looks at copies when there is news of them, but not with every message", () => {
  const [fixture, ask] = retiringA(B);
  const asked = fixture.now - 1;
  const copied = { op: "add-keys", keys: keys("x", "y"), stimulus_id: "s" } as const;
  fixture.state.handleWorkerMessage(B, copied, asked + 0.001);
  assertEquals([retired(fixture, ask), fixture.state.nextDeadline], [undefined, asked + 0.01]);
  fixture.state.tick(asked + 0.01);
  assertEquals([retired(fixture, ask), fixture.state.nextDeadline], [[A], null]);
});

Deno.test("retire spreads results by the bytes that receivers hold and will hold", () => {
  const [fixture] = retiringA(B, C);
  const asked = orders(fixture);
  assertEquals([asked[B]?.length, asked[C]?.length], [1, 1]);
});

Deno.test("retire asks another worker at once if the receiver paused or is gone", () => {
  for (const leave of ["pause", "go"]) {
    const [fixture] = retiringA(B);
    orders(fixture);
    fixture.addWorker(C);
    if (leave === "pause") fixture.state.handleWorkerMessage(B, status("paused"), fixture.now++);
    else fixture.state.removeWorker(B, { now: fixture.now++ });
    assertEquals(orders(fixture), { [C]: ["x", "y"] }, leave);
  }
});

Deno.test("retire does not count copies on workers that leave, too", () => {
  const fixture = withResultsOnA(B);
  fixture.worker(B, { op: "add-keys", keys: keys("x", "y"), stimulus_id: "s" });
  const ask = fixture.state.retire({ workers: [A, B] }, fixture.now++);
  assertEquals(events(fixture), ["retire-begun", "retire-refused", "retire-refused"]);
  assertEquals(retired(fixture, ask), []);
});

Deno.test("retire gives a worker that can't be emptied its status back, and tasks when it confirms", () => {
  for (const before of ["running", "paused"] as const) {
    const fixture = withResultsOnA();
    fixture.worker(A, status(before));
    const ask = fixture.state.retire({ workers: [A] }, fixture.now++);
    assertEquals(retired(fixture, ask), []);
    const told = [...fixture.state.takeOutbox().toWorker.values()].flat();
    assertEquals(told.at(-1), { op: "worker-status-change", status: before, stimulus_id: "retire" });
    fixture.client(ALICE, updateGraph([["z"]]));
    assertEquals(fixture.stateOf("z"), "queued");
    fixture.worker(A, status(before));
    assertEquals(fixture.stateOf("z"), before === "running" ? "processing" : "queued");
  }
});

Deno.test("retire of a worker that goes meanwhile is done, and of one that is not known has nothing to do", () => {
  const [fixture, ask] = retiringA(B);
  orders(fixture);
  fixture.removeWorker(A);
  assertEquals(retired(fixture, ask), [A]);
  assertEquals(orders(fixture), {});
  assertEquals(retired(fixture, fixture.state.retire({ workers: [A] }, fixture.now++)), []);
});

Deno.test("retire of one worker by two requests answers both", () => {
  const [fixture, first] = retiringA(B);
  const second = fixture.state.retire({ names: [A, B] }, fixture.now++);
  assertEquals([retired(fixture, first), retired(fixture, second)], [[], [B]]);
  const [again, one] = retiringA(B);
  const two = again.state.retire({ names: [A] }, again.now++);
  again.worker(B, { op: "add-keys", keys: keys("x", "y"), stimulus_id: "s" });
  assertEquals([retired(again, one), retired(again, two)], [[A], [A]]);
});

Deno.test("retire leaves a worker registered if it is not to be removed, and closes it if it is to be", () => {
  for (const closeWorkers of [true, false]) {
    const fixture = withResultsOnA(B);
    fixture.worker(B, { op: "add-keys", keys: keys("x", "y"), stimulus_id: "s" });
    const ask = fixture.state.retire({ workers: [A], remove: false, closeWorkers }, fixture.now++);
    assertEquals([retired(fixture, ask), fixture.state.workers.has(A)], [[A], true]);
    const told = fixture.state.takeOutbox().toWorker.get(A)?.map(({ op }) => op);
    assertEquals(told, closeWorkers ? ["worker-status-change", "close"] : ["worker-status-change"]);
  }
});

Deno.test("retire refuses options that contradict each other", () => {
  const fixture = withResultsOnA();
  assertThrows(
    () => fixture.state.workersToClose({ workers: [A], names: [A] }),
    TypeError,
    "give one of them",
  );
  assertThrows(
    () => fixture.state.workersToClose({ workers: [A], n: 1 }),
    TypeError,
    "can't be chosen by number",
  );
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
  const [fixture] = retiringA(B, C);
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

/** Which workers are removed for their silence when that time comes. */
function silentAt(ttl: number, now: (joined: number) => number): Record<string, number> {
  const fixture = new SchedulerFixture({ workerTtl: ttl });
  fixture.addWorker(A);
  fixture.now--; // at the same time
  fixture.addWorker(B);
  const joined = fixture.state.workers.get(A)?.lastSeen ?? 0;
  const end = now(joined);
  for (let at = joined; at < end - 1e-9; at = Math.min(at + ttl / 10, end)) {
    fixture.state.heartbeat(B, METRICS, {}, at);
  }
  fixture.state.tick(end);
  const removed: Record<string, number> = {};
  for (const event of fixture.state.takeEvents()) {
    if (event.event === "worker-silent") removed[event.worker] = Math.round(event.seconds);
  }
  assertEquals(fixture.state.workers.has(A), !(A in removed));
  return removed;
}

Deno.test("A worker that is not heard of for the time-to-live, and for ten heartbeats, is removed", () => {
  assertEquals(silentAt(30, (joined) => joined + 30), {});
  assertEquals(silentAt(30, (joined) => joined + 33), { [A]: 33 });
  assertEquals(silentAt(1, (joined) => joined + 4.9), {});
  assertEquals(silentAt(1, (joined) => joined + 5.1), { [A]: 5 });
});

Deno.test("No worker is removed for silence after the scheduler itself stood still", () => {
  const fixture = new SchedulerFixture({ workerTtl: 30 });
  fixture.addWorker(A);
  const looked = fixture.now;
  fixture.state.tick(looked);
  assertEquals(fixture.state.nextDeadline, looked - 2 + 3);
  fixture.state.tick(looked + 100);
  assertEquals([fixture.state.workers.has(A), fixture.state.nextDeadline], [true, looked + 103]);
});

Deno.test("A worker that is being emptied leaves although the answer is waited for no longer", () => {
  const [fixture, ask] = retiringA(B);
  fixture.state.handle([{ op: "forget", ask }], fixture.now++);
  fixture.worker(B, { op: "add-keys", keys: keys("x", "y"), stimulus_id: "s" });
  assertEquals(fixture.state.hasWorker(A), false);
});
