import { assertEquals, assertMatch } from "@std/assert";
import { rolePermissions, runToEnd } from "../processes.ts";
import { packageOf, rewriteSpecifiers, startRegistry } from "./registry.ts";

Deno.test("rewriteSpecifiers puts in what bare specifiers stand for, and nothing else", () => {
  const imports = { "@std/cli": "jsr:@std/cli@^1", "acorn": "npm:acorn@8.19.0", "acorn-walk": "npm:w@1" };
  const text = [
    `import { parse } from "acorn"; // from "acorn"`,
    `import { walk } from 'acorn-walk';`,
    `export * from "@std/cli/parse-args";`,
    `export type T = import("acorn").Node;`,
    `import "./acorn.ts";`,
    `const text = 'from "acorn"', later = () => import("acorn");`,
  ].join("\n");
  assertEquals(
    rewriteSpecifiers(text, imports),
    [
      `import { parse } from "npm:acorn@8.19.0"; // from "acorn"`,
      `import { walk } from "npm:w@1";`,
      `export * from "jsr:@std/cli@^1/parse-args";`,
      `export type T = import("npm:acorn@8.19.0").Node;`,
      `import "./acorn.ts";`,
      `const text = 'from "acorn"', later = () => import("npm:acorn@8.19.0");`,
    ].join("\n"),
  );
});

Deno.test("startRegistry serves jsr: packages to an empty cache, dependencies and JSON included", async () => {
  const folder = await Deno.makeTempDir({ prefix: "dask-registry-" });
  try {
    const base = new URL(`file://${folder}/`);
    await Deno.writeTextFile(new URL("deno.json", base), `{ "version": "2.3.4" }`);
    await Deno.writeTextFile(
      new URL("mod.ts", base),
      `import config from "./deno.json" with { type: "json" };\nimport { twice } from "lib/twice";\n` +
        `export const answer: string = config.version + twice(21);\n` +
        `if (import.meta.main) console.error("main", answer, Deno.args[0]);`,
    );
    await Deno.writeTextFile(new URL("twice.ts", base), `export const twice = (x: number): number => 2 * x;`);
    const app = await packageOf(base, {
      name: "@toy/app",
      version: "2.3.4",
      exports: { ".": "./mod.ts", "./main": "./mod.ts" },
      imports: { lib: "jsr:@toy/lib@^1" },
    }, ["deno.json", "mod.ts"]);
    const lib = await packageOf(base, {
      name: "@toy/lib",
      version: "1.0.1",
      exports: { "./twice": "./twice.ts" },
      imports: {},
    }, ["twice.ts"]);
    await using registry = await startRegistry([app, lib]);
    const { code, stderr } = await runToEnd({
      command: [Deno.execPath(), "run", ...rolePermissions, "jsr:@toy/app/main", "argument"],
      cwd: folder,
      env: { JSR_URL: registry.url, DENO_DIR: `${folder}/cache`, DENO_NO_UPDATE_CHECK: "1" },
    });
    assertMatch(stderr, /main 2\.3\.442 argument/);
    assertEquals(code, 0, stderr);
    assertEquals(registry.requests.includes("/@toy/lib/1.0.1/twice.ts"), true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
