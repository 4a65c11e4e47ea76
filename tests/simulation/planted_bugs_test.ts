import { assert, assertMatch } from "@std/assert";
import { runSimulation } from "../../testing/simulation/simulation.ts";
import { SimulationFailure } from "../../testing/simulation/world.ts";
import { PLANTED_BUGS, type PlantedBug } from "../../testing/simulation/planted_bugs.ts";

/** The first seed that finds a bug, and what it says. */
async function find({ seeds, make }: PlantedBug): Promise<{ seed: number; report: string } | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await runSimulation({ seed, parts: make() });
    } catch (error) {
      assert(error instanceof SimulationFailure);
      return { seed, report: error.message.split("\n", 1)[0] ?? "" };
    }
  }
  return undefined;
}

for (const bug of PLANTED_BUGS) {
  Deno.test(`Simulation finds within ${bug.seeds} seeds that ${bug.name}`, async () => {
    const found = await find(bug);
    assert(found !== undefined, `${bug.seeds} seeds did not find it`);
    assertMatch(found.report, bug.sign);
  });
}
