import { assert, assertEquals } from "@std/assert";
import { runToEnd } from "../../testing/processes.ts";

const PARTS = [
  "links",
  "handshake, framing",
  "protocol",
  "messages",
  "dispatch",
  "scheduler's handlers",
  "scheduler's state",
  "worker's handlers",
  "worker's state",
  "client's state",
];
/** Per cent of the lines of each part that even a short run must reach. */
const LEAST = 40;

Deno.test("deno task fuzz: live roles bear damaged input, serve an honest client, and the code behind is reached", async () => {
  const { code, stdout, stderr } = await runToEnd({
    command: [
      Deno.execPath(),
      ...["run", "-A", new URL("../../tools/fuzz.ts", import.meta.url).href],
      ...["--seed", "11", "--inputs", "20000", "--live", "1200"],
    ],
  });
  Deno.stdout.writeSync(new TextEncoder().encode(`${stdout}\n`));
  assertEquals(code, 0, stderr);
  const [, inputs = "", framed = ""] = /^(\d+) inputs in all, (\d+) % past framing$/m.exec(stdout) ?? [];
  assert(Number(inputs) >= 21_200 && Number(framed) >= 30, stdout);
  const attacks = stdout.match(/^t(cp|ls) (scheduler|worker) .* [1-9]\d* honest tasks meanwhile$/gm) ?? [];
  assertEquals(attacks.length, 4, stdout);
  for (const part of PARTS) {
    const [, percent = ""] = new RegExp(`^${part} +\\d+ of \\d+, (\\d+) %`, "m").exec(stdout) ?? [];
    assert(Number(percent) >= LEAST, `${part}: ${percent} % of the lines`);
  }
});
