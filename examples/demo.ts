#!/usr/bin/env -S deno run -A
/**
 * A cluster over mutual TLS on this machine: one scheduler and two workers as processes of their own, with
 * certificates that live as long as they do. Counts the words of a folder, draws a fractal, shows where each
 * task ran and what each link looks like, and lets an intruder try.
 *
 * ```sh
 * deno task demo [--out PICTURE.png] [FOLDER…]
 * ```
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { parseFlags, UsageError } from "../cli/flags.ts";
import { table } from "../cli/table.ts";
import { Client, type Future } from "../mod.ts";
import { startCluster } from "./demo/cluster.ts";
import { textFiles } from "./demo/files.ts";
import { fractal, joinRows, SEAHORSES } from "./demo/fractal.ts";
import { intrude } from "./demo/intruder.ts";
import { encodePng } from "./demo/png.ts";
import { Progress } from "./demo/progress.ts";
import { type Link, linkRows, placeRows, wordRows } from "./demo/rows.ts";
import { countWords, mergeStatistics, type WordStatistics } from "./demo/words.ts";

/** Children of a node of the reduction. */
const FAN_IN = 8;
/** Rows of the picture per task. */
const BAND = 16;

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** A tree of sums; returns its levels, the last holds the root alone. */
function reduce(client: Client, leaves: Future<WordStatistics>[]): Future<WordStatistics>[][] {
  const levels: Future<WordStatistics>[][] = [];
  let level = leaves;
  while (level.length > 1 || levels.length === 0) {
    const groups: Future<WordStatistics>[][] = [];
    for (let i = 0; i < level.length; i += FAN_IN) groups.push(level.slice(i, i + FAN_IN));
    level = client.map(mergeStatistics, groups);
    levels.push(level);
  }
  return levels;
}

/** What the demo computes. */
interface Job {
  readonly files: readonly string[];
  readonly leaves: Future<WordStatistics>[];
  readonly levels: Future<WordStatistics>[][];
  readonly bands: Future<Uint8Array>[];
  readonly picture: Future<Uint8Array>;
}

function submit(client: Client, files: readonly string[]): Job {
  const leaves = client.map(countWords, files);
  const tops = Array.from({ length: SEAHORSES.height / BAND }, (_, i) => i * BAND);
  const bands = client.map(fractal, tops.map(() => SEAHORSES), tops, tops.map(() => BAND));
  const picture = client.submit(joinRows, bands);
  return { files, leaves, levels: reduce(client, leaves), bands, picture };
}

async function compute(
  client: Client,
  job: Job,
  out: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { leaves, levels, bands, picture } = job;
  const started = performance.now();
  const futures = [...leaves, ...levels.flat(), ...bands, picture];
  using progress = new Progress(futures, signal);
  await progress.finished;
  const [root] = levels.at(-1) ?? [];
  if (root === undefined) throw new Error("The reduction has no root");
  const [total, pixels] = await client.gather([root, picture] as const, { signal });
  const seconds = (performance.now() - started) / 1000;

  print(`\n${futures.length} tasks in ${seconds.toFixed(2)} s over ${total.files} files:\n`);
  print(table(["word", "times"], wordRows(total, 12)));
  print(`\n${total.words.toLocaleString("en")} words, ${total.lines.toLocaleString("en")} lines\n`);
  const { width, height } = SEAHORSES;
  const path = out ?? await Deno.makeTempFile({ prefix: "distributed-fractal-", suffix: ".png" });
  await Deno.writeFile(path, encodePng(pixels, width, height));
  print(`${width} x ${height} pixels of the Mandelbrot set: ${path}\n`);
}

async function run(
  folders: readonly string[],
  out: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const files = (await Promise.all(folders.map(textFiles))).flat();
  if (files.length === 0) throw new Error(`No text files in ${folders.join(", ")}`);
  print("Starting a scheduler and two workers, with certificates made for this run …");
  await using cluster = await startCluster(2, signal);
  for (const line of cluster.lines) print(`  ${line}`);
  await using client = await Client.connect(cluster.address, { security: cluster.security, signal });
  await client.waitForWorkers(2, { signal });
  const job = submit(client, files);
  await compute(client, job, out, signal);

  print("Where each task ran:\n");
  const names = await cluster.workerNames(client);
  const futures = [...job.leaves, ...job.levels.flat(), ...job.bands, job.picture];
  const whoHas = await client.whoHas(futures, { signal });
  print(table(["task", "worker"], placeRows(job, BAND, whoHas, names)));

  print("\nLinks:\n");
  const links: Link[] = await cluster.links(client);
  print(table(["from", "to", "TLS", "cipher", "peer's certificate"], linkRows(links)));

  print("\nAn intruder without a certificate dials the scheduler:\n");
  const refusal = await intrude(cluster.address, signal);
  print(`  intruder:  ${refusal}`);
  print(`  scheduler: ${await cluster.refusalSeen(signal)}`);
}

async function main(signal: AbortSignal): Promise<void> {
  const { text, positional } = parseFlags(Deno.args, {
    out: { type: "string", value: "FILE", help: "Where the picture goes [a temporary file]" },
  });
  const folders = positional.length > 0 ? positional : [fileURLToPath(new URL("..", import.meta.url))];
  await run(folders, text["out"], signal);
}

const controller = new AbortController();
const onSignal = () => controller.abort(new DOMException("Interrupted", "AbortError"));
const signals: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];
for (const name of signals) Deno.addSignalListener(name, onSignal);
try {
  await main(controller.signal);
} catch (error) {
  if (!controller.signal.aborted) {
    print(`demo: ${error instanceof Error ? error.message : String(error)}`);
    Deno.exitCode = error instanceof UsageError ? 2 : 1;
  } else print("\nInterrupted; everything that was started is gone");
} finally {
  for (const name of signals) Deno.removeSignalListener(name, onSignal);
}
