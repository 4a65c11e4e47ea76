/**
 * Copies of revisions of this package, to run them side by side.
 *
 * @module
 */

import { type Ran, run } from "../tools/run.ts";

/** Programs that use only the public API. They replace the ones of each revision. */
const DRIVERS = ["workload_client.ts", "workloads.ts"] as const;

/** A copy of a revision. */
export interface Revision {
  /** Title, for people. */
  readonly title: string;
  /** Its folder, with a slash at the end. */
  readonly root: URL;
  /** Its files with benchmarks, relative to `root`. */
  readonly benchmarks: readonly string[];
}

/**
 * Copies `revision` of the checkout `repository` to `folder`. Without `revision`, copies the working tree,
 * including uncommitted files, without ignored ones. The checkout and its index are not changed.
 */
export async function copyRevision(
  repository: URL,
  folder: URL,
  revision: string | undefined,
): Promise<Revision> {
  const index = await Deno.makeTempDir();
  try {
    const git = async (...args: string[]): Promise<string> => {
      const env = { GIT_INDEX_FILE: `${index}/index` };
      return succeeded(
        await run(["git", ...args], { cwd: repository, env, quiet: true }),
        `git ${args.join(" ")}`,
      );
    };
    const title = revision === undefined
      ? "the working tree"
      : await git("log", "-1", "--format=%h (%s)", "--end-of-options", revision, "--");
    await (revision === undefined ? git("add", "--all") : git("read-tree", `${revision}^{commit}`));
    await git("checkout-index", "--all", `--prefix=${folder.pathname}`);
    const files = (await git("ls-files")).split("\n");
    return { title, root: folder, benchmarks: files.filter((file) => file.endsWith("_bench.ts")) };
  } finally {
    await Deno.remove(index, { recursive: true });
  }
}

/** Adds the programs to a copy, and compiles all code, so that no round has to. */
export async function prepare({ root, benchmarks }: Revision): Promise<void> {
  await Deno.mkdir(new URL("bench/", root), { recursive: true });
  for (const name of DRIVERS) {
    await Deno.copyFile(new URL(name, import.meta.url), new URL(`bench/${name}`, root));
  }
  const programs = ["scheduler.ts", "worker.ts", "bench/workload_client.ts", ...benchmarks];
  succeeded(
    await run([Deno.execPath(), "cache", "--quiet", ...programs], { cwd: root, quiet: true }),
    `deno cache in ${root.pathname}`,
  );
}

function succeeded({ code, output }: Ran, what: string): string {
  if (code !== 0) throw new Error(`"${what}" failed:\n${output}`);
  return output.trim();
}
