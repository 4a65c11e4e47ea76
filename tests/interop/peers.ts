/**
 * Our roles and Python's `distributed`, face to face. Run by `deno task test:interop`, which makes the Python
 * environment; the name of this file keeps it out of `deno test`.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import type { Comm } from "../../comm/comm.ts";
import { connect } from "../../comm/connect.ts";
import { CommAuthError } from "../../comm/errors.ts";
import { loadTlsContext } from "../../security/live/context.ts";
import { Security } from "../../security/security.ts";
import { runToEnd, startRole, TestProcess } from "../../testing/processes.ts";

/** A folder with `ca.pem`, `cert.pem` and `key.pem`, gone at the end of its scope. */
class Pair implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async byPython(): Promise<Pair> {
    const pair = new Pair(await Deno.makeTempDir({ prefix: "dask-interop-" }));
    const { code, stderr } = await runToEnd({ command: python("temporary.py", pair.folder) });
    assertEquals(code, 0, stderr);
    return pair;
  }

  static async byUs(): Promise<Pair> {
    const pair = new Pair(await Deno.makeTempDir({ prefix: "dask-interop-" }));
    const made = await Security.temporary({ shared: true });
    for (
      const [name, text] of [
        ["ca", made.tlsCaFile],
        ["cert", made.tlsClientCert],
        ["key", made.tlsClientKey],
      ] as const
    ) {
      assert(text !== undefined);
      await Deno.writeTextFile(`${pair.folder}/${name}.pem`, text);
    }
    return pair;
  }

  get security(): Security {
    const [ca, cert, key] = ["ca", "cert", "key"].map((name) => `${this.folder}/${name}.pem`) as [
      string,
      string,
      string,
    ];
    return { tlsCaFile: ca, tlsClientCert: cert, tlsClientKey: key };
  }

  get flags(): readonly string[] {
    const file = (name: string): string => `${this.folder}/${name}.pem`;
    return ["--tls-ca-file", file("ca"), "--tls-cert", file("cert"), "--tls-key", file("key")];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

const makers = [["Python's", Pair.byPython], ["our", Pair.byUs]] as const;

function python(script: string, ...args: readonly string[]): readonly [string, ...string[]] {
  const program = Deno.env.get("DASK_PYTHON");
  if (program === undefined) throw new Error(`DASK_PYTHON names no Python; run "deno task test:interop"`);
  return [program, new URL(script, import.meta.url).pathname, ...args];
}

/** Starts our scheduler, and returns it with its address. */
async function ourScheduler(flags: readonly string[]): Promise<[TestProcess, string]> {
  const process = startRole("scheduler.ts", ["--host", "127.0.0.1", "--port", "0", ...flags]);
  return [process, await addressOf(process, /Scheduler at:\s+(\S+:\/\/\S+:\d+)/, "stderr")];
}

/** Starts a server of Python's, and returns it with its address. */
async function pythonServer(script: string, ...args: readonly string[]): Promise<[TestProcess, string]> {
  const process = new TestProcess({ command: python(script, ...args), name: script });
  return [process, await addressOf(process, /^at (\S+)$/m, "stdout")];
}

async function addressOf(process: TestProcess, line: RegExp, stream: "stdout" | "stderr"): Promise<string> {
  try {
    return (await process.line(line, { stream, deadline: 60 }))[1] as string;
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
}

interface Identity {
  readonly type: string;
  readonly id: string;
  readonly address: string;
  readonly workers: Readonly<Record<string, unknown>>;
}

async function askByPython(address: string, ...folder: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runToEnd({ command: python("ask.py", address, ...folder) });
  assertEquals(code, 0, stderr);
  const answers = JSON.parse(stdout) as Record<string, Identity>;
  for (const by of ["comm", "again", "rpc"]) {
    const identity = answers[by];
    assertEquals(identity?.type, "Scheduler", by);
    assertEquals(identity?.address, address, by);
    assertEquals(identity?.workers, {}, by);
  }
  assertEquals(answers["comm"]?.id, answers["rpc"]?.id);
}

async function askByUs(address: string, pair?: Pair): Promise<void> {
  const context = pair === undefined ? undefined : await loadTlsContext(pair.security, "client");
  await using comm = await connect(address, { context, timeout: "20s" });
  assertEquals(comm.peerInfo.python.length, 3);
  for (let i = 0; i < 2; i++) {
    await comm.write({ op: "identity", reply: true });
    const identity = await comm.read() as Identity;
    assertEquals(identity.type, "Scheduler");
    assertEquals(identity.address, address);
  }
}

Deno.test("our scheduler tells Python's comm and rpc who it is, over tcp", async () => {
  const [scheduler, address] = await ourScheduler([]);
  await using _ = scheduler;
  assert(address.startsWith("tcp://"), address);
  await askByPython(address);
});

for (const [whose, make] of makers) {
  Deno.test(`our scheduler tells Python's comm and rpc who it is, over tls with ${whose} Security.temporary()`, async () => {
    await using pair = await make();
    const [scheduler, address] = await ourScheduler(pair.flags);
    await using _ = scheduler;
    assert(address.startsWith("tls://"), address);
    await askByPython(address, pair.folder);
  });
}

Deno.test("our scheduler refuses Python with a certificate of another CA, and serves the next", async () => {
  await using ours = await Pair.byUs();
  await using other = await Pair.byPython();
  const [scheduler, address] = await ourScheduler(ours.flags);
  await using _ = scheduler;
  const { code, stderr } = await runToEnd({ command: python("ask.py", address, other.folder) });
  assert(code !== 0);
  assertMatch(stderr, /CommClosedError/);
  await scheduler.line(/refused/i);
  await askByPython(address, ours.folder);
});

Deno.test("our comm asks Python's scheduler who it is, over tcp", async () => {
  const [scheduler, address] = await pythonServer("scheduler.py");
  await using _ = scheduler;
  await askByUs(address);
});

for (const [whose, make] of makers) {
  Deno.test(`our comm asks Python's scheduler who it is, over tls with ${whose} Security.temporary()`, async () => {
    await using pair = await make();
    const [scheduler, address] = await pythonServer("scheduler.py", pair.folder);
    await using _ = scheduler;
    await askByUs(address, pair);
  });
}

Deno.test("our comm is refused by Python's scheduler, and refuses it, where the CAs differ", async () => {
  await using theirs = await Pair.byPython();
  await using other = await Pair.byUs();
  const [scheduler, address] = await pythonServer("scheduler.py", theirs.folder);
  await using _ = scheduler;
  const error = await assertRejects(() => askByUs(address, other));
  assertInstanceOf(error, CommAuthError);
});

async function ask(comm: Comm, op: string, fields: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
  await comm.write({ op, ...fields, reply: true });
  return await comm.read();
}

async function checkEcho(comm: Comm): Promise<void> {
  const whole = [0, -1, 2 ** 40, 2 ** 52];
  const plain = { text: "ä €😀", whole, half: 1.5, none: null, yes: true, nested: [[{}]] };
  assertEquals(await ask(comm, "echo", { data: plain }), plain);
  const bytes = new Uint8Array(3_000_000).map((_, i) => i >> 8);
  const [back] = await ask(comm, "echo", { data: [bytes] }) as [Uint8Array];
  assertEquals(back.length, bytes.length);
  assertEquals(back.findIndex((byte, i) => byte !== bytes[i]), -1);
}

Deno.test("our comm gets back from Python what it sent", async () => {
  const [server, address] = await pythonServer("echo.py", "127.0.0.1");
  await using _ = server;
  await using comm = await connect(address, { timeout: "20s" });
  assertEquals(await ask(comm, "compression"), null);
  await checkEcho(comm);
});

Deno.test("our comm gets back from Python what it sent, compressed by lz4", async () => {
  // Python compresses if the addresses differ; we don't on a machine, unless told to.
  const [server, address] = await pythonServer("echo.py", "127.0.0.2", "lz4");
  await using _ = server;
  await using comm = await connect(address, { timeout: "20s", handshake: { compression: "lz4" } });
  assertEquals(await ask(comm, "compression"), "lz4");
  await checkEcho(comm);
});
