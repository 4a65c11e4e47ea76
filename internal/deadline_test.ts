import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Deadline, orAborted } from "./deadline.ts";

const late = (ms: number) => new Error(`late after ${ms} ms`);

Deno.test("Deadline aborts with its reason when the time is up, and when the caller's signal is aborted", async () => {
  using deadline = new Deadline({ timeout: "1ms" }, late);
  await assertRejects(() => orAborted(new Promise(() => {}), deadline.signal), Error, "late after 1 ms");
  const controller = new AbortController();
  using both = new Deadline({ timeout: "1h", signal: controller.signal }, late);
  controller.abort(new Error("enough"));
  assertEquals(both.signal?.reason.message, "enough");
});

Deno.test("Deadline without a time-out, or with an infinite one, is the caller's signal alone", () => {
  const { signal } = new AbortController();
  for (const timeout of [undefined, Infinity]) {
    using deadline = new Deadline({ timeout, signal }, late);
    assertEquals(deadline.signal, signal);
  }
});

Deno.test("Deadline waits on where the time is longer than one timer can be", async () => {
  using deadline = new Deadline({ timeout: "30 days" }, late);
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 1); // a timer that overflows is due after 1 ms too, and was made before
  await promise;
  assertEquals(deadline.signal?.aborted, false);
});

Deno.test("Deadline refuses a time-out that is no time", () => {
  for (const timeout of [NaN, -5, "-1s"]) {
    assertThrows(() => new Deadline({ timeout }, late), RangeError, `time-out of "${timeout}"`);
  }
});
