import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { linkOptions } from "../comm/secure.ts";
import { CommAuthError, type Security } from "../mod.ts";
import { startCluster } from "../testing/clusters/cluster.ts";
import { TestCa } from "../testing/pki/pki.ts";
import { rolePermissions, runToEnd } from "../testing/processes.ts";
import { bytesText, type ClusterStatus, durationText, fetchStatus, statusText } from "./status.ts";
import type { Question } from "./subcommand.ts";

async function question(address: string, security: Security | undefined): Promise<Question> {
  return {
    address: address as Question["address"],
    links: await linkOptions(security, "client"),
    timeoutMs: 10_000,
  };
}

Deno.test("status shows workers, tasks by state, and the links with their certificates", async () => {
  await using cluster = await startCluster();
  const { client, scheduler, workers, security } = cluster;
  const double = (x: number) => 2 * x;
  const fail = () => {
    throw new Error("no");
  };
  const futures = [...client.map(double, [1, 2, 3]), client.submit(fail)];
  await Promise.all(futures.map((future) => future.exception()));

  const status = await fetchStatus(await question(scheduler.address, security));
  const text = statusText(status);
  const expected = [
    new RegExp(`^Scheduler  ${scheduler.address}, Scheduler-\\S+, up \\d`, "m"),
    /^Workers {4}2, with 2 threads$/m,
    /^This link {2}TLSv1\.3, TLS_\S+; \S*CN=scheduler\S*, signed by \S*CN=dask-internal-ca\S*$/m,
    new RegExp(`^w0 +${workers[0]?.address} +running +1 `, "m"),
    new RegExp(`^w1 +${workers[1]?.address} +running +1 `, "m"),
    /^prefix +memory +erred$/m,
    /^double +3 +0$/m,
    /^fail +0 +1$/m,
    /^3 memory, 1 erred$/m,
    /^from +tls:\S+ +TLSv1\.3 +TLS_\S+ +\S*CN=worker\S*, signed by/m,
  ];
  for (const pattern of expected) assertMatch(text, pattern);
});

Deno.test("status says so if a link is plain text", async () => {
  await using cluster = await startCluster({ protocol: "tcp" });
  const text = statusText(await fetchStatus(await question(cluster.scheduler.address, undefined)));
  assertMatch(text, /^This link {2}plain text, no certificates$/m);
  assertMatch(text, /^from +tcp:\S+ +plain text/m);
});

Deno.test("status is refused with a certificate of another CA", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const stranger = await (await TestCa.make()).security();
  const asked = await question(cluster.scheduler.address, stranger);
  await assertRejects(() => fetchStatus(asked), CommAuthError);
});

Deno.test("status asks a scheduler only", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const asked = await question(cluster.workers[0]?.address ?? "", cluster.security);
  await assertRejects(() => fetchStatus(asked), Error);
});

Deno.test("statusText lets no name of a peer steer the terminal", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  await cluster.addWorker({ name: "\x1b[2Jevil\n\x9b31m" });
  const text = statusText(await fetchStatus(await question(cluster.scheduler.address, cluster.security)));
  assertMatch(text, /evil/);
  // deno-lint-ignore no-control-regex
  assert(!/[\x1b\x9b]/.test(text));
  assertMatch(text, /^.\[2Jevil..31m +tls:/m);
});

Deno.test("statusText shows what fits a screen and says how much there is", () => {
  const tasks = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, { memory: 1 }]));
  const status = {
    identity: { workers: {}, address: "tcp://h:1", id: "s", n_workers: 0, total_threads: 0, started: 0 },
    tasks,
    links: undefined,
    tls: undefined,
    now: 90,
  } as unknown as ClusterStatus;
  const text = statusText(status);
  assertMatch(text, /^… and 70 more prefixes$/m);
  assertMatch(text, /^100 memory$/m);
  assert(text.split("\n").length < 50);
});

Deno.test("bytesText and durationText are short", () => {
  assertEquals([undefined, 0, 1023, 1536, 3 * 2 ** 30].map(bytesText), [
    "-",
    "0 B",
    "1023 B",
    "1.5 KiB",
    "3.0 GiB",
  ]);
  assertEquals([1.25, 61, 7200, 200_000].map(durationText), ["1.3 s", "1 min", "2 h", "2 days"]);
});

const program = new URL("../client.ts", import.meta.url).href;

async function clientProgram(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return await runToEnd({ command: [Deno.execPath(), "run", ...rolePermissions, program, ...args] });
}

Deno.test("client.ts status runs as a program with the client's TLS flags, and ends with 0, 1 or 2", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { security, scheduler } = cluster;
  const folder = await Deno.makeTempDir({ prefix: "dask-status-" });
  try {
    const pems: [string, string, string | undefined][] = [
      ["--tls-ca-file", "ca.pem", security?.tlsCaFile],
      ["--tls-cert", "client.pem", security?.tlsClientCert],
      ["--tls-key", "client.key", security?.tlsClientKey],
    ];
    for (const [, name, pem] of pems) await Deno.writeTextFile(`${folder}/${name}`, pem ?? "");
    const flags = pems.flatMap(([flag, name]) => [flag, `${folder}/${name}`]);

    const good = await clientProgram("status", scheduler.address.replace("tls://", ""), ...flags);
    assertEquals([good.code, good.stderr], [0, ""]);
    assertMatch(good.stdout, /^Workers {4}1, with 1 thread$/m);

    const plain = await clientProgram("status", scheduler.address);
    assertEquals([plain.code, plain.stdout], [1, ""]);
    assertMatch(plain.stderr, /^client: .*TLS needs certificates/);

    const wrong = await clientProgram("state", scheduler.address);
    assertEquals(wrong.code, 2);
    assertMatch(wrong.stderr, /"state" is no command of the client; there is .*status/);

    assertEquals((await clientProgram("status")).code, 2);
    const help = await clientProgram("--help");
    assertEquals(help.code, 0);
    assertMatch(help.stdout, /^ {2}status +Workers, tasks by state/m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
