import { assert, assertEquals } from "@std/assert";
import { replay } from "../../scheduler/replay.ts";
import { Simulation } from "../../testing/simulation/simulation.ts";

Deno.test("A recording of a simulated run replays into a fresh machine that does the same", async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const lines: string[] = [];
    const simulation = new Simulation({ seed, steps: 100, onRecord: (line) => lines.push(line) });
    const { transitions } = await simulation.run();
    const replayed = await replay(lines);
    assertEquals(replayed.transitions, transitions);
    assert(replayed.digests > 0);
  }
});
