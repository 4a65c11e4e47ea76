import { assertEquals } from "@std/assert";

Deno.test("Futures that a program forgets are released, and their results freed; one that it keeps stays", async () => {
  const script = new URL("../../testing/fixtures/forgotten.ts", import.meta.url);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", "--v8-flags=--expose-gc", script.href],
    signal: AbortSignal.timeout(60_000),
  }).output();
  assertEquals(success, true, new TextDecoder().decode(stderr));
  const { before, after, kept, status } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([before, after, status], [52, [kept], "finished"]);
});
