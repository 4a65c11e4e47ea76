/**
 * The process that runs tests: `child.ts [--mutant ID] TEST-FILE…`. With an id, that mutant is active while
 * the modules load, and stays so.
 *
 * @module
 */

import process from "node:process";
import { collected, collectTests, runTest } from "./collect.ts";
import type { Begun, PlannedTest, Request, Survey, SurveyedTest, Verdict } from "./messages.ts";
import { type Hits, Switches } from "./switches.ts";

const switches = new Switches();
Reflect.set(globalThis, "mutationSwitches", switches);

function tell(message: Begun | Survey | Verdict): void {
  process.send?.(message);
}

async function survey(atLoad: readonly string[]): Promise<Survey> {
  const tests: SurveyedTest[] = [];
  for (const [index, test] of collected.entries()) {
    tell({ is: "begun", test: index });
    const hits: Hits = switches.notes = {};
    const failure = await runTest(test);
    switches.notes = undefined;
    const started = performance.now();
    await runTest(test); // again: taking notes takes time
    const ms = performance.now() - started;
    tests.push({ index, name: test.name, ms, hits, ...(failure === undefined ? {} : { failure }) });
  }
  return { is: "survey", tests, atLoad };
}

async function judge(mutant: string, tests: readonly PlannedTest[]): Promise<Verdict> {
  const stays = switches.active === mutant;
  let wasReached = stays;
  for (const { index, mostHits } of tests) {
    const test = collected[index];
    if (test === undefined) throw new RangeError(`there is no test ${index}`);
    tell({ is: "begun", test: index });
    Object.assign(switches, { active: mutant, hits: 0, mostHits });
    const failure = await runTest(test);
    const { hits } = switches;
    switches.mostHits = Infinity;
    if (!stays) switches.active = undefined;
    if (hits > mostHits) return { is: "endless" };
    if (failure !== undefined) {
      if (!stays && await runTest(test) !== undefined) return { is: "dirty" };
      return { is: "killed", by: test.name, why: failure };
    }
    wasReached ||= hits > 0;
  }
  return { is: wasReached ? "survived" : "unreached" };
}

/** A property that fails once has failed: looking for a smaller case takes time. */
async function endPropertiesEarly(): Promise<void> {
  const { default: fc } = await import("fast-check");
  fc.configureGlobal({ endOnFailure: true });
}

const files = [...Deno.args];
if (files[0] === "--mutant") switches.active = files.splice(0, 2)[1];
await endPropertiesEarly();
const reachedAtLoad: Hits = switches.notes = {};
await collectTests(files);
switches.notes = undefined;
process.on("message", async (request: Request) => {
  const isSurvey = request.do === "survey";
  tell(isSurvey ? await survey(Object.keys(reachedAtLoad)) : await judge(request.mutant, request.tests));
});
