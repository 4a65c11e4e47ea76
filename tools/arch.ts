/**
 * Checks what no compiler checks: imports go down the table of `docs/architecture.md` only and make no cycle,
 * pure folders name neither Deno nor Node nor a clock, files stay short, and nothing is typed `any`.
 *
 * Run with `deno task arch`.
 *
 * @module
 */

import { findings, type Rules, type SourceFile } from "./arch_rules.ts";

const root = new URL("../", import.meta.url);

/** Layers from the top down: a folder may import from its own row's folder and from rows below. */
const rules: Rules = {
  layers: [
    ["."],
    ["cli"],
    ["deploy"],
    ["client"],
    ["scheduler", "worker"],
    ["comm"],
    ["security"],
    ["config"],
    ["protocol"],
    ["messages"],
    ["internal"],
  ],
  /** What a folder gets from above its layer, each with its reason. Types vanish when compiled. */
  allowed: [
    { from: "security", to: "comm/byte_stream.ts", typesOnly: false, why: "the seam between the two" },
    { from: "security", to: "comm/comm.ts", typesOnly: true, why: "what a peer's certificate tells" },
    { from: "security", to: "comm/errors.ts", typesOnly: false, why: "one family of errors" },
    { from: "messages", to: "protocol", typesOnly: true, why: "a message may hold a Serialized" },
  ],
  pure: [
    "protocol",
    "messages",
    "scheduler/state",
    "worker/state",
    "client/state",
    "internal/assert.ts",
    "internal/heap.ts",
  ],
  private: ["testing", "tests", "tools", "links", "examples", "benches"],
  mostLines: 600,
};

async function sources(folder: URL, prefix: string): Promise<SourceFile[]> {
  const found: SourceFile[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory) found.push(...await sources(new URL(`${entry.name}/`, folder), `${path}/`));
    else if (entry.name.endsWith(".ts")) {
      found.push({ path, text: await Deno.readTextFile(new URL(entry.name, folder)) });
    }
  }
  return found;
}

/** Every finding in the checkout. */
export async function checkCheckout(): Promise<{ files: number; problems: string[] }> {
  const files = await sources(root, "");
  return { files: files.length, problems: findings(files, rules) };
}

if (import.meta.main) {
  const { files, problems } = await checkCheckout();
  // deno-lint-ignore no-console
  for (const problem of problems) console.error(problem);
  // deno-lint-ignore no-console
  console.log(`${files} files, ${problems.length} findings`);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
