/**
 * Configuration of the roles as a user gives it: files, variables, flags; real processes and real
 * permissions.
 */

import { X509Certificate } from "node:crypto";
import { assert, assertEquals, assertMatch, assertNotMatch, assertRejects } from "@std/assert";
import { Client, CommAuthError, type Security } from "../../mod.ts";
import { Certificates } from "../../testing/clusters/process_cluster.ts";
import { RawPeer } from "../../testing/links.ts";
import { rolePermissions, runToEnd, TestProcess } from "../../testing/processes.ts";

const LISTEN = ["--host", "127.0.0.1", "--port", "0"];

interface Start {
  readonly module: string;
  readonly args: readonly string[];
  readonly permissions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

function command({ module, args, permissions = [] }: Start): [string, ...string[]] {
  const url = new URL(`../../${module}`, import.meta.url).href;
  return [Deno.execPath(), "run", ...rolePermissions, ...permissions, url, ...args];
}

function start(options: Start): TestProcess {
  return new TestProcess({ command: command(options), name: options.module, env: options.env ?? {} });
}

async function ending(options: Start): Promise<{ code: number; stderr: string }> {
  return await runToEnd({ command: command(options), name: options.module, env: options.env ?? {} });
}

/** Writes a file beside certificates, which is gone with them. */
async function write({ folder }: Certificates, name: string, text: string): Promise<string> {
  await Deno.writeTextFile(`${folder}/${name}`, text);
  return `${folder}/${name}`;
}

/** Settings that name the certificates of all roles. */
function tlsSettings({ folder }: Certificates): string {
  const roles = ["scheduler", "worker", "client"].map((role) =>
    `      ${role}: {cert: "${folder}/${role}.pem", key: "${folder}/${role}.key"}\n`
  );
  return `distributed:\n  comm:\n    tls:\n      ca_file: "${folder}/ca.pem"\n${roles.join("")}`;
}

async function workersOf(address: string, security: Security, count: number): Promise<string[]> {
  await using client = await Client.connect(address, { security });
  await client.waitForWorkers(count, { timeout: "20s" });
  assertEquals(await client.submit((x: number) => x + 1, 1).result(), 2);
  return Object.keys((await client.schedulerInfo()).workers);
}

Deno.test("a cluster runs on one file of settings, given by --config to each role", async () => {
  await using certificates = await Certificates.make();
  const config = await write(certificates, "dask.yaml", tlsSettings(certificates));
  await using scheduler = start({ module: "scheduler.ts", args: [...LISTEN, "--config", config] });
  const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/);
  await using worker = start({ module: "worker.ts", args: [address, "--nthreads", "1", "--config", config] });
  await worker.line(/Registered to:\s+tls:/);
  assertEquals((await workersOf(address, certificates.security, 1)).length, 1);
  const status = await ending({ module: "client.ts", args: ["status", address, "--config", config] });
  assertEquals([status.code, status.stderr], [0, ""]);
});

Deno.test("settings count in Dask's order: flag, variable, file", async () => {
  await using certificates = await Certificates.make();
  const file = await write(certificates, "a.yaml", "distributed: {scheduler: {idle-timeout: 700ms}}\n");
  const env = { DASK_DISTRIBUTED__SCHEDULER__IDLE_TIMEOUT: "600ms", DASK_CONFIG: file };
  const permissions = ["--allow-env=DASK_*,HOME"];
  const idle = async (options: Omit<Start, "module">): Promise<string | undefined> => {
    const { code, stderr } = await ending({ module: "scheduler.ts", ...options });
    assertEquals(code, 0, stderr);
    return /idle for ([\d.]+) s/.exec(stderr)?.[1];
  };
  const args = [...LISTEN, "--config", file];
  assertEquals(
    await Promise.all([
      idle({ args: [...args, "--idle-timeout", "500ms"], env, permissions }),
      idle({ args, env, permissions }),
      idle({ args, env }), // the variable may not be read
      idle({ args: LISTEN, env: { DASK_CONFIG: file }, permissions }),
    ]),
    ["0.5", "0.6", "0.7", "0.7"],
  );
});

