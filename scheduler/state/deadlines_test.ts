import { assertEquals } from "@std/assert";
import type { Address } from "../../messages/common.ts";
import { A, ALICE, B, METRICS, SchedulerFixture, status } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";
import type { Effects } from "./effects.ts";

/** What a wait is answered; `undefined` while it is not. */
function running(effects: Effects, ask: number): readonly Address[] | null | undefined {
  for (const [number, answer] of effects.answers) {
    if (number === ask && answer.op === "wait-for-workers") return answer.workers;
  }
  return undefined;
}

function wait(
  fixture: SchedulerFixture,
  count: number,
  options: { readonly among?: readonly string[]; readonly timeout?: number },
  now: number,
): { readonly ask: number; readonly effects: Effects } {
  const ask = fixture.state.nextAsk();
  const { among = null, timeout = null } = options;
  return {
    ask,
    effects: fixture.state.handle([{ op: "wait-for-workers", ask, count, among, timeout }], now),
  };
}

Deno.test("A wait for workers is answered as soon as enough run, with all that run", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(B, 1, "paused");
  const { ask, effects } = wait(fixture, 2, {}, 1000);
  assertEquals([running(effects, ask), effects.nextDeadline], [undefined, null]);
  fixture.addWorker(A);
  assertEquals(fixture.state.answers.has(ask), false);
  fixture.worker(B, status("running"));
  assertEquals(fixture.state.answers.get(ask), { op: "wait-for-workers", workers: [A, B] });
  const again = wait(fixture, 2, {}, 1001);
  assertEquals(running(again.effects, again.ask), [A, B]);
  const none = wait(fixture, 0, {}, 1002);
  assertEquals(running(none.effects, none.ask), [A, B]);
});

Deno.test("A wait for workers counts those that are named by address, name or host", () => {
  for (const name of [B, "bee", "10.0.0.2"]) {
    const fixture = new SchedulerFixture();
    fixture.addWorker(A, 1, "running", "ay");
    const { ask } = wait(fixture, 1, { among: [name] }, 1000);
    assertEquals(fixture.state.answers.has(ask), false, name);
    fixture.addWorker(B, 1, "running", "bee");
    assertEquals(fixture.state.answers.get(ask), { op: "wait-for-workers", workers: [B] }, name);
  }
});

Deno.test("A wait for workers is given up in time, the next one first, or forgotten", () => {
  const fixture = new SchedulerFixture();
  const long = wait(fixture, 1, { timeout: 10 }, 1000);
  const short = wait(fixture, 1, { timeout: 5 }, 1000);
  assertEquals([long.effects.nextDeadline, short.effects.nextDeadline], [1010, 1005]);
  assertEquals(running(fixture.state.tick(1004.9), short.ask), undefined);
  const late = fixture.state.tick(1005);
  assertEquals([running(late, short.ask), running(late, long.ask)], [null, undefined]);
  assertEquals(late.nextDeadline, 1010);
  const forgotten = fixture.state.handle([{ op: "forget", ask: long.ask }], 1006);
  assertEquals([forgotten.nextDeadline, running(fixture.state.tick(1010), long.ask)], [null, undefined]);
  const just = wait(fixture, 1, { timeout: 5 }, 1020);
  fixture.now = 1025;
  fixture.addWorker(A);
  assertEquals(fixture.state.answers.get(just.ask), { op: "wait-for-workers", workers: [A] });
});

Deno.test("A scheduler without work says so once, when that was so for long enough", () => {
  const fixture = new SchedulerFixture({ idleTimeout: 60 });
  const idle = (now: number): number[] =>
    fixture.state.tick(now).events.flatMap((event) => event.event === "idle" ? [event.seconds] : []);
  assertEquals(idle(1000), []);
  const { nextDeadline } = fixture.state.tick(1010);
  const since = (nextDeadline ?? 0) - 60;
  assertEquals(idle(since + 59.9), []);
  assertEquals(idle(since + 60), [60]);
  assertEquals([idle(since + 200), fixture.state.nextDeadline], [[], null]);
  fixture.now = 5000;
  fixture.client(ALICE, updateGraph([["x"]]));
  assertEquals(fixture.state.nextDeadline, null);
  fixture.addWorker(A);
  assertEquals([idle(6000), fixture.state.nextDeadline], [[], null]);
  fixture.now = 7000;
  fixture.finish("x");
  assertEquals(fixture.state.nextDeadline, 7060);
  assertEquals([idle(7059), idle(7060)], [[], [60]]);
});

Deno.test("A scheduler is never idle for too long by default", () => {
  const fixture = new SchedulerFixture();
  assertEquals(fixture.state.tick(1e9).nextDeadline, null);
  assertEquals(fixture.state.takeEvents().some(({ event }) => event === "idle"), false);
});

Deno.test("A scheduler looks for silent workers ten times in their time-to-live, if there are any", () => {
  const fixture = new SchedulerFixture({ workerTtl: 30 });
  assertEquals(fixture.state.tick(5000).nextDeadline, null);
  fixture.now = 6000;
  fixture.addWorker(A);
  assertEquals(fixture.state.nextDeadline, 6003);
  fixture.state.heartbeat(A, METRICS, {}, 6001);
  assertEquals(fixture.state.nextDeadline, 6003);
  assertEquals(fixture.state.tick(6003).nextDeadline, 6006);
  for (let now = 6006; now <= 6030; now += 3) fixture.state.tick(now);
  assertEquals(fixture.state.workers.has(A), true);
  const events = fixture.state.tick(6033).events;
  assertEquals(events[0], { event: "worker-silent", worker: A, seconds: 32 });
  assertEquals([fixture.state.workers.has(A), fixture.state.nextDeadline], [false, null]);
});

Deno.test("Whatever a worker says on its stream tells that it lives", () => {
  const fixture = new SchedulerFixture({ workerTtl: 30 });
  fixture.now = 6000;
  fixture.addWorker(A);
  for (let now = 6003; now <= 6060; now += 3) {
    fixture.state.handleWorkerMessage(A, { op: "keep-alive" }, now);
  }
  assertEquals([fixture.state.workers.has(A), fixture.state.workers.get(A)?.lastSeen], [true, 6060]);
});
