import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { runToEnd, TestProcess } from "./processes.ts";

function program(text: string): readonly [string, ...string[]] {
  return [Deno.execPath(), "eval", text];
}

Deno.test("TestProcess.line waits for output of a process that goes on", async () => {
  await using process = new TestProcess({
    command: program(`console.error("port 4711"); setInterval(() => {}, 1000)`),
  });
  const found = await process.line(/port (\d+)/);
  assertEquals(found[1], "4711");
});

Deno.test("TestProcess.line rejects with all output when the process ends before", async () => {
  await using process = new TestProcess({
    command: program(`console.log("seen"); Deno.exit(3)`),
    name: "role",
  });
  const error = await assertRejects(
    () => process.line(/never/),
    Error,
    "role ended without printing /never/",
  );
  assertStringIncludes(error.message, "seen");
  assertEquals((await process.ended).code, 3);
});

Deno.test("TestProcess.line rejects when the deadline passes", async () => {
  await using process = new TestProcess({ command: program(`setInterval(() => {}, 1000)`), name: "role" });
  await assertRejects(() => process.line(/never/, { deadline: 0.05 }), Error, "within 0.05 s");
});

Deno.test("TestProcess ends with its scope, and may be killed twice", async () => {
  let ended: Promise<Deno.CommandStatus>;
  {
    await using process = new TestProcess({ command: program(`setInterval(() => {}, 1000)`) });
    ended = process.ended;
    process.kill("SIGKILL");
    process.kill("SIGKILL");
  }
  assertEquals((await ended).success, false);
});

Deno.test("runToEnd gives code and output", async () => {
  const result = await runToEnd({
    command: program(`console.log("out"); console.error("err"); Deno.exit(7)`),
  });
  assertEquals(result, { code: 7, stdout: "out\n", stderr: "err\n" });
});