Deno.test("a role says once what it may not read, with the flags to add, and asks for nothing", async () => {
  const args = [...LISTEN, "--protocol", "tcp", "--idle-timeout", "1ms"];
  const without = await ending({ module: "scheduler.ts", args });
  const lines = without.stderr.split("\n").filter((line) => line.includes("Configuration not read"));
  assertEquals([without.code, lines.length], [0, 1]);
  assertMatch(lines[0] ?? "", /DASK_… variables, ~\/\.config\/dask \(--allow-env=DASK_\*,HOME\)$/);

  const all = await ending({ module: "scheduler.ts", args, permissions: ["--allow-env=DASK_*,HOME"] });
  assertNotMatch(all.stderr, /not read/);

  const url = new URL("../../scheduler.ts", import.meta.url).href;
  const narrow = await runToEnd({
    command: [Deno.execPath(), "run", "--no-prompt", "--allow-net", "--allow-env", url, ...args],
    env: { DASK_ROOT_CONFIG: "/etc/dask", HOME: "/nowhere" },
  });
  assertEquals(narrow.code, 0, narrow.stderr);
  assertMatch(
    narrow.stderr,
    /\/etc\/dask, \/nowhere\/\.config\/dask \(--allow-read=\/etc\/dask,\/nowhere\/\.config\/dask\)/,
  );
});

Deno.test("a bad setting ends a role with 1, naming file and setting", async () => {
  await using certificates = await Certificates.make();
  const cases: readonly [text: string, message: RegExp][] = [
    [
      "distributed: {comm: {tls: {ca-fle: x}}}",
      /^scheduler: Unknown setting "distributed\.comm\.tls\.ca-fle" in .*bad\.yaml: did you mean "distributed\.comm\.tls\.ca-file"\?$/m,
    ],
    [
      "distributed: {scheduler: {worker-ttl: 5 parsecs}}",
      /^scheduler: "distributed\.scheduler\.worker-ttl": .*parsecs.* \(.*bad\.yaml\)$/m,
    ],
    [
      "distributed: {comm: {default-scheme: udp}}",
      /^scheduler: "distributed\.comm\.default-scheme" must be one of/m,
    ],
    ["distributed: {comm: {compression: gzip}}", /^scheduler: "distributed\.comm\.compression": .*gzip/m],
    [
      "distributed: {comm: {limits: {links_per_hosts: 5}}}",
      /^scheduler: Unknown setting "distributed\.comm\.limits\.links_per_hosts" in .*bad\.yaml: did you mean "distributed\.comm\.limits\.links-per-host"\?$/m,
    ],
    [
      "distributed: {comm: {limits: {links: 0}}}",
      /^scheduler: "distributed\.comm\.limits\.links" must be a whole number of at least 1, not 0 \(.*bad\.yaml\)$/m,
    ],
    ["logging: {distributed: loud}", /^scheduler: "logging\.distributed" must be a level/m],
    ["a: [", /^scheduler: Configuration ".*bad\.yaml" is malformed: .* at line \d, column \d/m],
  ];
  for (const [text, message] of cases) {
    const config = await write(certificates, "bad.yaml", `${text}\n`);
    const { code, stderr } = await ending({ module: "scheduler.ts", args: [...LISTEN, "--config", config] });
    assertEquals(code, 1, stderr);
    assertMatch(stderr, message);
  }
});

Deno.test("distributed.comm.limits holds for scheduler and worker, from files and variables", async () => {
  await using certificates = await Certificates.make();
  const limits = "{handshake-timeout: 300ms, handshake-bytes: 1KiB, links-per-host: 4, message-bytes: 64KiB}";
  const config = await write(certificates, "limits.yaml", `distributed: {comm: {limits: ${limits}}}\n`);
  await using scheduler = start({
    module: "scheduler.ts",
    args: [...LISTEN, "--protocol", "tcp", "--config", config],
  });
  const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tcp:\S+)/);
  await using worker = start({
    module: "worker.ts",
    args: [address, "--nthreads", "1"],
    env: { DASK_DISTRIBUTED__COMM__LIMITS__HANDSHAKE_TIMEOUT: "0.2" },
    permissions: ["--allow-env=DASK_*,HOME"],
  });
  const [, workerAddress = ""] = await worker.line(/worker at:\s+(tcp:\S+)/);

  const said = (process: TestProcess, pattern: RegExp) => process.line(pattern, { stream: "stderr" });
  using _ofScheduler = await RawPeer.dial(address);
  using _ofWorker = await RawPeer.dial(workerAddress);
  await said(scheduler, /no handshake message within 0\.3 s/);
  await said(worker, /no handshake message within 0\.2 s/);

  using wordy = await RawPeer.dial(address);
  await wordy.write({ compression: "x".repeat(1100), "pickle-protocol": 5 });
  await said(scheduler, /at most 1024 are allowed here/);

  using large = await RawPeer.greet(address);
  await large.write({ op: "identity", padding: "x".repeat(70_000) });
  assertEquals(await large.read(), undefined);

  const peers = await Promise.all(Array.from({ length: 4 }, () => RawPeer.greet(address)));
  await said(scheduler, /dropped a connection from \S+ 4 are open, 4 of them from its host/);
  for (const peer of peers) peer.close();
});

