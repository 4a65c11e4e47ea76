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

Deno.test("warnings finds each warning and error, and nothing in a clean dry run", () => {
  const dynamic =
    "warning[unanalyzable-dynamic-import]: unable to analyze\n --> /x/mod.ts:7:76\n\n  info: a\n\n";
  const slow = "error[missing-explicit-return-type]: missing return type\n --> /x/mod.ts:1:1\n\n";
  assertEquals(
    warnings("Check mod.ts\nSimulating publish of @a/b@1.0.0 with files:\nSuccess Dry run complete"),
    [],
  );
  assertEquals(warnings(`Check mod.ts\n${dynamic}${slow}`), [
    "warning[unanalyzable-dynamic-import]: unable to analyze\n --> /x/mod.ts:7:76",
    "error[missing-explicit-return-type]: missing return type\n --> /x/mod.ts:1:1",
  ]);
  assertEquals(warnings("error: Aborting due to uncommitted changes\n"), [
    "error: Aborting due to uncommitted changes",
  ]);
});
