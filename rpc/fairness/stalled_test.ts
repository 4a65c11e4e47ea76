import { assertEquals } from "@std/assert";
import type { Comm } from "../../comm/comm.ts";
import { systemClock } from "../../internal/clock.ts";
import { StallWatch } from "./stalled.ts";

/** What of a comm a watch looks at. */
function comm(
  queuedBytes: number | undefined,
  sentBytes: number,
): Comm & { queuedBytes: number; sentBytes: number } {
  return { queuedBytes, sentBytes } as Comm & { queuedBytes: number; sentBytes: number };
}

Deno.test("StallWatch tells of a comm that takes nothing for so long, once", () => {
  const stalled: [Comm, number][] = [];
  const watch = new StallWatch(60_000, (one, bytes) => stalled.push([one, bytes]), systemClock);
  const still = comm(500, 100);
  const [quiet, slow] = [comm(0, 100), comm(500, 0)];
  for (const one of [still, quiet, slow]) watch.add(one);
  for (let now = 0; now < 60_000; now += 15_000) {
    slow.sentBytes++;
    watch.look(now);
  }
  assertEquals(stalled, []);
  slow.sentBytes++;
  watch.look(60_000);
  watch.look(90_000);
  assertEquals(stalled, [[still, 500]]);
  watch.look(120_000);
  assertEquals(stalled.length, 2);
  watch.delete(quiet);
});

Deno.test("StallWatch begins anew when all was taken", () => {
  let count = 0;
  const watch = new StallWatch(60_000, () => count++, systemClock);
  const peer = comm(500, 100);
  watch.add(peer);
  watch.look(0);
  watch.look(50_000);
  peer.queuedBytes = 0;
  watch.look(55_000);
  peer.queuedBytes = 500;
  watch.look(61_000);
  watch.look(120_000);
  assertEquals(count, 0);
  watch.look(121_000);
  assertEquals(count, 1);
});

Deno.test("StallWatch has a timer only while there is a comm between processes", () => {
  const watch = new StallWatch(60_000, () => {}, systemClock);
  watch.add(comm(undefined, 0)); // with a timer this test would leak one
  const peer = comm(0, 0);
  watch.add(peer);
  watch.delete(peer);
});
