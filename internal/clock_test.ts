import { assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "./clock.ts";

Deno.test("systemClock does not run out at once when it should after very long, or never", async () => {
  for (const milliseconds of [2 ** 31, 1e12, Infinity]) {
    let ranOut = false;
    const cancel = systemClock.timer(milliseconds, () => void (ranOut = true));
    const controller = new AbortController();
    const slept = systemClock.sleep(milliseconds, controller.signal);
    await systemClock.sleep(1);
    await systemClock.sleep(1); // a timer that was cut to a millisecond is over
    controller.abort(new TypeError("woken"));
    await assertRejects(() => slept, TypeError, "woken");
    cancel();
    assertEquals(ranOut, false);
  }
});
