/**
 * Copies the files that would be published to a folder, and runs a dry run of publishing there. Only one
 * warning is accepted: the dynamic import in the module that loads tasks.
 *
 * Run with `deno task publish:check`; `deno run -A tools/stage.ts --publish` publishes (`docs/releasing.md`).
 *
 * @module
 */

import { fileURLToPath, pathToFileURL } from "node:url";
import { root, stage } from "./package.ts";
import { say } from "./run.ts";

/** Result of a dry run. */
export interface PublishResult {
  /** Files that would be published. */
  readonly files: readonly string[];
  /** Problems that prevent publishing. */
  readonly problems: readonly string[];
  /** Output of the dry run. */
  readonly output: string;
}

/**
 * Runs the dry run, or publishes. For publishing, the real packages of the registry replace the stand-ins.
 */
export async function checkPublish(inEarnest = false): Promise<PublishResult> {
  const folder = await Deno.makeTempDir({ prefix: "dask-stage-" });
  try {
    const base = pathToFileURL(`${folder}/`);
    const files = await stage(base, !inEarnest);
    const { code, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["publish", "--allow-dirty", ...inEarnest ? [] : ["--dry-run"]],
      cwd: new URL("package/", base),
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    const output = decoder.decode(stdout) + decoder.decode(stderr);
    const problems = warnings(output).filter((problem) => !isTaskLoading(problem));
    if (code !== 0) problems.push(`deno publish ended with ${code}`);
    for (const path of ["LICENSE", "README.md", "deno.json"]) {
      if (!files.includes(path)) problems.push(`${path} is missing from what would be published`);
    }
    return { files, problems, output };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Returns the warnings and errors in the output of `deno publish`, without their explanations. */
export function warnings(output: string): string[] {
  const found: string[] = [];
  const start = /^(?=warning\[|error\[|Warning |error: )/m;
  for (const block of output.split(start)) {
    if (block.search(start) === 0) found.push(block.split("\n\n")[0]?.trim() ?? block);
  }
  return found;
}

/** Whether a warning is about the import of `remoteModule`'s tasks, whose URLs come from clients. */
function isTaskLoading(problem: string): boolean {
  return problem.startsWith("warning[unanalyzable-dynamic-import]") &&
    problem.includes("/package/worker/executor/inside/load_function.ts:");
}

if (import.meta.main) {
  const inEarnest = Deno.args.includes("--publish");
  const { files, problems, output } = await checkPublish(inEarnest);
  if (problems.length > 0 || inEarnest) say(output.trimEnd());
  for (const problem of problems) say(problem);
  say(
    `${files.length} files of ${fileURLToPath(root)} ${
      inEarnest ? "were" : "would be"
    } published, ${problems.length} problems`,
  );
  Deno.exit(problems.length === 0 ? 0 : 1);
}
