/** The demo as a user runs it: to its end, and interrupted. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { inflateSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { fractal, SEAHORSES } from "../examples/demo/fractal.ts";
import { runToEnd, TestProcess } from "../testing/processes.ts";

const demo = new URL("../examples/demo.ts", import.meta.url).href;
const sources = fileURLToPath(new URL("../examples", import.meta.url));

/** A folder that the demo and its roles take for the system's temporary one. */
class Scratch implements AsyncDisposable {
  readonly path = Deno.makeTempDirSync({ prefix: "dask-demo-test-" });

  get env(): Record<string, string> {
    return { TMPDIR: this.path, TMP: this.path, TEMP: this.path };
  }

  names(): string[] {
    return Array.from(Deno.readDirSync(this.path), ({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

function startDemo(scratch: Scratch, ...args: string[]): TestProcess {
  return new TestProcess({ command: [Deno.execPath(), "run", "-A", demo, ...args], env: scratch.env });
}

/** Command lines of running processes that name `text`; a role's names the folder of its certificates. */
async function processesOf(text: string): Promise<string[]> {
  if (Deno.build.os === "windows") return [];
  const { code, stdout, stderr } = await runToEnd({ command: ["ps", "-A", "-o", "args"] });
  assertEquals(code, 0, stderr);
  return stdout.split("\n").filter((line) => line.includes(text));
}

/** Pixels of a PNG file of RGB rows that are not filtered. */
function pixelsOf(file: Uint8Array): { width: number; height: number; rows: Uint8Array[] } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  assertEquals([view.getUint32(0), view.getUint32(4)], [0x89504e47, 0x0d0a1a0a]);
  const text = (at: number) => new TextDecoder().decode(file.subarray(at, at + 4));
  assertEquals([text(12), view.getUint32(8)], ["IHDR", 13]);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  assertEquals([...file.subarray(24, 29)], [8, 2, 0, 0, 0]);
  assertEquals(text(37), "IDAT");
  const lines = new Uint8Array(inflateSync(file.subarray(41, 41 + view.getUint32(33))));
  assertEquals(text(file.length - 8), "IEND");
  const stride = 3 * width + 1;
  assertEquals(lines.length, height * stride);
  const rows = Array.from(
    { length: height },
    (_, row) => lines.subarray(row * stride + 1, (row + 1) * stride),
  );
  return { width, height, rows };
}

Deno.test("demo ends with 0 after words, a picture, places, links and a refused intruder", async () => {
  await using scratch = new Scratch();
  const out = `${scratch.path}/seahorses.png`;
  await using process = startDemo(scratch, "--out", out, sources);
  const { code } = await process.ended;
  const { stdout, stderr } = process;
  assertEquals(code, 0, stdout + stderr);
  for (const prefix of ["countWords", "mergeStatistics", "fractal", "joinRows"]) {
    assertMatch(stdout, new RegExp(`^${prefix} +█{30} (\\d+)/\\1$`, "m"));
  }
  assertMatch(stdout, /^count demo\.ts +worker-[12]$/m);
  assertMatch(stdout, /^draw rows from 624 +worker-[12]$/m);
  for (const worker of ["worker-1", "worker-2"]) {
    assert(stdout.includes(`${worker}\n`), `${worker} did nothing`);
  }
  assertMatch(stdout, /^client +scheduler +TLSv1\.3 +TLS_/m);
  assertMatch(stdout, /intruder: +(ERR_\w+: |the link was closed)/);
  assertMatch(stdout, /scheduler: .*Refused a connection/);

  const { width, height, rows } = pixelsOf(await Deno.readFile(out));
  assertEquals([width, height], [SEAHORSES.width, SEAHORSES.height]);
  assertEquals(rows[333], fractal(SEAHORSES, 333, 1));
  assertEquals(scratch.names(), ["seahorses.png"]);
  assertEquals(await processesOf(scratch.path), []);
});

// Windows can't send SIGINT to a process.
const ignore = Deno.build.os === "windows";
const MOMENTS: readonly [when: string, line: RegExp][] = [
  ["while it starts", /^Starting a scheduler/m],
  ["when a role runs", /^ {2}scheduler at/m],
  ["when it computes", /^fractal +[█░]+ /m],
];

for (const [when, line] of MOMENTS) {
  Deno.test({
    name: `demo leaves nothing behind if it is interrupted ${when}`,
    ignore,
    fn: async () => {
      await using scratch = new Scratch();
      const root = fileURLToPath(new URL("..", import.meta.url));
      await using process = startDemo(scratch, root);
      await process.line(line, { stream: "stdout", deadline: 60 });
      process.kill("SIGINT");
      const { code } = await process.ended;
      assertEquals(code, 0, process.stderr);
      assertMatch(process.stdout, /Interrupted; everything that was started is gone\n$/);
      assertEquals(scratch.names(), []);
      assertEquals(await processesOf(scratch.path), []);
    },
  });
}

Deno.test("demo refuses a flag that it does not have, and a folder without text", async () => {
  await using scratch = new Scratch();
  const command = [Deno.execPath(), "run", "-A", demo] as const;
  const flag = await runToEnd({ command: [...command, "--output", "x.png"] });
  assertEquals(flag.code, 2);
  assertMatch(flag.stdout, /--output is not a flag of this command; did you mean --out\?/);
  const empty = await runToEnd({ command: [...command, scratch.path] });
  assertEquals(empty.code, 1);
  assertMatch(empty.stdout, /^demo: No text files in /);
});
