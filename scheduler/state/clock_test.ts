import { assertEquals } from "@std/assert";
import type { Key } from "../../messages/common.ts";
import { A, ALICE, B, METRICS, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

Deno.test("A silent worker is found although the clock was set back", () => {
  const { state } = new SchedulerFixture({ workerTtl: 300 });
  state.addWorker({ address: A, status: "running", nthreads: 1, name: "a", memory_limit: null }, 10_000);
  state.heartbeat(A, METRICS, {}, 10_010);
  state.heartbeat(A, METRICS, {}, 1000); // set back
  let now = 1000;
  for (let i = 0; i < 20; i++) state.tick(now += 30);
  assertEquals(state.hasWorker(A), false);
});

Deno.test("A worker is retired although the clock was set back", () => {
  const fixture = new SchedulerFixture();
  const { state } = fixture;
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]]));
  fixture.finish("x", 100);
  fixture.addWorker(B);
  fixture.flush();
  state.retire({ workers: [A] }, fixture.now);
  state.takeOutbox();
  state.tick(fixture.now - 500);
  assertEquals(state.nextDeadline, fixture.now - 498);
  state.tick(fixture.now - 497);
  assertEquals([...state.takeOutbox().toWorker.keys()], [B]);
});

Deno.test("A wait for workers ends in time although the clock was set back", () => {
  const { state } = new SchedulerFixture();
  const ask = state.nextAsk();
  state.handle([{ op: "wait-for-workers", ask, count: 1, among: null, timeout: 10 }], 5000);
  state.tick(1000);
  assertEquals(state.nextDeadline, 1010);
  state.tick(1010);
  assertEquals(state.answers.get(ask), { op: "wait-for-workers", workers: null });
});

Deno.test("The idle time-out ends in time although the clock was set back", () => {
  const { state, now } = new SchedulerFixture({ idleTimeout: 60 });
  state.tick(now + 30);
  state.tick(now - 500);
  const due = state.nextDeadline ?? Infinity;
  assertEquals(due < now - 500 + 31, true);
  state.takeEvents();
  state.tick(due);
  assertEquals(state.takeEvents().map(({ event }) => event), ["idle"]);
});

Deno.test("Graphs of before and after the clock was set back are not of one generation", () => {
  const { state, now } = new SchedulerFixture();
  const submit = (key: string, at: number) => {
    state.handleClientMessage(ALICE, { ...updateGraph([[key]]), fifo_timeout: 1 }, at);
    return state.tasks.get(key as Key)?.priority[1];
  };
  assertEquals([submit("x", now), submit("y", now - 500), submit("z", now - 490)], [1, 1, 2]);
});
