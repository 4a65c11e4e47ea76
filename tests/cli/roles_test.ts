/** The roles as a user starts them: real processes, a role's permissions, exit codes and what is printed. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client } from "../../mod.ts";
import { Certificates } from "../../testing/clusters/process_cluster.ts";
import { startRole, type TestProcess } from "../../testing/processes.ts";

/** Waits for its end; returns its exit code and what it said last on stderr. */
async function ending(process: TestProcess): Promise<{ code: number; last: string }> {
  const { code } = await process.ended;
  return { code, last: process.stderr.trimEnd().split("\n").at(-1) ?? "" };
}

/** A scheduler on loopback. */
async function startScheduler(
  certificates: Certificates,
  ...flags: string[]
): Promise<[TestProcess, string]> {
  const flagsOfRole = certificates.flags("scheduler");
  const scheduler = startRole("scheduler.ts", [
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    ...flagsOfRole,
    ...flags,
  ]);
  try {
    const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/);
    return [scheduler, address];
  } catch (error) {
    await scheduler[Symbol.asyncDispose]();
    throw error;
  }
}

Deno.test("scheduler.ts --idle-timeout ends with 0 when nothing is to be done for that long", async () => {
  await using certificates = await Certificates.make();
  const [scheduler] = await startScheduler(certificates, "--idle-timeout", "300ms");
  await using _ = scheduler;
  assertEquals((await scheduler.ended).code, 0);
  assertMatch(scheduler.stderr, /Scheduler closing after being idle for 0\.3 s/);
});

Deno.test("worker.ts --death-timeout ends with 1 and names the scheduler that did not answer", async () => {
  // Taken, so that nobody else answers there; and it does not answer.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `tcp://127.0.0.1:${silent.addr.port}`;
  await using worker = startRole("worker.ts", [address, "--death-timeout", "500ms"]);
  const { code, last } = await ending(worker);
  assertEquals([code, last], [1, `worker: No scheduler answered at "${address}" within 0.5 s`]);
});

Deno.test("worker.ts --nworkers, --name and --worker-port: named workers on ports of the range", async () => {
  await using certificates = await Certificates.make();
  const [scheduler, address] = await startScheduler(certificates);
  await using _ = scheduler;
  const first = freePort();
  const flags = ["--nworkers", "2", "--name", "pair", "--nthreads", "1"];
  await using worker = startRole("worker.ts", [
    address,
    ...flags,
    "--worker-port",
    `${first}:${first + 50}`,
    ...certificates.flags("worker"),
  ]);
  await using client = await Client.connect(address, { security: certificates.security });
  await client.waitForWorkers(2, { timeout: "20s" });
  const { workers } = await client.schedulerInfo();
  assertEquals(Object.values(workers).map(({ name, nthreads }) => `${name} ${nthreads}`).sort(), [
    "pair-0 1",
    "pair-1 1",
  ]);
  for (const at of Object.keys(workers)) {
    const port = Number(new URL(at.replace("tls:", "http:")).port);
    assert(port >= first && port <= first + 50, at);
  }
  assertEquals(await client.submit((x: number) => x + 1, 1).result(), 2);
  worker.kill("SIGTERM");
  assertEquals((await worker.ended).code, 0, worker.stderr);
});

