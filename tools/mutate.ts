/**
 * Checks that tests can fail: makes small changes to the code, one at a time, which the tests of its folder
 * have to notice.
 *
 * `deno task mutate [--count N | --all] [--seed N] [--folder FOLDER] [--least PERCENT] [--jobs N]
 * [--longest MS]`
 *
 * @module
 */

import { parseFlags, wholeNumber } from "../cli/flags.ts";
import { runCampaign } from "./mutate/campaign.ts";
import { score, survivors, table } from "./mutate/report.ts";
import { root } from "./package.ts";
import { say } from "./run.ts";

/** State machines, and code that reads bytes and messages of peers. */
const FOLDERS = ["protocol", "messages", "security/x509", "scheduler/state", "worker/state", "client/state"];

const { text, on } = parseFlags(Deno.args, {
  count: { type: "string", value: "N", help: "Number of mutants [1000]" },
  all: { type: "boolean", help: "Every mutant" },
  seed: { type: "string", value: "N", help: "Which mutants [1]" },
  folder: { type: "string", value: "FOLDER", help: "Only those of this folder" },
  least: { type: "string", value: "PERCENT", help: "Fail below this score [85]" },
  jobs: { type: "string", value: "N", help: "Number of processes that run tests [2]" },
  longest: { type: "string", value: "MS", help: "Tests that take longer do not judge [5000]" },
});
const least = wholeNumber("least", text["least"] ?? "85", 0, 100);
const folders = text["folder"] === undefined ? FOLDERS : [text["folder"]];
const judged = await runCampaign({
  root,
  folders,
  count: on["all"] === true ? Infinity : wholeNumber("count", text["count"] ?? "1000", 1, 2 ** 31),
  seed: wholeNumber("seed", text["seed"] ?? "1", 0, 2 ** 31),
  jobs: wholeNumber("jobs", text["jobs"] ?? "2", 1, 64),
  longest: wholeNumber("longest", text["longest"] ?? "5000", 1, 2 ** 31),
  log: say,
});
const left = survivors(judged);
say(
  `\n${left.length} that no test notices:\n${left.join("\n")}\n\n${table(judged, folders)}`,
);
if (100 * score(judged) < least) Deno.exitCode = 1;
