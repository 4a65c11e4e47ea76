import { assertEquals } from "@std/assert";
import { findings, type Rules } from "./arch_rules.ts";

const rules: Rules = {
  layers: [
    { folder: ".", imports: ["top", "low"] },
    { folder: "top", imports: ["low", "top/state"] },
    { folder: "top/state", imports: ["low"], pure: true },
    { folder: "low", imports: [] },
  ],
  pureFiles: [],
  unpublished: ["testing"],
  mostLines: 5,
};

function check(files: Record<string, string>): string[] {
  return findings(Object.entries(files).map(([path, text]) => ({ path, text })), rules);
}

Deno.test("findings accepts imports down the table", () => {
  assertEquals(
    check({
      "mod.ts": `export { a } from "./top/a.ts";`,
      "top/a.ts": `import { b } from "../low/b.ts"; import { c } from "acorn"; export const a = [b, c];`,
      "low/b.ts": `export const b = 1;`,
    }),
    [],
  );
});

Deno.test("findings names an import against the direction", () => {
  assertEquals(
    check({
      "low/b.ts": `import { a } from "../top/a.ts"; export const b = a;`,
      "top/a.ts": `export const a = 1;`,
    }),
    ["low/b.ts:1: low may not import top/a.ts"],
  );
});

Deno.test("findings sees dynamic imports and re-exports as imports", () => {
  assertEquals(
    check({ "low/b.ts": `export * from "../top/a.ts";\nawait import("../top/c.ts");` }),
    ["low/b.ts:1: low may not import top/a.ts", "low/b.ts:2: low may not import top/c.ts"],
  );
});

Deno.test("findings counts imports of types as imports of values", () => {
  for (const text of ["import type { A }", "import { type A }", "export type { A }"]) {
    assertEquals(check({ "low/b.ts": `${text} from "../top/a.ts";` }), [
      "low/b.ts:1: low may not import top/a.ts",
    ]);
  }
});

Deno.test("findings names folders that import each other, by types alone too", () => {
  assertEquals(
    check({
      "low/b.ts": `import type { C } from "./deep/c.ts"; export type B = C;`,
      "low/deep/c.ts": `export type C = number;`,
      "low/deep/d.ts": `import type { B } from "../b.ts"; export type D = B;`,
    }),
    ["low:1: imports itself: low -> low/deep -> low"],
  );
});

Deno.test("findings refuses unpublished folders in published files, and not in tests", () => {
  const text = `import { t } from "../testing/t.ts"; export const b = t;`;
  assertEquals(check({ "low/b.ts": text }), ["low/b.ts:1: imports testing/t.ts, which is not published"]);
  assertEquals(check({ "low/b_test.ts": text }), []);
});

Deno.test("findings names what a pure folder may not name", () => {
  assertEquals(
    check({
      "top/state/s.ts":
        `import "node:fs";\nexport const t = Date.now() + Math.random();\nexport const m = Math.min;` +
        `\nsetTimeout(() => Deno.exit(), 1);`,
    }),
    [
      "top/state/s.ts:1: pure, but imports node:fs",
      "top/state/s.ts:2: pure, but names Date.now",
      "top/state/s.ts:2: pure, but names Math.random",
      "top/state/s.ts:4: pure, but names setTimeout",
      "top/state/s.ts:4: pure, but names Deno",
    ],
  );
});

Deno.test("findings takes comments, texts and properties for what they are", () => {
  assertEquals(
    check({
      "top/state/s.ts":
        `// Deno, any\nexport const s = "setTimeout";\nexport interface P { process: number; crypto(): void }` +
        `\nexport const f = (p: P) => p.process;`,
    }),
    [],
  );
});

Deno.test("findings tells a cycle once, and none through types", () => {
  const a = `import { b } from "./b.ts"; export const a = b;`;
  assertEquals(check({ "low/a.ts": a, "low/b.ts": `import { a } from "./a.ts"; export const b = a;` }), [
    "low/a.ts:1: imports itself: low/a.ts -> low/b.ts -> low/a.ts",
  ]);
  assertEquals(
    check({ "low/a.ts": a, "low/b.ts": `import type { A } from "./a.ts"; export const b: A = 1;` }),
    [],
  );
});

Deno.test("findings refuses any, long files and unknown folders", () => {
  assertEquals(check({ "low/a.ts": `export const a: any = 1;` }), ["low/a.ts:1: typed any"]);
  assertEquals(check({ "low/a.ts": "\n".repeat(6) }), ["low/a.ts:6: longer than 5 lines"]);
  assertEquals(check({ "new/a.ts": "" }), ["new/a.ts:1: in no layer; add its folder to tools/arch.ts"]);
});
