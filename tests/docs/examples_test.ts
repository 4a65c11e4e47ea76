/**
 * The examples of the public API, as `deno doc` shows them: every exported class and function has one, and
 * each runs and prints what it says.
 */

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { blocksOf, checkOutput } from "../../testing/docs/markdown.ts";
import { runToEnd } from "../../testing/processes.ts";
import { readManifest, root } from "../../tools/package.ts";

/** The parts of `deno doc --json` that are read. */
interface Documentation {
  readonly nodes: Readonly<
    Record<string, {
      readonly module_doc?: { readonly doc?: string };
      readonly symbols: readonly {
        readonly name: string;
        readonly declarations: readonly {
          readonly kind: string;
          readonly jsDoc?: { readonly doc?: string };
        }[];
      }[];
    }>
  >;
}

/** What has no example although it is a class or a function, and why. */
const WITHOUT: Readonly<Record<string, string>> = {};

const { exports } = await readManifest();
const examples = new Map<string, string>();
const missing = new Set<string>();

for (const entry of Object.values(exports)) {
  const { code, stdout } = await runToEnd({
    command: [Deno.execPath(), "doc", "--json", fileURLToPath(new URL(entry, root))],
  });
  assertEquals(code, 0);
  const { nodes } = JSON.parse(stdout) as Documentation;
  for (const { module_doc: moduleDoc, symbols } of Object.values(nodes)) {
    collect(entry, moduleDoc?.doc);
    for (const { name, declarations } of symbols) {
      let found = false;
      for (const { jsDoc } of declarations) if (collect(name, jsDoc?.doc)) found = true;
      const mustHave = declarations.some(({ kind }) =>
        kind === "class" || kind === "function" || kind === "variable"
      );
      if (mustHave && !found && !(name in WITHOUT)) missing.add(name);
    }
  }
}

/** Notes the examples of a documentation. Returns whether there is one. */
function collect(name: string, doc = ""): boolean {
  const blocks = blocksOf(doc).filter(({ language }) => language === "ts");
  for (const { text } of blocks) examples.set(text, name);
  return blocks.length > 0;
}

Deno.test("every exported class, function and value has an example", () => {
  assertEquals([...missing], []);
  assert(examples.size >= 28, `${examples.size} examples`);
});

for (const [program, name] of examples) {
  Deno.test(`the example of ${name} prints what it says`, async () => {
    // Beside deno.json, so that the package's own name is this checkout.
    const file = await Deno.makeTempFile({ dir: fileURLToPath(root), prefix: ".example-", suffix: ".ts" });
    try {
      await Deno.writeTextFile(file, program);
      const { code, stdout, stderr } = await runToEnd({
        command: [Deno.execPath(), "run", "--no-check", "--no-prompt", "--allow-net", "--allow-read", file],
      });
      assertEquals(code, 0, `${program}\n${stderr.slice(-2000)}`);
      checkOutput(stdout, program, stderr.slice(-2000));
    } finally {
      await Deno.remove(file);
    }
  });
}
