import { assertEquals } from "@std/assert";
import type { Extension } from "../../scheduler/state/extension.ts";
import type { SchedulerStateOptions } from "../../scheduler/state/machine.ts";
import type { SchedulerState } from "../../scheduler/state/scheduler_state.ts";
import { State, STATE_NAMES, type StateName } from "../../scheduler/state/task_state.ts";
import { TRANSITIONS } from "../../scheduler/state/transitions.ts";
import { Parts } from "../../testing/simulation/setting.ts";
import { runSimulation } from "../../testing/simulation/simulation.ts";

const SEEDS = 150;

/** Keeps the machine of a run. */
class KeptScheduler extends Parts {
  state: SchedulerState | undefined;

  override makeScheduler(
    options: SchedulerStateOptions,
    extensions: readonly Extension[],
  ): SchedulerState {
    return this.state = super.makeScheduler(options, extensions);
  }
}

/** `"waiting → processing"` for each step that the schedulers of some runs took. */
async function stepsOfSimulations(): Promise<Set<string>> {
  const steps = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const parts = new KeptScheduler();
    await runSimulation({ seed, parts });
    for (const { start, recommended } of parts.state?.story() ?? []) steps.add(`${start} → ${recommended}`);
  }
  return steps;
}

/** `"waiting → processing"` for each row of the scheduler's table. */
function rows(): Set<string> {
  const all = new Set<string>();
  for (const start of Object.values(State)) {
    for (const finish of Object.values(State)) {
      if (TRANSITIONS.has(start, finish)) all.add(`${nameOf(start)} → ${nameOf(finish)}`);
    }
  }
  return all;
}

function nameOf(state: State): StateName {
  return STATE_NAMES[state];
}

Deno.test("Every step in the stories of simulated schedulers is a row of the table, and every row is taken", async () => {
  assertEquals([...await stepsOfSimulations()].sort(), [...rows()].sort());
});
