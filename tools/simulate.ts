/**
 * Runs seeds of the simulator:
 * `deno task simulate [--seed N] [--runs N] [--steps N] [--log] [--record FILE]`.
 *
 * @module
 */

import { parseFlags, wholeNumber } from "../cli/flags.ts";
import { runSimulation, Simulation } from "../testing/simulation/simulation.ts";
import { SimulationFailure } from "../testing/simulation/world.ts";
import { say } from "./run.ts";

const { text, on } = parseFlags(Deno.args, {
  seed: { type: "string", value: "N", help: "First seed [1]" },
  runs: { type: "string", value: "N", help: "How many seeds [10000]" },
  steps: { type: "string", value: "N", help: "Things that happen in a run [40]" },
  log: { type: "boolean", help: "Print what happens in the first run" },
  record: {
    type: "string",
    value: "FILE",
    help: "Record what happens to the scheduler of the first run, for deno task replay",
  },
});
const seed = wholeNumber("seed", text["seed"] ?? "1", 0, 2 ** 31);
const runs = wholeNumber("runs", text["runs"] ?? "10000", 1, 2 ** 31);
const steps = text["steps"] === undefined ? undefined : wholeNumber("steps", text["steps"], 1, 1_000_000);

const journal = text["record"];
if (on["log"] === true || journal !== undefined) {
  const lines: string[] = [];
  const simulation = new Simulation({ seed, steps, onRecord: (line) => lines.push(line) });
  try {
    await simulation.run();
  } finally {
    if (on["log"] === true) { for (const line of simulation.lines) say(line); }
    if (journal !== undefined) await Deno.writeTextFile(journal, `${lines.join("\n")}\n`);
  }
}

const started = performance.now();
let events = 0;
let transitions = 0;
let digest = "";
try {
  for (let run = 0; run < runs; run++) {
    const report = await runSimulation({ seed: seed + run, steps });
    events += report.events;
    transitions += report.transitions;
    digest = report.digest;
  }
  const seconds = (performance.now() - started) / 1000;
  say(
    `${runs} runs from seed ${seed} in ${
      seconds.toFixed(1)
    } s: ${events} events, ${transitions} transitions, ` +
      `nothing wrong; record of the last: ${digest}`,
  );
} catch (error) {
  if (!(error instanceof SimulationFailure)) throw error;
  say(error.message);
  const { cause } = error;
  if (cause instanceof Error && !(cause instanceof SimulationFailure)) say(cause.stack ?? "");
  Deno.exitCode = 1;
}
