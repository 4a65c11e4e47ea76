/**
 * The part of the fuzzer that runs in one process, as a program: `offline.ts SEED INPUTS`. Its output is a
 * {@linkcode FuzzReport}, or what was found; then it ends with 1.
 *
 * @module
 */

import { corpus } from "./corpus.ts";
import { fuzz, FuzzFinding } from "./fuzz.ts";

const [seed = "", inputs = ""] = Deno.args;
const seeds = corpus();
let output: string;
try {
  const report = fuzz(seeds, Number(seed), Number(inputs));
  const { rss } = Deno.memoryUsage();
  output = JSON.stringify({ ...report, messages: seeds.captured.length + seeds.own.length, rss });
} catch (error) {
  if (!(error instanceof FuzzFinding)) throw error;
  const { cause } = error;
  output = `${error.message}\n${cause instanceof Error ? cause.stack ?? cause.message : String(cause)}`;
  Deno.exitCode = 1;
}
Deno.stdout.writeSync(new TextEncoder().encode(`${output}\n`));
