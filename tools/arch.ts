/**
 * Checks what no compiler checks: imports go down the table of `docs/architecture.md` only and make no cycle,
 * pure folders name neither Deno nor Node nor a clock, files stay short, and nothing is typed `any`.
 *
 * Run with `deno task arch`.
 *
 * @module
 */

import { findings, type Rules, type SourceFile } from "./arch_rules.ts";
import { say } from "./run.ts";

const root = new URL("../", import.meta.url);

const shells = ["comm", "security", "config", "messages", "protocol", "internal"];
const state = ["messages", "internal"];

/** The table of `docs/architecture.md` as data. */
const rules: Rules = {
  layers: [
    { folder: ".", imports: ["cli", "deploy", "client", "scheduler", "worker", ...shells] },
    { folder: "cli", imports: ["deploy", "scheduler", "worker", ...shells] },
    { folder: "deploy", imports: ["client", "scheduler", "worker", ...shells] },
    { folder: "client", imports: shells.concat("client/state") },
    { folder: "client/state", imports: state, types: ["protocol"], pure: true },
    { folder: "scheduler", imports: shells.concat("scheduler/state") },
    { folder: "scheduler/state", imports: state, types: ["protocol"], pure: true },
    { folder: "worker", imports: shells.concat("worker/state", "worker/executor") },
    { folder: "worker/executor", imports: ["config", "messages", "protocol", "internal"] },
    { folder: "worker/state", imports: state, types: ["protocol"], pure: true },
    { folder: "comm", imports: ["security", "config", "messages", "protocol", "internal"] },
    { folder: "messages", imports: ["internal"], types: ["protocol"], pure: true },
    // A transport hands out byte streams and says what is known of the peer: comm/ owns both words.
    {
      folder: "security/tls",
      imports: ["security", "security/x509", "config", "internal"],
      types: ["comm/byte_stream.ts", "comm/comm.ts"],
    },
    { folder: "security", imports: ["security/x509", "config", "internal"], types: ["comm/comm.ts"] },
    { folder: "security/x509", imports: [] },
    { folder: "protocol", imports: ["internal"], pure: true },
    { folder: "config", imports: ["internal"] },
    { folder: "internal", imports: [] },
  ],
  programs: ["security/create.ts"],
  pureFiles: ["internal/assert.ts", "internal/heap.ts", "internal/units.ts"],
  unpublished: ["testing", "tests", "tools", "links", "examples", "bench", "simulation"],
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
  for (const problem of problems) say(problem);
  say(`${files} files, ${problems.length} findings`);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
