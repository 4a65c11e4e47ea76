// What an operation is called, and what holds for it, is in the tables of messages/: links and servers are
// the same for all of them.
import { assertEquals } from "@std/assert";
import ts from "typescript";
import { CLIENT_REPORTS, CLIENT_STREAM } from "../messages/client_scheduler.ts";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../messages/worker_operations.ts";
import { WORKER_COMMANDS, WORKER_STREAM } from "../messages/worker_scheduler.ts";

const NAMES: ReadonlySet<string> = new Set(
  [SCHEDULER_OPERATIONS, WORKER_OPERATIONS, CLIENT_STREAM, CLIENT_REPORTS, WORKER_STREAM, WORKER_COMMANDS]
    .flatMap((table) => Object.keys(table)),
);

/** Texts in the code of a file, those of types left out. */
function textsIn(path: string, source: string): string[] {
  const found: string[] = [];
  const walk = (node: ts.Node): void => {
    if (ts.isTypeNode(node)) return;
    if (ts.isStringLiteralLike(node)) found.push(node.text);
    ts.forEachChild(node, walk);
  };
  walk(ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true));
  return found;
}

function namesIn(path: string, source: string): string[] {
  return textsIn(path, source).filter((text) => NAMES.has(text)).map((text) => `${path}: "${text}"`);
}

async function filesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...await filesIn(`${folder}/${name}`));
    else if (name.endsWith(".ts") && !/_(test|bench)\.ts$/.test(name)) found.push(`${folder}/${name}`);
  }
  return found;
}

Deno.test("Neither comm/ nor rpc/ names an operation", async () => {
  const root = new URL("..", import.meta.url).pathname;
  const files = [...await filesIn(`${root}comm`), ...await filesIn(`${root}rpc`)];
  const found = await Promise.all(files.map(async (path) => namesIn(path, await Deno.readTextFile(path))));
  assertEquals(found.flat(), []);
});

Deno.test("Names of operations are found in code, and not in types and comments", () => {
  const source = `// "get_data"
    type Some = Pick<Limits, "links">;
    if (op === "get_data" || op === \`terminate\`) serve({ op: "other" }, message["close-stream"]);`;
  assertEquals(namesIn("a.ts", source), ['a.ts: "get_data"', 'a.ts: "terminate"', 'a.ts: "close-stream"']);
});
