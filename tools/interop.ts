/**
 * Runs tests against Python's `distributed`, in an environment that it creates in the user's cache.
 *
 * Run with `deno task test:interop`; further arguments are passed to `deno test`.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { root } from "./package.ts";
import { run, say } from "./run.ts";
import { closingLine, denoCounts, none, sum } from "./summary.ts";

const folder = new URL("tests/interop/", root);

/**
 * Returns the `python` of an environment with the packages of `requirements.txt`; creates it if necessary.
 */
export async function pythonWithDask(): Promise<string> {
  const requirements = new URL("requirements.txt", folder);
  const base = Deno.env.get("DASK_PYTHON_BASE") ?? "python3";
  const version = await run([base, "--version"], { quiet: true });
  if (version.code !== 0) throw new Error(`"${base}" can't be run, and the tests need Python 3.10 or later`);
  const home = `${cacheFolder()}/dask-distributed/interop-${await digest(requirements, version.output)}`;
  const python = Deno.build.os === "windows" ? `${home}/Scripts/python.exe` : `${home}/bin/python`;
  const ready = await run([python, "-c", "import distributed"], { quiet: true }).catch(() => undefined);
  if (ready?.code === 0) return python;
  say(`making ${home}`);
  await must([base, "-m", "venv", "--clear", home]);
  await must([python, "-m", "pip", "install", "--quiet", "--requirement", fileURLToPath(requirements)]);
  return python;
}

function cacheFolder(): string {
  if (Deno.build.os === "windows") return Deno.env.get("LOCALAPPDATA") ?? ".";
  return Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "."}/.cache`;
}

async function digest(file: URL, more: string): Promise<string> {
  const bytes = new TextEncoder().encode(await Deno.readTextFile(file) + more);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex().slice(0, 12);
}

async function must(command: readonly [string, ...string[]]): Promise<void> {
  const { code } = await run(command);
  if (code !== 0) throw new Error(`"${command.join(" ")}" ended with ${code}`);
}

async function main(args: readonly string[]): Promise<number> {
  let counts = none;
  let code = 1;
  try {
    const python = await pythonWithDask();
    const files = ["peers.ts", "authorization.ts", "config.ts", "makers.ts"].map((name) =>
      new URL(name, folder).href
    );
    const ran = await run([Deno.execPath(), "test", "-A", ...args, ...files], {
      cwd: root,
      env: { DASK_PYTHON: python, NO_COLOR: "1" },
      limit: 5,
    });
    code = ran.code;
    counts = denoCounts(ran.output) ?? none;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
  // A run can fail without a failed test: because of a leak, a module that doesn't load, or if there are no
  // tests.
  if (counts.failed === 0 && (code !== 0 || counts.passed === 0)) {
    counts = sum(counts, { ...none, failed: 1 });
  }
  say("");
  say(closingLine(counts));
  return counts.failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
