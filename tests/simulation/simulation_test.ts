import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import type { WorkerCommand } from "../../messages/worker_scheduler.ts";
import { Parts } from "../../testing/simulation/setting.ts";
import { runSimulation, Simulation } from "../../testing/simulation/simulation.ts";
import { SimulationFailure } from "../../testing/simulation/world.ts";

/** Short runs; more of them, and longer ones, by `deno task simulate`. */
const SEEDS = 2000;
const LONG_SEEDS = 20;

// Seeds that once found a bug. What a seed does changes with the simulator, so each bug has a test of its own, too, in
// scheduler/state/late_failures_test.ts.
const ONCE_FAILED = [52, 101, 259, 297, 830, 996, 1098, 2231, 2276, 2678, 3317, 3801, 5528, 5908, 1005822];

class LostOrders extends Parts {
  override toWorker(message: WorkerCommand): readonly WorkerCommand[] {
    return message.op === "compute-task" ? [] : [message];
  }
}

Deno.test("Simulation does the same for the same seed", () => {
  for (const seed of [1, 2, 3, 77]) {
    const first = new Simulation({ seed });
    const second = new Simulation({ seed });
    assertEquals(first.run(), second.run());
    assertEquals(first.lines, second.lines);
    assert(first.lines.length > 0);
  }
});

Deno.test("Simulation does something else for another seed", () => {
  assertNotEquals(runSimulation({ seed: 1 }).digest, runSimulation({ seed: 2 }).digest);
});

Deno.test("Simulation fails in the same way for the same seed, and tells how to see it again", () => {
  const fail = () => runSimulation({ seed: 5, steps: 30, parts: new LostOrders() });
  const { message } = assertThrows(fail, SimulationFailure);
  assertEquals(assertThrows(fail, SimulationFailure).message, message);
  assertMatch(message, /^Seed 5 fails: SimulationFailure: It does not come to an end/);
  assertMatch(message, /^Again: deno task simulate --seed 5 --runs 1 --steps 30$/m);
});

Deno.test("Simulation finds nothing wrong in the seeds that once found something", () => {
  for (const seed of ONCE_FAILED) runSimulation({ seed });
});

Deno.test(`Simulation finds nothing wrong in ${SEEDS} seeds`, () => {
  let transitions = 0;
  for (let seed = 1; seed <= SEEDS; seed++) transitions += runSimulation({ seed }).transitions;
  assert(transitions > 100 * SEEDS, `Only ${transitions} transitions: the runs do little`);
});

Deno.test(`Simulation finds nothing wrong in ${LONG_SEEDS} long runs`, () => {
  for (let seed = 1; seed <= LONG_SEEDS; seed++) runSimulation({ seed, steps: 200 });
});

Deno.test("Simulation finds nothing wrong where everything is in trouble at once", () => {
  const profile = {
    latency: 0.005,
    encoded: 0.3,
    failureShare: 0.2,
    reschedules: 0.1,
    busy: 0.4,
    gatherFailures: 0.4,
    churn: 1,
    pauses: 0.7,
    cancels: 0.8,
    forced: 0.5,
    clientLosses: 0.3,
    allowedFailures: 1,
  };
  for (let seed = 1; seed <= 200; seed++) runSimulation({ seed, profile });
});
