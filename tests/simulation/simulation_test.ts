import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import type { WorkerCommand } from "../../messages/worker_scheduler.ts";
import { Parts } from "../../testing/simulation/setting.ts";
import { runSimulation, Simulation } from "../../testing/simulation/simulation.ts";
import { SimulationFailure } from "../../testing/simulation/world.ts";

/** Short runs; more of them, and longer ones, by `deno task simulate`. */
const SEEDS = 1000;
const LONG_SEEDS = 20;

class LostOrders extends Parts {
  override toWorker(message: WorkerCommand): readonly WorkerCommand[] {
    return message.op === "compute-task" ? [] : [message];
  }
}

Deno.test("Simulation does the same for the same seed", async () => {
  for (const seed of [1, 2, 3, 77]) {
    const first = new Simulation({ seed });
    const second = new Simulation({ seed });
    assertEquals(await first.run(), await second.run());
    assertEquals(first.lines, second.lines);
    assert(first.lines.length > 0);
  }
});

Deno.test("Simulation does something else for another seed", async () => {
  assertNotEquals((await runSimulation({ seed: 1 })).digest, (await runSimulation({ seed: 2 })).digest);
});

/** Ways to time, chance and timers of this machine, each of which fails. */
function forbidMachine(): Disposable {
  const forbid = (what: string) => () => {
    throw new Error(`A simulated role uses ${what} of the machine`);
  };
  const { setTimeout, setInterval } = globalThis;
  const { now } = Date;
  const { random } = Math;
  const { randomUUID, getRandomValues } = crypto;
  const read = performance.now;
  Object.assign(globalThis, { setTimeout: forbid("setTimeout"), setInterval: forbid("setInterval") });
  Date.now = forbid("Date.now");
  Math.random = forbid("Math.random");
  performance.now = forbid("performance.now");
  crypto.randomUUID = forbid("randomUUID");
  crypto.getRandomValues = forbid("getRandomValues");
  return {
    [Symbol.dispose]: () => {
      Object.assign(globalThis, { setTimeout, setInterval });
      Object.assign(crypto, { randomUUID, getRandomValues });
      Date.now = now;
      Math.random = random;
      performance.now = read;
    },
  };
}

Deno.test("Simulation asks the machine that it runs on for no time, no timer and no chance", async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const simulation = new Simulation({ seed });
    using _forbidden = forbidMachine();
    await simulation.run();
  }
});

Deno.test("Simulation fails in the same way for the same seed, and tells how to see it again", async () => {
  const fail = () => runSimulation({ seed: 6, steps: 30, parts: new LostOrders() });
  const { message } = await assertRejects(fail, SimulationFailure);
  assertEquals((await assertRejects(fail, SimulationFailure)).message, message);
  assertMatch(message, /^Seed 6 fails: SimulationFailure: It does not come to an end/);
  assertMatch(message, /^Again: deno task simulate --seed 6 --runs 1 --steps 30$/m);
});

Deno.test(`Simulation finds nothing wrong in ${SEEDS} seeds`, async () => {
  let transitions = 0;
  for (let seed = 1; seed <= SEEDS; seed++) transitions += (await runSimulation({ seed })).transitions;
  assert(transitions > 100 * SEEDS, `Only ${transitions} transitions: the runs do little`);
});

Deno.test(`Simulation finds nothing wrong in ${LONG_SEEDS} long runs`, async () => {
  for (let seed = 1; seed <= LONG_SEEDS; seed++) await runSimulation({ seed, steps: 200 });
});

Deno.test("Simulation finds nothing wrong where everything is in trouble at once", async () => {
  const profile = {
    latency: 0.005,
    failureShare: 0.2,
    transfersMax: 1,
    gatherFailures: 0.5,
    slowLinks: 0.3,
    lostEnds: 0.2,
    linkFaults: 0.3,
    churn: 1,
    pauses: 0.7,
    cancels: 0.8,
    forced: 0.5,
    clientLosses: 0.3,
    allowedFailures: 1,
  };
  for (let seed = 1; seed <= 150; seed++) await runSimulation({ seed, profile });
});
