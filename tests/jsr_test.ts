/**
 * The README's commands, from a registry and an empty cache, under the permissions that they name.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runToEnd, TestProcess } from "../testing/processes.ts";
import { checkoutPackages, startRegistry } from "../testing/registry/registry.ts";

const readme = await Deno.readTextFile(new URL("../README.md", import.meta.url));
const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({
  language,
  text: text ?? "",
}));

/** The only block that begins like this. */
function block(language: string, start: string): string {
  const found = blocks.filter((one) => one.language === language && one.text.startsWith(start));
  assertEquals(found.length, 1, `blocks of README.md that begin with "${start}"`);
  return found[0]?.text ?? "";
}

/** Words of a command of one or more lines, with this Deno for `deno`, and no prompt. */
function words(command: string): [string, ...string[]] {
  const [program, run, ...rest] = command.replaceAll("\\\n", " ").trim().split(/\s+/);
  assertEquals([program, run], ["deno", "run"]);
  return [Deno.execPath(), "run", "--no-prompt", ...rest];
}

const dialled = "tls://127.0.0.1:8786";

Deno.test("README.md's cluster runs from a registry and an empty cache, and its program prints what it says", async () => {
  const folder = await Deno.makeTempDir({ prefix: "dask-readme-" });
  try {
    await using registry = await startRegistry(await checkoutPackages());
    const start = {
      cwd: folder,
      env: { JSR_URL: registry.url, DENO_DIR: `${folder}/cache`, DENO_NO_UPDATE_CHECK: "1" },
    };
    const creating = block("sh", "deno run --allow-read=certs --allow-write=certs jsr:");
    const certificates = await runToEnd({ ...start, command: words(creating) });
    assertEquals(certificates.code, 0, certificates.stderr);

    const scheduling = words(
      block("sh", "deno run --allow-net --allow-read jsr:@dask/distributed/scheduler"),
    );
    await using scheduler = new TestProcess({
      ...start,
      command: [...scheduling, "--host", "127.0.0.1", "--port", "0"],
      name: "scheduler",
    });
    const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/, { deadline: 120 });

    const working = block("sh", "deno run --allow-net --allow-read jsr:@dask/distributed/worker");
    assertStringIncludes(working, dialled);
    await using worker = new TestProcess({
      ...start,
      command: words(working.replace(dialled, address)),
      name: "worker",
    });
    await worker.line(/Registered to:\s+tls:/, { deadline: 120 });

    const program = block("ts", "// main.ts: deno run");
    assertStringIncludes(program, dialled);
    await Deno.writeTextFile(`${folder}/main.ts`, program.replace(dialled, address));
    const command = /^\/\/ main\.ts: (.*)$/m.exec(program)?.[1] ?? "";
    const { code, stdout, stderr } = await runToEnd({ ...start, command: words(command) });
    const printed = /^console\.log.*\/\/ (.*)$/m.exec(program)?.[1];
    assertEquals(stdout, `${printed}\n`, stderr);
    assertEquals(code, 0, stderr);
    assert(registry.requests.some((path) => path.endsWith("/worker.ts")));

    scheduler.kill("SIGTERM");
    assertEquals((await scheduler.ended).code, 0, scheduler.stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("README.md's program in one process runs from a registry and an empty cache", async () => {
  const folder = await Deno.makeTempDir({ prefix: "dask-readme-" });
  try {
    await using registry = await startRegistry(await checkoutPackages());
    const program = block("ts", "import { Client, Scheduler");
    await Deno.writeTextFile(`${folder}/main.ts`, program);
    const { code, stdout, stderr } = await runToEnd({
      command: [Deno.execPath(), "run", "--no-prompt", "--allow-net", "--allow-read", "main.ts"],
      cwd: folder,
      env: { JSR_URL: registry.url, DENO_DIR: `${folder}/cache`, DENO_NO_UPDATE_CHECK: "1" },
    });
    const printed = /^console\.log.*\/\/ (.*)$/m.exec(program)?.[1];
    assertEquals(stdout, `${printed}\n`, stderr);
    assertEquals(code, 0, stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
