/**
 * The process that runs tests: `child.ts [--mutant ID] TEST-FILE…`. With an id, that mutant is active from
 * the loading of the modules on.
 *
 * @module
 */

import process from "node:process";
import { collected, type CollectedTest, collectTests, runTest } from "./collect.ts";
import type { Hits, Notes, PlannedTest, Reply, Request, TimedTest, Times, Verdict } from "./messages.ts";
import { Switches } from "./switches.ts";

/**
 * A test that takes this many times too long is not tried again: one-time initialisation does not take so
 * long.
 */
const RETRIED = 3;

const switches = new Switches();
Reflect.set(globalThis, "mutationSwitches", switches);

function tell(message: Reply): void {
  process.send?.(message);
}

async function time(longest: number): Promise<Times> {
  const tests: TimedTest[] = [];
  for (const [index, test] of collected.entries()) {
    tell({ is: "begun", test: index });
    let { ms, failure } = await timed(test);
    const isDoubtful = ms > longest && ms < RETRIED * longest;
    if (failure === undefined && isDoubtful) ({ ms, failure } = await timed(test));
    tests.push({ index, name: test.name, ms, ...(failure === undefined ? {} : { failure }) });
  }
  return { is: "times", tests };
}

async function timed(test: CollectedTest): Promise<{ ms: number; failure: string | undefined }> {
  const started = performance.now();
  const failure = await runTest(test);
  return { ms: performance.now() - started, failure };
}

async function note(tests: readonly number[]): Promise<Notes> {
  const byTest: [number, Hits][] = [];
  for (const index of tests) {
    tell({ is: "begun", test: index });
    const hits: Hits = switches.notes = {};
    await runTest(testAt(index));
    switches.notes = undefined;
    byTest.push([index, hits]);
  }
  return { is: "notes", byTest, atLoad: Object.keys(reachedAtLoad) };
}

async function judge(mutant: string, tests: readonly PlannedTest[]): Promise<Verdict> {
  const stays = switches.active === mutant;
  let wasReached = stays;
  for (const { index, mostHits } of tests) {
    const test = testAt(index);
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

function testAt(index: number): CollectedTest {
  const test = collected[index];
  if (test === undefined) throw new RangeError(`there is no test ${index}`);
  return test;
}

async function answer(request: Request): Promise<Reply> {
  switch (request.do) {
    case "time":
      return await time(request.longest);
    case "note":
      return await note(request.tests);
    case "judge":
      return await judge(request.mutant, request.tests);
  }
}

/** Makes a failing property test stop at once, without looking for a smaller case, which takes time. */
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
process.on("message", async (request: Request) => tell(await answer(request)));
