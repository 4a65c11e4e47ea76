/** The guides, followed from their first block to their last, from a registry and an empty cache. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { blocksOf, checkOutput, Reader } from "../../testing/docs/markdown.ts";
import { checkoutPackages, startRegistry } from "../../testing/registry/registry.ts";

const folder = new URL("../../docs/guides/", import.meta.url);
const guides = Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => name.endsWith(".md"))
  .sort();

for (const name of guides) {
  Deno.test(`docs/guides/${name}: every program and command does what it says`, async () => {
    const blocks = blocksOf(await Deno.readTextFile(new URL(name, folder)));
    const cwd = await Deno.makeTempDir({ prefix: "dask-guide-" });
    try {
      await using registry = await startRegistry(await checkoutPackages());
      await using reader = new Reader(cwd, {
        JSR_URL: registry.url,
        DENO_DIR: `${cwd}/cache`,
        DENO_NO_UPDATE_CHECK: "1",
      });
      let followed = 0;
      for (const block of blocks) if (await reader.follow(block)) followed++;
      assert(followed > 0, `${name} has nothing to follow`);
    } finally {
      await Deno.remove(cwd, { recursive: true });
    }
  });
}

Deno.test("guides are all there", () => {
  assertEquals(guides, [
    "configuration.md",
    "debugging.md",
    "from-python.md",
    "functions.md",
    "secure-cluster.md",
    "security-recipes.md",
    "tuning.md",
  ]);
});

Deno.test("checkOutput compares what a program prints with what its comments say", () => {
  const program = `console.log(1 + 1); // 2\nconsole.log("a"); // a…\n`;
  checkOutput("2\nabc\n", program);
  assertThrows(() => checkOutput("3\nabc\n", program), Error, 'printed "3" for "2"');
  assertThrows(() => checkOutput("2\nb\n", program));
  assertThrows(() => checkOutput("2\n", program));
});
