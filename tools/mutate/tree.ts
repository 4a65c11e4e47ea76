/**
 * A copy of the checkout in which files can be replaced.
 *
 * @module
 */

import { pathToFileURL } from "node:url";
import type { Instrumented, Source } from "./instrument.ts";

/** A copy of a folder. Disposing of it removes it. */
export class Tree implements AsyncDisposable {
  /** Its URL, with a slash at the end. */
  readonly url: URL;

  private constructor(url: URL) {
    this.url = url;
  }

  /** Copies `from`, without hidden files. */
  static async copy(from: URL): Promise<Tree> {
    const tree = new Tree(pathToFileURL(`${await Deno.makeTempDir({ prefix: "distributed-mutate-" })}/`));
    await copyFolder(from, tree.url);
    return tree;
  }

  /** Replaces files. */
  async write(files: readonly Instrumented[]): Promise<void> {
    for (const { path, text } of files) await Deno.writeTextFile(new URL(path, this.url), text);
  }

  /** Removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.url, { recursive: true });
  }
}

async function copyFolder(from: URL, to: URL): Promise<void> {
  for await (const entry of Deno.readDir(from)) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    if (entry.isDirectory) {
      await Deno.mkdir(new URL(`${entry.name}/`, to));
      await copyFolder(new URL(`${entry.name}/`, from), new URL(`${entry.name}/`, to));
    } else if (entry.isFile) await Deno.copyFile(new URL(entry.name, from), new URL(entry.name, to));
  }
}

/** Files that only check or measure other code. */
const NO_SOURCE = /(?:^validate|_bench)\.ts$/;

/** Returns the TypeScript files below a folder of `root`, sorted by path: sources and tests. */
export async function readFolder(root: URL, folder: string): Promise<{ sources: Source[]; tests: string[] }> {
  const sources: Source[] = [];
  const tests: string[] = [];
  const entries = await Array.fromAsync(Deno.readDir(new URL(`${folder}/`, root)));
  for (const { name, isDirectory } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${folder}/${name}`;
    if (isDirectory) {
      const below = await readFolder(root, path);
      sources.push(...below.sources);
      tests.push(...below.tests);
    } else if (name.endsWith("_test.ts")) tests.push(path);
    else if (name.endsWith(".ts") && !NO_SOURCE.test(name)) {
      sources.push({ path, text: await Deno.readTextFile(new URL(path, root)) });
    }
  }
  return { sources, tests };
}