/** A port that was free a moment ago, with room for a range behind it. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return Math.min(listener.addr.port, 65_000);
}

Deno.test("worker.ts on a port that is taken ends with 1 and names the address", async () => {
  await using certificates = await Certificates.make();
  const [scheduler, address] = await startScheduler(certificates);
  await using _ = scheduler;
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(taken.addr.port);
  await using worker = startRole("worker.ts", [
    address,
    "--worker-port",
    port,
    ...certificates.flags("worker"),
  ]);
  const { code, last } = await ending(worker);
  assertEquals(code, 1);
  assert(last.includes(port), last);
});

Deno.test("scheduler.ts on a port that is taken ends with 1 and names the address", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(taken.addr.port);
  await using scheduler = startRole("scheduler.ts", ["--host", "127.0.0.1", "--port", port]);
  const { code, last } = await ending(scheduler);
  assertEquals(code, 1);
  assert(last.includes(port), last);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} ends a scheduler with 0, and with it its workers and clients`, async () => {
    await using certificates = await Certificates.make();
    const [scheduler, address] = await startScheduler(certificates);
    await using _ = scheduler;
    await using worker = startRole("worker.ts", [
      address,
      ...certificates.flags("worker"),
      "--nthreads",
      "1",
    ]);
    await worker.line(/Registered to:/);
    scheduler.kill(signal);
    assertEquals((await scheduler.ended).code, 0, scheduler.stderr);
    assertMatch(scheduler.stderr, new RegExp(`Received signal ${signal}\n.*Scheduler closing`));
    assertEquals((await worker.ended).code, 0, worker.stderr);
  });
}

/** What is wrong with the files, and what the last line must name. */
const badFiles: readonly (readonly [what: string, flag: string, text: string | null, reason: RegExp])[] = [
  [
    "a certificate that is not there",
    "--tls-cert",
    null,
    /no such file|not found|does not exist|can't be read/i,
  ],
  ["a key that is not there", "--tls-key", null, /no such file|not found|does not exist|can't be read/i],
  ["a CA that is not there", "--tls-ca-file", null, /no such file|not found|does not exist|can't be read/i],
  ["a certificate that is none", "--tls-cert", "hello", /certificate/i],
  ["a key that is none", "--tls-key", "hello", /key/i],
  ["a CA that is none", "--tls-ca-file", "hello", /certificate/i],
];

for (const [what, flag, text, reason] of badFiles) {
  Deno.test(`${what} ends scheduler and worker with 1 and a line that names file and reason`, async () => {
    await using certificates = await Certificates.make();
    const path = `${certificates.folder}/bad.pem`;
    if (text !== null) await Deno.writeTextFile(path, text);
    for (const role of ["scheduler", "worker"] as const) {
      const flags = certificates.flags(role);
      flags[flags.indexOf(flag) + 1] = path;
      const where = role === "scheduler" ? ["--host", "127.0.0.1", "--port", "0"] : ["tls://127.0.0.1:9"];
      await using process = startRole(`${role}.ts`, [...where, ...flags]);
      const { code, last } = await ending(process);
      assertEquals(code, 1, process.stderr);
      assert(last.startsWith(`${role}: `) && last.includes(path), last);
      assertMatch(last.replace(path, ""), reason);
    }
  });
}

Deno.test("A key of another certificate ends a role with 1 and names the file", async () => {
  await using certificates = await Certificates.make();
  const flags = certificates.flags("scheduler");
  flags[flags.indexOf("--tls-key") + 1] = `${certificates.folder}/worker.key`;
  await using process = startRole("scheduler.ts", ["--port", "0", ...flags]);
  const { code, last } = await ending(process);
  assertEquals(code, 1);
  assertMatch(last, /worker\.key/);
});

for (const address of ["nonsense://127.0.0.1:1", "tls://127.0.0.1:99999"]) {
  Deno.test(`worker.ts ${address} ends with 1 and names the address`, async () => {
    await using certificates = await Certificates.make();
    await using worker = startRole("worker.ts", [address, ...certificates.flags("worker")]);
    const { code, last } = await ending(worker);
    assertEquals(code, 1, worker.stderr);
    assert(last.includes(address), last);
  });
}

Deno.test("A command line that can't be used ends with 2 and names what is wrong", async () => {
  const wrong: [module: string, args: string[], text: string][] = [
    ["worker.ts", [], "the address of the scheduler is missing"],
    ["worker.ts", ["tcp://127.0.0.1:9", "--nthread", "1"], "did you mean --nthreads?"],
    [
      "worker.ts",
      ["tcp://127.0.0.1:9", "--worker-port", "9:8"],
      '--worker-port must be a port or FROM:TO, got "9:8"',
    ],
    ["worker.ts", ["tcp://127.0.0.1:9", "--memory-limit", "1GB"], "--memory-limit can't be used"],
    ["scheduler.ts", ["--idle-timeout", "soon"], "--idle-timeout"],
    ["scheduler.ts", ["tls://127.0.0.1:9"], "a scheduler takes flags only"],
  ];
  await Promise.all(wrong.map(async ([module, args, text]) => {
    await using process = startRole(module, args);
    assertEquals((await process.ended).code, 2, process.stderr);
    assert(process.stderr.includes(text), process.stderr);
  }));
});