Deno.test("settings that do nothing are named in one warning", async () => {
  await using certificates = await Certificates.make();
  const config = await write(
    certificates,
    "a.yaml",
    "distributed: {nanny: {preload: [x]}, scheduler: {work-stealing: false}}\n",
  );
  const args = [...LISTEN, "--protocol", "tcp", "--idle-timeout", "1ms", "--config", config];
  const { stderr } = await ending({ module: "scheduler.ts", args });
  const warnings = stderr.split("\n").filter((line) => line.includes(" - WARNING - "));
  assertEquals(warnings.length, 1, stderr);
  assertMatch(
    warnings[0] ?? "",
    /no effect here: distributed\.nanny\.preload \(.*\), distributed\.scheduler\.work-stealing/,
  );
});

Deno.test("logging sets levels by logger", async () => {
  await using certificates = await Certificates.make();
  const config = await write(
    certificates,
    "a.yaml",
    "distributed: {logging: {distributed: warning, distributed.scheduler: info}}\n",
  );
  const args = [...LISTEN, "--protocol", "tcp", "--idle-timeout", "1ms", "--config", config];
  assertMatch((await ending({ module: "scheduler.ts", args })).stderr, / - distributed\.scheduler - INFO - /);
  const quiet = await write(certificates, "b.yaml", "logging: {distributed: error}\n");
  assertEquals((await ending({ module: "scheduler.ts", args: [...args.slice(0, -1), quiet] })).stderr, "");
});

Deno.test("a listener in plain text that nobody asked for is warned about", async () => {
  const plain = /WARNING - Listening in plain text at tcp:\/\/127\.0\.0\.1:\d+/;
  const args = [...LISTEN, "--idle-timeout", "1ms"];
  const permissions = ["--allow-env=DASK_*,HOME"];
  const env = { DASK_DISTRIBUTED__COMM__DEFAULT_SCHEME: "tcp" };
  assertMatch((await ending({ module: "scheduler.ts", args })).stderr, plain);
  assertNotMatch(
    (await ending({ module: "scheduler.ts", args: [...args, "--protocol", "tcp"] })).stderr,
    plain,
  );
  assertNotMatch((await ending({ module: "scheduler.ts", args, env, permissions })).stderr, plain);
});

Deno.test("require-encryption in a file forbids plain text to every role", async () => {
  await using certificates = await Certificates.make();
  const config = await write(
    certificates,
    "a.yaml",
    `${tlsSettings(certificates)}    require-encryption: true\n`,
  );
  const cases: readonly [module: string, args: readonly string[], message: RegExp][] = [
    ["scheduler.ts", [...LISTEN, "--protocol", "tcp"], /Cannot listen on "tcp:.*encryption is required/],
    ["worker.ts", ["tcp://127.0.0.1:1"], /Cannot connect to "tcp:.*encryption is required/],
    [
      "worker.ts",
      ["tls://127.0.0.1:1", "--listen-address", "tcp://127.0.0.1:0"],
      /Cannot listen on "tcp:.*encryption/,
    ],
    [
      "worker.ts",
      [
        "tls://127.0.0.1:1",
        "--listen-address",
        "tls://127.0.0.1:0",
        "--contact-address",
        "tcp://127.0.0.1:1",
      ],
      /Cannot be reached at "tcp:.*encryption/,
    ],
    ["client.ts", ["status", "tcp://127.0.0.1:1"], /Cannot connect to "tcp:.*encryption is required/],
  ];
  for (const [module, [first = "", ...rest], message] of cases) {
    const { code, stderr } = await ending({ module, args: [first, ...rest, "--config", config] });
    assertEquals(code, 1, stderr);
    assertMatch(stderr, message);
  }
});

Deno.test({
  name: "at SIGHUP the file of settings is read again, beside certificates that flags name",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using certificates = await Certificates.make();
    const { security } = certificates;
    const config = await write(certificates, "a.yaml", "distributed: {comm: {tls: {revoked: ['00ff']}}}\n");
    const args = [...LISTEN, "--config", config, ...certificates.flags("scheduler")];
    await using scheduler = start({ module: "scheduler.ts", args });
    const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/);
    await (await Client.connect(address, { security })).close();
    const { fingerprint256 } = new X509Certificate(security.tlsClientCert ?? "");
    await write(certificates, "a.yaml", `distributed: {comm: {tls: {revoked: ['${fingerprint256}']}}}\n`);
    scheduler.kill("SIGHUP");
    await scheduler.line(/Certificates of the scheduler were read again/);
    await assertRejects(() => Client.connect(address, { security, timeout: "20s" }), CommAuthError);
  },
});

Deno.test("--scheduler-file: the scheduler writes it for its account alone, workers and clients find it, and it goes", async () => {
  await using certificates = await Certificates.make();
  const { folder } = certificates;
  const file = `${folder}/scheduler.json`;
  await Deno.writeTextFile(file, "x".repeat(10_000), { mode: 0o644 }); // an old one, longer and open to all
  const worker = start({
    module: "worker.ts",
    args: [
      "--scheduler-file",
      file,
      "--nthreads",
      "1",
      "--death-timeout",
      "20s",
      ...certificates.flags("worker"),
    ],
  });
  await using _ = worker;
  const scheduler = start({
    module: "scheduler.ts",
    args: [...LISTEN, "--scheduler-file", file, ...certificates.flags("scheduler")],
    permissions: [`--allow-write=${file}`],
  });
  await using __ = scheduler;
  const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/);
  const text = await Deno.readTextFile(file);
  const identity = JSON.parse(text) as Record<string, unknown>;
  assertEquals([identity["type"], identity["address"]], ["Scheduler", address]);
  assertEquals(text.includes("PRIVATE"), false);
  if (Deno.build.os !== "windows") assertEquals(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);

  await worker.line(/Registered to:\s+tls:/);
  await using client = await Client.connect(undefined, {
    schedulerFile: file,
    security: certificates.security,
  });
  assertEquals(client.schedulerAddress, address);
  const args = ["status", "--scheduler-file", file, ...certificates.flags("client")];
  assertEquals((await ending({ module: "client.ts", args })).code, 0);
  await client.close();

  scheduler.kill("SIGTERM");
  assertEquals((await scheduler.ended).code, 0);
  await worker.ended;
  const left = await Deno.stat(file).catch((error) => error);
  assert(left instanceof Deno.errors.NotFound);
});

