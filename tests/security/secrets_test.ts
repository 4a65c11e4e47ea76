import { assert, assertEquals } from "@std/assert";
import { Scheduler, Security, Worker } from "../../mod.ts";
import { runToEnd } from "../../testing/processes.ts";

Deno.test("In-memory keys are in no log at debug level, no error, no answer, no inspection, and not in a task's thread", async () => {
  const { code, stdout, stderr } = await runToEnd({
    command: [
      Deno.execPath(),
      "run",
      "--no-prompt",
      "--allow-net",
      "--allow-read",
      new URL("../../testing/fixtures/secrets_program.ts", import.meta.url).href,
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

Deno.test("In-memory keys are not in the scheduler file, and no role writes any other file", async () => {
  const folder = await Deno.makeTempDir();
  const { open, openSync, writeFile, writeTextFile } = Deno;
  const written: string[] = [];
  // Whatever is opened to write; the roles' processes have no permission for it at all.
  const watch = <A extends readonly unknown[], R>(write: (...args: A) => R) => (...args: A): R => {
    written.push(String(args[0]));
    return write(...args);
  };
  Object.assign(Deno, {
    open: watch(open),
    openSync: watch(openSync),
    writeFile: watch(writeFile),
    writeTextFile: watch(writeTextFile),
  });
  try {
    const security = await Security.temporary();
    const schedulerFile = `${folder}/scheduler.json`;
    await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security, schedulerFile });
    await using _worker = await Worker.start(scheduler.address, { nthreads: 1, security });
    const text = await Deno.readTextFile(schedulerFile);
    assert(text.includes(scheduler.address), text);
    for (const pem of [security.tlsClientKey, security.tlsSchedulerKey, security.tlsWorkerKey]) {
      for (const line of (pem ?? "").split("\n").filter((line) => line.length > 40)) {
        assert(!text.includes(line));
      }
    }
    assert(!text.includes("BEGIN"), text);
  } finally {
    Object.assign(Deno, { open, openSync, writeFile, writeTextFile });
    await Deno.remove(folder, { recursive: true });
  }
  assert(written.length > 0 && written.every((path) => path.startsWith(folder)), written.join());
});
