#!/usr/bin/env -S deno run -A
/**
 * A cluster over mutual TLS on this machine: one scheduler and two workers as processes of their own, with
 * certificates that live as long as they do. Counts the words of a folder, shows where each task ran and what
 * each link looks like, and lets an intruder try.
 *
 * ```sh
 * deno task demo [FOLDER…]
 * ```
 *
 * @module
 */

import { Client, type Future } from "../mod.ts";
import { startCluster } from "./demo/cluster.ts";
import { textFiles } from "./demo/files.ts";
import { intrude } from "./demo/intruder.ts";
import { Progress } from "./demo/progress.ts";
import { type Link, linkRows, placeRows, wordRows } from "./demo/rows.ts";
import { table } from "../cli/table.ts";
import { countWords, mergeStatistics, type WordStatistics } from "./demo/words.ts";

/** Children of a node of the reduction. */
const FAN_IN = 8;

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

async function run(folders: readonly string[], signal: AbortSignal): Promise<void> {
  const files = (await Promise.all(folders.map(textFiles))).flat();
  if (files.length === 0) throw new Error(`No text files in ${folders.join(", ")}`);
  print("Starting a scheduler and two workers, with certificates made for this run …");
  await using cluster = await startCluster(2, signal);
  for (const line of cluster.lines) print(`  ${line}`);
  await using client = await Client.connect(cluster.address, { security: cluster.security, signal });
  await client.waitForWorkers(2, { signal });

  const started = performance.now();
  const leaves = client.map(countWords, files);
  const levels = reduce(client, leaves);
  const futures = [...leaves, ...levels.flat()];
  using progress = new Progress(futures, signal);
  await progress.finished;
  const [root] = levels.at(-1) ?? [];
  if (root === undefined) throw new Error("The reduction has no root");
  const total = await root.result({ signal });
  const seconds = (performance.now() - started) / 1000;

  print(`\n${futures.length} tasks in ${seconds.toFixed(2)} s over ${total.files} files:\n`);
  print(table(["word", "times"], wordRows(total, 12)));
  print(`\n${total.words.toLocaleString("en")} words, ${total.lines.toLocaleString("en")} lines\n`);

  print("Where each task ran:\n");
  const names = await cluster.workerNames(client);
  const whoHas = await client.whoHas(futures, { signal });
  print(table(["task", "worker"], placeRows(files, leaves, levels, whoHas, names)));

  print("\nLinks:\n");
  const links: Link[] = await cluster.links(client);
  print(table(["from", "to", "TLS", "cipher", "peer's certificate"], linkRows(links)));

  print("\nAn intruder without a certificate dials the scheduler:\n");
  const refusal = await intrude(cluster.address, signal);
  print(`  intruder:  ${refusal}`);
  print(`  scheduler: ${await cluster.refusalSeen(signal)}`);
}

const controller = new AbortController();
const onSignal = () => controller.abort(new DOMException("Interrupted", "AbortError"));
const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
for (const name of signals) Deno.addSignalListener(name, onSignal);
try {
  const folders = Deno.args.length > 0 ? Deno.args : [new URL("..", import.meta.url).pathname];
  await run(folders, controller.signal);
} catch (error) {
  if (!controller.signal.aborted) {
    print(`demo: ${error instanceof Error ? error.message : String(error)}`);
    Deno.exitCode = 1;
  } else print("\nInterrupted; everything that was started is gone");
} finally {
  for (const name of signals) Deno.removeSignalListener(name, onSignal);
}
