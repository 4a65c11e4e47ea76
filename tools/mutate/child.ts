/**
 * The process that runs tests: `child.ts [--mutant ID] TEST-FILE…`. With an id, that mutant is active while
 * the modules load, and stays so.
 *
 * @module
 */

import process from "node:process";
import { collected, type CollectedTest, collectTests, runTest } from "./collect.ts";
import type { Begun, PlannedTest, Request, Survey, SurveyedTest, Verdict } from "./messages.ts";
import { type Hits, Switches } from "./switches.ts";

const switches = new Switches();
Reflect.set(globalThis, "mutationSwitches", switches);

function tell(message: Begun | Survey | Verdict): void {
  process.send?.(message);
}

async function survey(longest: number, atLoad: readonly string[]): Promise<Survey> {
  const tests: SurveyedTest[] = [];
  for (const [index, test] of collected.entries()) {
    tell({ is: "begun", test: index });
    let { ms, failure } = await timed(test);
    if (failure === undefined && ms > longest) ({ ms, failure } = await timed(test)); // what is made once is made now
    const hits = ms > longest ? null : await hitsOf(test);
    tests.push({ index, name: test.name, ms, hits, ...(failure === undefined ? {} : { failure }) });
  }
  return { is: "survey", tests, atLoad };
}

async function timed(test: CollectedTest): Promise<{ ms: number; failure: string | undefined }> {
  const started = performance.now();
  const failure = await runTest(test);
  return { ms: performance.now() - started, failure };
}

async function hitsOf(test: CollectedTest): Promise<Hits> {
  const hits: Hits = switches.notes = {};
  await runTest(test);
  switches.notes = undefined;
  return hits;
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
  tell(
    request.do === "survey"
      ? await survey(request.longest, Object.keys(reachedAtLoad))
      : await judge(request.mutant, request.tests),
  );
});
