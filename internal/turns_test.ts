import { assertEquals } from "@std/assert";
import { pauseIfBusy } from "./turns.ts";

/** Keeps the process busy until there is a pause. */
function busyUntilPause(): Promise<void> {
  for (;;) {
    const pause = pauseIfBusy();
    if (pause !== undefined) return pause;
  }
}

Deno.test("pauseIfBusy gives a pause after a while without one, and everybody the same", async () => {
  const pause = busyUntilPause();
  assertEquals(pauseIfBusy() === pause, true);
  await pause;
  assertEquals(pauseIfBusy(), undefined);
});

Deno.test("pauseIfBusy ends its pause although somebody replaced the global timers", async () => {
  const { setTimeout } = globalThis;
  let isAsked = false;
  globalThis.setTimeout = (() => {
    isAsked = true;
    return 0;
  }) as unknown as typeof setTimeout;
  try {
    const pause = busyUntilPause();
    assertEquals(isAsked, false);
    await pause;
  } finally {
    globalThis.setTimeout = setTimeout;
  }
});
