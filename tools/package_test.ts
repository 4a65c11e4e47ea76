import { assert, assertEquals, assertFalse } from "@std/assert";
import { globExpression, publishedFiles, readManifest } from "./package.ts";
import { warnings } from "./stage.ts";

Deno.test("globExpression knows files, folders, one star and two", () => {
  assert(globExpression("*.ts").test("mod.ts"));
  assertFalse(globExpression("*.ts").test("comm/comm.ts"));
  assert(globExpression("comm/**/*.ts").test("comm/comm.ts"));
  assert(globExpression("comm/**/*.ts").test("comm/deep/er/comm.ts"));
  assertFalse(globExpression("comm/**/*.ts").test("comm/comm_ts"));
  assert(globExpression("docs").test("docs/wire.md"));
});

Deno.test("publishedFiles holds neither tests nor what only development needs", async () => {
  const files = await publishedFiles(await readManifest());
  assert(files.includes("deno.json"));
  assert(files.includes("mod.ts"));
  const strangers = files.filter((path) =>
    /_(test|bench)\.ts$/.test(path) || /^(testing|tests|tools|links|docs|examples)\//.test(path)
  );
  assertEquals(strangers, []);
});

Deno.test("warnings finds every warning but that of the module that loads tasks", () => {
  const dynamic = (path: string): string =>
    `warning[unanalyzable-dynamic-import]: unable to analyze dynamic import\n --> /x/${path}:7:76\n  | \n\n  info: a\n\n`;
  const slow = `error[missing-explicit-return-type]: missing explicit return type\n --> /x/mod.ts:1:1\n\n`;
  assertEquals(warnings("Check mod.ts\n" + dynamic("worker/executor/load.ts") + "Success"), []);
  assertEquals(warnings(dynamic("mod.ts")).length, 1);
  assertEquals(warnings(dynamic("worker/executor/load.ts") + slow).length, 1);
  assertEquals(warnings("error: Aborting due to uncommitted changes\n"), [
    "error: Aborting due to uncommitted changes",
  ]);
});
