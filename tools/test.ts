/**
 * All checks of a change: format, lint, types (also of the README's programs), documentation of the public
 * API, layers, published files, and the tests.
 *
 * Run with `deno task test`. Arguments choose steps: `deno task test lint types`.
 *
 * @module
 */

import { checkCheckout } from "./arch.ts";
import { publishedFiles, readManifest, root } from "./package.ts";
import { run, say } from "./run.ts";
import { checkPublish } from "./stage.ts";
import { closingLine, type Counts, denoCounts, none, sum } from "./summary.ts";

/** A step by name; it returns what it counted. */
type Step = readonly [name: string, run: () => Promise<Counts>];

const held: Counts = { ...none, passed: 1 };
const broke: Counts = { ...none, failed: 1 };

/** Returns a step that runs one command of deno, and passes if it ends with 0. */
function command(name: string, ...args: readonly string[]): Step {
  return [name, async () => {
    const { code, output } = await run([Deno.execPath(), ...args], { cwd: root, quiet: true });
    if (code !== 0) say(output.trimEnd());
    return code === 0 ? held : broke;
  }];
}

function found(problems: readonly string[]): Counts {
  for (const problem of problems) say(problem);
  return problems.length === 0 ? held : broke;
}

async function documentation(): Promise<Counts> {
  const { exports } = await readManifest();
  const [, lint] = command("docs", "doc", "--lint", ...Object.values(exports));
  return await lint();
}

/** Checks the types of the guides' programs. A test runs them. */
async function guides(): Promise<Counts> {
  const files = Array.from(
    Deno.readDirSync(new URL("docs/guides/", root)),
    ({ name }) => `docs/guides/${name}`,
  );
  const [, check] = command("guides", "check", "--doc-only", ...files.sort());
  return await check();
}

/** Checks the types of the examples in the code. A test runs those of the public API. */
async function examples(): Promise<Counts> {
  const files = (await publishedFiles(await readManifest())).filter((path) => path.endsWith(".ts"));
  const [, check] = command("examples", "check", "--doc-only", ...files);
  return await check();
}

async function publish(): Promise<Counts> {
  const { problems, output } = await checkPublish();
  if (problems.length > 0) say(output.trimEnd());
  return found(problems);
}

async function tests(): Promise<Counts> {
  const { code, output } = await run([Deno.execPath(), "test", "-A"], {
    cwd: root,
    env: { NO_COLOR: "1" },
    limit: 45, // for what hangs: a busy machine takes three times as long as an idle one
  });
  const counts = denoCounts(output) ?? none;
  if (counts.passed + counts.failed === 0) {
    say("no test ran");
    return broke;
  }
  // A run can fail without a failed test, because of a leak or a module that doesn't load.
  return code !== 0 && counts.failed === 0 ? sum(counts, broke) : counts;
}

const steps: readonly Step[] = [
  command("format", "fmt", "--check"),
  command("lint", "lint"),
  command("types", "check"),
  command("readme", "check", "--doc-only", "README.md"),
  ["guides", guides],
  ["examples", examples],
  ["docs", documentation],
  ["layers", async () => found((await checkCheckout()).problems)],
  ["publish", publish],
  ["tests", tests],
];

async function main(wanted: readonly string[]): Promise<number> {
  const unknown = wanted.filter((name) => !steps.some(([step]) => step === name));
  if (unknown.length > 0) {
    say(`no such step: ${unknown.join(", ")}; there are ${steps.map(([name]) => name).join(", ")}`);
    return 2;
  }
  let total = none;
  for (const [name, step] of steps) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    say(`== ${name}`);
    const started = performance.now();
    const counts = await step();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    say(`== ${name}: ${counts.failed === 0 ? "ok" : "FAILED"}, ${seconds} s`);
    total = sum(total, counts);
  }
  say("");
  say(closingLine(total));
  return total.failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
