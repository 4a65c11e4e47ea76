import { assert, assertEquals } from "@std/assert";
import { runToEnd } from "../../testing/processes.ts";

Deno.test("In-memory keys are in no log at debug level, no error, no answer, no inspection, and not in a task's thread", async () => {
  const { code, stdout, stderr } = await runToEnd({
    command: [
      Deno.execPath(),
      "run",
      "--no-prompt",
      "--allow-net",
      "--allow-read",
      new URL("secrets_program.ts", import.meta.url).href,
    ],
  });
  assertEquals(code, 0, stderr);
  const [first = "", ...rest] = stdout.split("\n");
  const shown = rest.join("\n") + stderr;
  assert(stderr.includes("DEBUG") || stderr.includes("INFO"), "nothing was logged");
  const keys = JSON.parse(first) as string[];
  assertEquals(keys.length, 3);
  for (const key of keys) {
    const lines = key.split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
    assert(lines.length >= 2);
    for (const line of lines) assert(!shown.includes(line), "a line of a private key was shown");
  }
  assert(!shown.includes("BEGIN PRIVATE KEY") && !shown.includes("BEGIN EC PRIVATE KEY"));
});
