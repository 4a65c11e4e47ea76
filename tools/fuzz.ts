/**
 * A long run of the fuzzer: `deno task fuzz [--seed N] [--inputs N]`.
 *
 * @module
 */

import { parseFlags, wholeNumber } from "../cli/flags.ts";
import { corpus } from "../tests/fuzz/corpus.ts";
import { describeReport, fuzz, FuzzFinding, pastFraming } from "../tests/fuzz/fuzz.ts";
import { say } from "./run.ts";

const { text } = parseFlags(Deno.args, {
  seed: { type: "string", value: "N", help: "Which inputs [1]" },
  inputs: { type: "string", value: "N", help: "How many [1000000]" },
});
const seed = wholeNumber("seed", text["seed"] ?? "1", 0, 2 ** 31);
const inputs = wholeNumber("inputs", text["inputs"] ?? "1000000", 1, 2 ** 40);

const seeds = corpus();
const started = performance.now();
try {
  const report = fuzz(seeds, seed, inputs);
  const seconds = (performance.now() - started) / 1000;
  say(describeReport(report));
  const { rss } = Deno.memoryUsage();
  say(
    `${inputs} inputs of ${seeds.captured.length + seeds.own.length} messages in ${seconds.toFixed(0)} s, ` +
      `${(100 * pastFraming(report)).toFixed(0)} % past framing, ${(rss / 2 ** 20).toFixed(0)} MiB resident`,
  );
} catch (error) {
  if (!(error instanceof FuzzFinding)) throw error;
  say(error.message);
  say(error.cause instanceof Error ? error.cause.stack ?? error.cause.message : String(error.cause));
  Deno.exitCode = 1;
}
