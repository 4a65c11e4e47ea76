/**
 * Checks rules that the compiler does not check: imports follow the table of `docs/architecture.md` downwards
 * and form no cycle; pure folders use neither Deno nor Node nor a clock; files stay short; no type is `any`.
 *
 * Run with `deno task arch`.
 *
 * @module
 */

import { findings, type Rules, type SourceFile } from "./arch_rules.ts";
import { say } from "./run.ts";

const root = new URL("../", import.meta.url);

/** From the bottom up: a folder imports only folders before it. */
const protocol = ["internal"];
const messages = ["protocol", ...protocol];
const config = ["internal"];
const material = ["security/x509"];
const ciphers = ["security/material", ...material];
const security = ["security/ciphers", ...ciphers, "config", "messages", ...messages];
const live = ["security", ...security];
const transport = ["security/live", ...live];
const tls = ["transport", ...transport];
const comm = ["comm/limits", "transport/tls", ...tls];
const rpc = ["comm", ...comm];
const roles = ["rpc", "rpc/fairness", ...rpc];
const deploy = ["client", "deploy/roles", "scheduler", "worker", ...roles];
const cli = ["deploy", ...deploy];
const state = ["messages", ...messages];
const futures = ["client/state", ...roles];
const submit = ["client/functions", "client/futures", ...futures];
const fetching = ["client/submit", ...submit];

/** The table of `docs/architecture.md` as data, from the top down. */
const rules: Rules = {
  layers: [
    { folder: ".", imports: ["cli", "client/fetch", ...fetching, ...cli] },
    { folder: "cli", imports: cli },
    { folder: "deploy", imports: ["client/futures", ...deploy] },
    { folder: "client", imports: ["client/fetch", "deploy/roles", ...fetching] },
    { folder: "deploy/roles", imports: ["client/futures", "scheduler", "worker", ...roles] },
    { folder: "client/fetch", imports: fetching },
    { folder: "client/submit", imports: submit },
    { folder: "client/functions", imports: ["client/state", ...state] },
    { folder: "client/futures", imports: futures },
    { folder: "client/state", imports: state, pure: true },
    { folder: "scheduler", imports: ["scheduler/extensions/functions", "scheduler/state", ...roles] },
    { folder: "scheduler/extensions/functions", imports: ["scheduler/state", ...state], pure: true },
    { folder: "scheduler/state", imports: state, pure: true },
    {
      folder: "worker",
      imports: ["worker/state", "worker/executor/threads", "worker/executor", "worker/memory", ...roles],
    },
    {
      folder: "worker/executor/threads",
      imports: ["worker/executor", "worker/executor/inside", "config", ...state],
    },
    { folder: "worker/executor/inside", imports: state },
    { folder: "worker/executor", imports: state },
    { folder: "worker/memory", imports: state },
    { folder: "worker/state", imports: state, pure: true },
    { folder: "rpc", imports: ["rpc/fairness", ...rpc] },
    { folder: "rpc/fairness", imports: rpc },
    { folder: "comm", imports: comm },
    { folder: "comm/limits", imports: config.concat("config") },
    { folder: "transport/tls", imports: tls },
    { folder: "transport", imports: transport },
    { folder: "security/live", imports: live },
    { folder: "security", imports: security },
    { folder: "security/ciphers", imports: ciphers },
    { folder: "security/material", imports: material },
    { folder: "security/x509", imports: [] },
    { folder: "config", imports: config },
    { folder: "messages", imports: messages, pure: true },
    { folder: "protocol", imports: protocol, pure: true },
    { folder: "internal", imports: [] },
  ],
  pureFiles: ["internal/assert.ts", "internal/heap.ts", "internal/units.ts"],
  unpublished: ["testing", "tests", "tools", "vendor", "examples", "bench"],
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

/** Returns all findings in the checkout. */
export async function checkCheckout(): Promise<{ files: number; problems: string[] }> {
  const files = await sources(root, "");
  return { files: files.length, problems: findings(files, rules) };
}

if (import.meta.main) {
  const { files, problems } = await checkCheckout();
  for (const { folder, imports } of rules.layers) {
    say(`${folder.padEnd(18)} may import ${imports.join(", ") || "nothing"}`);
  }
  for (const problem of problems) say(problem);
  say(`${files} files, ${problems.length} findings`);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
