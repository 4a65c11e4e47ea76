import { assertEquals } from "@std/assert";
import type { Address } from "../../messages/common.ts";
import { A, B, METRICS, SchedulerFixture, status } from "../../testing/scheduler_fixture.ts";

/** Begins to wait. Returns what is answered so far: nothing yet, addresses, or null when the time is up. */
function wait(
  { state, now }: SchedulerFixture,
  count: number,
  among: readonly string[] | null = null,
  timeout: number | null = null,
): () => readonly Address[] | null | undefined {
  const ask = state.nextAsk();
  state.handle([{ op: "wait-for-workers", ask, count, among, timeout }], now);
  return () => {
    const answer = state.answers.get(ask);
    return answer?.op === "wait-for-workers" ? answer.workers : undefined;
  };
}

Deno.test("A wait for workers is answered when enough of those that are meant run", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(B, 1, "running", "b");
  const waits = [
    wait(fixture, 0, []),
    wait(fixture, 1),
    wait(fixture, 2),
    wait(fixture, 1, ["a"]),
    wait(fixture, 1, ["10.0.0.1", "nobody"]),
    wait(fixture, 1, ["nobody"]),
  ];
  assertEquals(waits.map((answer) => answer()), [[], [B], undefined, undefined, undefined, undefined]);
  fixture.addWorker(A, 1, "init", "a");
  assertEquals(waits.map((answer) => answer()), [[], [B], undefined, undefined, undefined, undefined]);
  fixture.worker(A, status("running"));
  assertEquals(waits.map((answer) => answer()), [[], [B], [A, B], [A], [A], undefined]);
});

Deno.test("A wait for workers ends when its time is up, or at once without any", () => {
  const fixture = new SchedulerFixture();
  const { state, now } = fixture;
  assertEquals([wait(fixture, 1, null, 0)(), wait(fixture, 1, null, -1)()], [null, null]);
  const [short, long] = [wait(fixture, 1, null, 3), wait(fixture, 1, null, 5)];
  assertEquals(state.nextDeadline, now + 3);
  state.tick(now + 3);
  assertEquals([short(), long(), state.nextDeadline], [null, undefined, now + 5]);
  state.tick(now + 5);
  assertEquals([long(), state.nextDeadline], [null, null]);
});

Deno.test("Waits for workers are looked at only when a worker begins to run", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  wait(fixture, 2, Array.from({ length: 1000 }, (_, i) => `w-${i}`));
  const { running } = fixture.state.machine.pools[0] ?? {};
  let looks = 0;
  const has = running?.has.bind(running);
  if (running !== undefined) running.has = (ws) => (looks++, has?.(ws) ?? false);
  for (let i = 0; i < 10; i++) fixture.state.heartbeat(A, METRICS, {}, fixture.now++);
  assertEquals(looks, 0);
  fixture.addWorker(B);
  assertEquals(looks > 0, true);
});
