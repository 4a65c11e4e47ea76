// Wherever a plain address comes from: a role that requires encryption does not dial it.
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Comm, linkTo, Peer } from "../../testing/scripted_peer.ts";
import { Client, Scheduler, Security, Worker } from "../../mod.ts";
import { SecurityError } from "../../security/material/errors.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { runToEnd } from "../../testing/processes.ts";

/** A plain port that counts who comes. */
class PlainPort implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly address = `tcp://127.0.0.1:${this.#listener.addr.port}`;
  connections = 0;

  constructor() {
    void this.#accept();
  }

  async #accept(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        this.connections++;
        connection.close();
      }
    } catch {
      // It was closed.
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

const local = { host: "127.0.0.1", port: 0 };

Deno.test("requireEncryption: no role dials or listens at a plain address from its options", async () => {
  using port = new PlainPort();
  for (const security of [await Security.temporary(), { requireEncryption: true }]) {
    await assertRejects(
      () => Client.connect(port.address, { security }),
      SecurityError,
      "encryption is required",
    );
    await assertRejects(
      () => Worker.start(port.address, { security }),
      SecurityError,
      "encryption is required",
    );
    await assertRejects(
      () => Scheduler.start({ ...local, protocol: "tcp", security }),
      SecurityError,
      "encryption is required",
    );
  }
  await using scheduler = await Scheduler.start({ ...local, security: await Security.temporary() });
  assertMatch(scheduler.address, /^tls:/);
  assertEquals(port.connections, 0);
});

Deno.test("requireEncryption: a worker does not listen in plain text, whatever its protocol says", async () => {
  const security = await Security.temporary();
  await using scheduler = await Scheduler.start({ ...local, security });
  await assertRejects(
    () => Worker.start(scheduler.address, { security, protocol: "tcp", nthreads: 1 }),
    SecurityError,
    "encryption is required",
  );
});

Deno.test("--require-encryption: processes end with 1 and dial nobody, wherever the address comes from", async () => {
  using port = new PlainPort();
  const folder = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const ca = await TestCa.make();
  const { cert, key } = await ca.issue("role");
  const write = async (name: string, text: string): Promise<string> => {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    return `${folder}/${name}`;
  };
  const [caFile, pair] = [await write("ca.pem", ca.pem), await write("pair.pem", cert + key)];
  const tls = ["--tls-ca-file", caFile, "--tls-cert", pair];
  const flags = [...tls, "--require-encryption"];
  const settings = { "ca-file": caFile, worker: { cert: pair }, scheduler: { cert: pair } };
  const config = JSON.stringify({
    "scheduler-address": port.address,
    distributed: { comm: { "require-encryption": true, tls: settings } },
  });
  const configured = ["--config", await write("config.yaml", config)];
  const schedulerFile = [
    "--scheduler-file",
    await write("scheduler.json", JSON.stringify({ address: port.address })),
  ];
  const bound = ["--host", "127.0.0.1", "--port", "0"];
  const attempts: [module: string, args: string[]][] = [
    ["worker.ts", [port.address, ...flags]], // both from flags
    ["worker.ts", [port.address, ...configured]], // required by configuration
    ["worker.ts", configured], // both from configuration
    ["worker.ts", [...schedulerFile, ...flags]], // address from a scheduler file
    ["worker.ts", [port.address, ...tls]], // required because certificates are given
    ["scheduler.ts", ["--protocol", "tcp", ...bound, ...flags]],
    ["scheduler.ts", ["--protocol", "tcp", ...bound, ...configured]],
  ];
  await Promise.all(attempts.map(async ([module, args]) => {
    const url = new URL(`../../${module}`, import.meta.url).href;
    const { code, stderr } = await runToEnd({
      command: [Deno.execPath(), "run", "--no-prompt", "--allow-net", "--allow-read", url, ...args],
    });
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /Cannot (connect to|listen on) "tcp:.*encryption is required/);
  }));
  assertEquals(port.connections, 0);
});

Deno.test("requireEncryption: a scheduler refuses a worker whose contact address is plain", async () => {
  using port = new PlainPort();
  const security = await Security.temporary();
  await using scheduler = await Scheduler.start({ ...local, security });
  await using comm = await linkTo(scheduler.address, security, "worker");
  await comm.write({ ...REGISTRATION, address: port.address });
  const reply = await comm.read() as { status: string; message: string };
  assertEquals(reply.status, "error");
  assertMatch(reply.message, /encryption is required.*tcp:\/\/ is plain text/);
  assertEquals(port.connections, 0);
});

const REGISTRATION = {
  op: "register-worker",
  reply: false,
  status: "init",
  nthreads: 1,
  name: "w",
  now: 0,
  resources: {},
  memory_limit: null,
  metrics: { bandwidth: { total: 1, workers: {}, types: {} } },
};

Deno.test("requireEncryption: a worker does not fetch a dependency from a plain address in who_has", async () => {
  using port = new PlainPort();
  const security = await Security.temporary();
  await using scheduler = await Peer.start(security);
  const starting = Worker.start(scheduler.address, { security, nthreads: 1 });
  const stream = await scheduler.accept("register-worker");
  await stream.write({ status: "OK", time: 0, "heartbeat-interval": 0.05 });
  await using worker = await starting;
  await stream.write([{
    op: "acquire-replicas",
    who_has: { x: [port.address] },
    nbytes: { x: 1 },
    stimulus_id: "test",
  }]);
  // It tried, and asks for other holders with its next heartbeat.
  await said(stream, (message) => message["op"] === "request-refresh-who-has");
  assertEquals(port.connections, 0);
  assertEquals(worker.links().filter((link) => link.peer.startsWith("tcp:")), []);
});

Deno.test("requireEncryption: a client does not fetch a result from a plain address", async () => {
  using port = new PlainPort();
  const security = await Security.temporary();
  await using scheduler = await Peer.start(security);
  const connecting = Client.connect(scheduler.address, { security });
  const stream = await scheduler.accept("register-client");
  await stream.write([{ op: "stream-start" }]);
  await using client = await connecting;
  const future = client.submit((x: number) => x, 1);
  await said(stream, (message) => message["op"] === "update-graph");
  await stream.write([{ op: "key-in-memory", key: future.key, workers: [port.address] }]);
  await assertRejects(() => future.result(), SecurityError, "encryption is required");
  assertEquals(port.connections, 0);
});

/** Reads batches until a message fits. */
async function said(
  stream: Comm,
  fits: (message: Readonly<Record<string, unknown>>) => boolean,
): Promise<void> {
  for (;;) {
    const batch = await stream.read();
    const messages = Array.isArray(batch) ? batch : [batch];
    if (messages.some((message) => fits(message as Readonly<Record<string, unknown>>))) return;
  }
}
