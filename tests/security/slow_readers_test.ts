/** Peers with a good certificate that don't read, or not quickly; real processes. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import type { Comm } from "../../comm/comm.ts";
import { connect } from "../../comm/connect.ts";
import { call } from "../../rpc/call.ts";
import { linkOptions } from "../../comm/secure.ts";
import type { Address, Key } from "../../messages/common.ts";
import { CancelledError } from "../../mod.ts";
import { Serialized } from "../../protocol/serialized.ts";
import { ProcessCluster } from "../../testing/clusters/process_cluster.ts";
import type { TestProcess } from "../../testing/processes.ts";

const MIB = 2 ** 20;

async function dial(cluster: ProcessCluster): Promise<Comm> {
  return await connect(cluster.address, await linkOptions(cluster.certificates.security, "client"));
}

/** A comm that is a client's stream from here on, of which nothing was read yet. */
async function register(cluster: ProcessCluster, client: string): Promise<Comm> {
  const comm = await dial(cluster);
  await comm.write({ op: "register-client", client, reply: false, versions: {} });
  return comm;
}

/** Bytes of memory that a process ever took; nothing where the system does not tell. */
function peakBytes(process: TestProcess): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const [, kib] = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${process.pid}/status`)) ?? [];
  return Number(kib) * 1024;
}

/** Asks again and again what became of a key, until the link ends. Returns how often. */
async function askOn(comm: Comm, key: Key): Promise<number> {
  const batch = Array.from({ length: 1000 }, () => ({ op: "report-key", key }));
  let asked = 0;
  try {
    for (;; asked += batch.length) await comm.write(batch);
  } catch {
    return asked;
  }
}

Deno.test("a client that never reads is dropped, takes little memory, and harms nobody", async () => {
  await using cluster = await ProcessCluster.start(1, "{queued-bytes: 16MiB}");
  const { client, scheduler } = cluster;
  const done = client.submit((x: number) => x + 1, 1);
  await done.result();
  const before = peakBytes(scheduler) ?? 0;
  await using hostile = await register(cluster, "hostile");
  const asking = askOn(hostile, done.key);
  const dropped = scheduler.line(/Stream to "tls:\S+ dropped: the peer does not read, and (\d+) bytes wait/, {
    stream: "stderr",
  });
  let isOver = false;
  dropped.then(() => isOver = true, () => isOver = true);
  let rounds = 0;
  do {
    assertEquals(await client.submit((x: number) => x + 1, ++rounds).result({ timeout: "20s" }), rounds + 1);
  } while (!isOver);
  const [, bytes] = await dropped;
  assert(Number(bytes) < 17 * MIB, bytes);
  const asked = await asking;
  assert(asked > 50_000, `${asked} questions`);
  assertEquals(hostile.closed, true);
  const grown = (peakBytes(scheduler) ?? 0) - before;
  assert(grown < 150 * MIB, `${grown / MIB} MiB more`);
  await scheduler.line(/Remove client hostile/, { stream: "stderr" });
});

Deno.test("many clients of one host that never read are dropped before they take much together", async () => {
  await using cluster = await ProcessCluster.start(1, "{queued-bytes-per-host: 32MiB}");
  const { client, scheduler } = cluster;
  const done = client.submit((x: number) => x + 1, 1);
  await done.result();
  const before = peakBytes(scheduler) ?? 0;
  const links = await Promise.all(Array.from({ length: 8 }, (_, i) => register(cluster, `hostile-${i}`)));
  await using stack = new AsyncDisposableStack();
  for (const link of links) stack.use(link);
  const asking = links.map((link) => askOn(link, done.key));
  const first = await Promise.race(asking);
  await scheduler.line(/peers on 127\.0\.0\.1 do not read, and \d+ bytes wait for them/);
  assert(first > 10_000, `${first} questions`);
  assertEquals(await client.submit((x: number) => x + 1, 41).result({ timeout: "20s" }), 42);
  await Promise.all(asking);
  const grown = (peakBytes(scheduler) ?? 0) - before;
  assert(grown < 400 * MIB, `${grown / MIB} MiB more`); // it was 1.6 GB for one of them
});

Deno.test("a client that falls behind is spared small results, and reads them later if it likes", async () => {
  await using cluster = await ProcessCluster.start(1, "{queued-bytes: 32MiB}");
  const { client } = cluster;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const inc = (x: number) => x + 1;
  const known = client.submit(inc, 1);
  await known.result();
  const gate = client.submit(async (port: number) => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    return await conn.read(new Uint8Array(1)) ?? 5;
  }, listener.addr.port);
  const marker = client.submit(inc, gate);
  const held = await listener.accept();
  await using slow = await register(cluster, "slow");
  const keys = [gate.key];
  const filler = Array.from({ length: 1000 }, () => ({ op: "report-key", key: known.key }));
  await slow.write([{ op: "client-desires-keys", keys }]);
  for (let i = 0; i < 200; i++) await slow.write(filler); // answers of some 20 MiB
  await slow.write([{ op: "cancel-keys", keys: [marker.key], force: true, reason: "heard all", msg: null }]);
  await assertRejects(() => marker.result({ timeout: "20s" }), CancelledError, "heard all");
  held.close();
  assertEquals(await gate.result({ timeout: "20s" }), 5);
  const reports: Record<string, unknown>[] = [];
  while (!reports.some(({ op, key }) => op === "key-in-memory" && key === gate.key)) {
    reports.push(...await slow.read() as Record<string, unknown>[]);
  }
  const [report] = reports.filter(({ key }) => key === gate.key);
  assertEquals([report?.["op"], report?.["result"]], ["key-in-memory", undefined]);
  await using other = await dial(cluster);
  const { data } = await call(other, SCHEDULER_OPERATIONS.gather, { keys }) as {
    data: Record<string, unknown>;
  };
  assertEquals(Object.keys(data), keys);
});

Deno.test("a peer that takes nothing of an answer is dropped after stall-timeout", async () => {
  await using cluster = await ProcessCluster.start(1, "{stall-timeout: 400ms}");
  const { client, scheduler } = cluster;
  const big = client.submit((bytes: number) => new Uint8Array(bytes), 64 * MIB);
  await client.submit((value: Uint8Array) => value.length, big).result();
  await using hostile = await dial(cluster);
  await hostile.write({ op: "gather", keys: [big.key] });
  await scheduler.line(
    /Scheduler dropped the connection from tls:\S+ \d+ bytes wait, of which it took none for 0\.4 s/,
    { stream: "stderr" },
  );
  assertEquals(await client.submit((x: number) => x + 1, 41).result(), 42);
});

Deno.test("a client whose messages are too large is dropped, and the log says which limit it met", async () => {
  await using cluster = await ProcessCluster.start(1, "{message-values: 100000, message-bytes: 1MiB}");
  await using wordy = await register(cluster, "wordy");
  await wordy.write([{ op: "client-desires-keys", keys: Array(100_000).fill("x") }]);
  await cluster.scheduler.line(
    /Dropped client wordy: Cannot decode: more than 100000 values \(what is allowed: distributed\.comm\.limits\)/,
  );
  await using large = await register(cluster, "large");
  await large.write([{ op: "client-desires-keys", keys: ["x".repeat(2 * MIB)] }]).catch(() => {});
  await cluster.scheduler.line(
    /Dropped client large: Cannot read a message of \d+ bytes or more: at most 1048576 /,
  );
  assertEquals(await cluster.client.submit((x: number) => x + 1, 41).result(), 42);
});

Deno.test("a client that reads gets large results through the scheduler, however little may wait", async () => {
  await using cluster = await ProcessCluster.start(1, "{queued-bytes: 64KiB, queued-bytes-per-host: 64KiB}");
  const big = cluster.client.submit((bytes: number) => new Uint8Array(bytes), 64 * MIB);
  await cluster.client.submit((value: Uint8Array) => value.length, big).result();
  await using reader = await dial(cluster);
  const reply = await call(reader, SCHEDULER_OPERATIONS.gather, { keys: [big.key] }) as { data: unknown };
  const value = (reply.data as Record<string, unknown>)[big.key];
  assert(value instanceof Serialized && value.nbytes === 64 * MIB);
  const who: Address[] = Object.values(await cluster.client.whoHas([big])).flat();
  assertEquals(who.length, 1);
});