Deno.test("--scheduler-file without permission is refused with the flag to add", async () => {
  const args = [...LISTEN, "--scheduler-file", "/tmp/scheduler.json"];
  const { code, stderr } = await ending({ module: "scheduler.ts", args });
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^scheduler: Cannot write scheduler file "\/tmp\/scheduler\.json": add --allow-write=\/tmp\/scheduler\.json$/m,
  );
  assertNotMatch(stderr, /Scheduler at/);
});

Deno.test("--scheduler-file that does not come, or holds no address, ends with 1", async () => {
  await using certificates = await Certificates.make();
  const file = await write(certificates, "s.json", "{}");
  const empty = await ending({ module: "client.ts", args: ["status", "--scheduler-file", file] });
  assertEquals(empty.code, 1);
  assertMatch(empty.stderr, /Cannot use scheduler file ".*s\.json": there is no "address" in it/);
  const args = ["--scheduler-file", `${file}.none`, "--death-timeout", "200ms"];
  const late = await ending({ module: "worker.ts", args });
  assertEquals(late.code, 1);
  assertMatch(late.stderr, /There was no scheduler file ".*none" within 0\.2 s/);
});

Deno.test("--listen-address and --contact-address: the worker listens on one and is known by the other", async () => {
  await using certificates = await Certificates.make();
  await using scheduler = start({
    module: "scheduler.ts",
    args: [...LISTEN, ...certificates.flags("scheduler")],
  });
  const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/);
  const port = freePort();
  await using worker = start({
    module: "worker.ts",
    args: [
      address,
      "--nthreads",
      "1",
      "--listen-address",
      `tls://0.0.0.0:${port}`,
      "--contact-address",
      `tls://localhost:${port}`,
      ...certificates.flags("worker"),
    ],
  });
  await worker.line(/Registered to:\s+tls:/);
  assertEquals(await workersOf(address, certificates.security, 1), [`tls://127.0.0.1:${port}`]);
});

Deno.test("--listen-address and --contact-address that contradict are refused with 2", async () => {
  const scheduler = "tcp://127.0.0.1:1";
  const cases: readonly [args: readonly string[], message: RegExp][] = [
    [["--contact-address", "tcp://h:1"], /--contact-address needs --listen-address/],
    [["--listen-address", "tcp://h:1", "--nworkers", "2"], /is for one worker/],
    [["--listen-address", "tcp://h:1", "--host", "h"], /leave --host out/],
    [["--listen-address", "tcp://h:1", "--worker-port", "1"], /leave --worker-port out/],
    [["--scheduler-file", "s.json"], /both say where the scheduler is/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await ending({ module: "worker.ts", args: [scheduler, ...args] });
    assertEquals(code, 2, stderr);
    assertMatch(stderr, message);
  }
  const bare = await ending({ module: "worker.ts", args: [scheduler, "--listen-address", "127.0.0.1:9000"] });
  assertEquals(bare.code, 1);
  assertMatch(bare.stderr, /it must begin with a protocol/);
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
