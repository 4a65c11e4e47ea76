import { assertEquals, assertRejects } from "@std/assert";
import type { Comm } from "../comm/comm.ts";
import { connect } from "../comm/connect.ts";
import { systemPlatform } from "../comm/platform.ts";
import { type Clock, systemClock } from "../internal/clock.ts";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import { call } from "../rpc/call.ts";
import { Scheduler } from "./scheduler.ts";
import { SchedulerShell } from "./shell.ts";
import type { RetireOptions } from "./state/retirement.ts";

/** A clock whose time stands still until it is told, and whose timers never run out. */
class StoppedClock implements Clock {
  readonly #start = systemClock.time();
  seconds = 0;
  now = (): number => this.seconds * 1000;
  time = (): number => this.#start + this.seconds;
  sleep = systemClock.sleep;
  timer = (): () => void => () => {};
  every = (): () => void => () => {};
}

Deno.test("A refused registration leaves nothing undone of what was due at the same time", async () => {
  const clock = new StoppedClock();
  const shell = await SchedulerShell.start({ protocol: "inproc" }, {
    platform: { ...systemPlatform, clock },
  });
  const comms: Comm[] = [];
  const dial = async () => {
    const comm = await connect(shell.address, {});
    comms.push(comm);
    return comm;
  };
  const register = { client: "twice", versions: {} };
  const [waiter, first] = [await dial(), await dial()];
  await call(first, SCHEDULER_OPERATIONS["register-client"], register as never);
  await waiter.write({ op: "wait_for_workers", n: 1, timeout: 10 });
  await call(await dial(), SCHEDULER_OPERATIONS.identity, {}); // the scheduler has read what came before
  clock.seconds = 11;
  const [start] = await call(await dial(), SCHEDULER_OPERATIONS["register-client"], register as never);
  assertEquals(start.error, `Cannot register client "twice": it is connected`);
  assertEquals(await Promise.race([waiter.read(), systemClock.sleep(1000)]), null);
  for (const comm of comms) comm.abort();
  await shell.close();
});

Deno.test("Scheduler.retireWorkers refuses what is no list, and goes on", async () => {
  await using scheduler = await Scheduler.start({ protocol: "inproc" });
  const wrong: readonly unknown[] = [{ workers: 5 }, { names: "w0" }, { workers: "tls://h:1" }];
  for (const options of wrong) {
    await assertRejects(() => scheduler.retireWorkers(options as RetireOptions), TypeError, "a list");
  }
  assertEquals(await scheduler.retireWorkers({}), {});
});
