import { assertEquals } from "@std/assert";
import { linkOptions } from "../../comm/secure.ts";
import { connect } from "../../comm/connect.ts";
import type { Comm } from "../../comm/comm.ts";
import type { Address, RawMessage } from "../../messages/common.ts";
import { startCluster, type TestCluster } from "../../testing/clusters/cluster.ts";
import { METRICS } from "../../testing/scheduler_fixture.ts";

/**
 * A worker that is driven by hand over a real link; reads what the scheduler tells it, one message at a time.
 */
class HandWorker implements AsyncDisposable {
  readonly comm: Comm;
  #inbox: RawMessage[] = [];

  private constructor(comm: Comm) {
    this.comm = comm;
  }

  static async register(cluster: TestCluster, address: string): Promise<HandWorker> {
    const links = await linkOptions(cluster.security, "worker");
    const comm = await connect(cluster.scheduler.address, { ...links, timeout: 10_000 });
    await comm.write({
      op: "register-worker",
      reply: false,
      address: address as Address,
      status: "running",
      nthreads: 1,
      name: "by-hand",
      now: 0,
      resources: {},
      memory_limit: null,
      local_directory: "",
      services: {},
      nanny: null,
      pid: 1,
      versions: { host: {}, packages: {} },
      metrics: METRICS,
      extra: {},
      stimulus_id: "register",
      server_id: "Worker-by-hand",
    });
    assertEquals((await comm.read() as RawMessage)["status"], "OK");
    return new HandWorker(comm);
  }

  /** The next message with operation `op`; others before it are passed over. */
  async next(op: string): Promise<RawMessage> {
    for (;;) {
      const message = this.#inbox.shift();
      if (message === undefined) this.#inbox.push(...await this.comm.read() as RawMessage[]);
      else if (message["op"] === op) return message;
    }
  }

  async say(message: { readonly op: string; readonly [field: string]: unknown }): Promise<void> {
    await this.comm.write([message]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.comm.abort();
    return Promise.resolve();
  }
}

Deno.test("A worker that pauses gets no new tasks; those for it alone wait until it runs again", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  await using paused = await HandWorker.register(cluster, "tls://127.0.0.1:1");
  await paused.say({ op: "worker-status-change", status: "paused", stimulus_id: "pause" });
  while (cluster.scheduler.identity().workers["tls://127.0.0.1:1" as Address]?.status !== "paused") {
    await client.schedulerInfo();
  }
  const anywhere = client.map((x: number) => x + 1, Array(50).keys());
  const here = client.with({ workers: ["by-hand"] }).submit(() => "here");
  assertEquals((await client.gather(anywhere)).length, 50);
  assertEquals(here.status, "pending");
  await paused.say({ op: "worker-status-change", status: "running", stimulus_id: "go on" });
  const task = await paused.next("compute-task");
  assertEquals(task["key"], here.key);
});

// Only Linux and Windows have all of 127.0.0.0/8.
const oneLoopback = Deno.build.os === "darwin";

Deno.test(
  "Client.with workers by host: a task waits for a worker there",
  { ignore: oneLoopback },
  async () => {
    await using cluster = await startCluster({ nWorkers: 1 });
    const { client } = cluster;
    const elsewhere = client.with({ workers: ["127.0.0.2"] }).submit((x: number) => x + 1, 1);
    const here = client.with({ workers: ["127.0.0.1"] }).submit((x: number) => x + 2, 1);
    assertEquals(await here.result(), 3);
    assertEquals(elsewhere.status, "pending");
    const worker = await cluster.addWorker({ host: "127.0.0.2" });
    assertEquals(await elsewhere.result(), 2);
    assertEquals(await client.whoHas([elsewhere]), { [elsewhere.key]: [worker.address] });
  },
);

Deno.test("Client.with allowOtherWorkers runs elsewhere if the workers named are not there", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const loose = client.with({ workers: ["nobody"], allowOtherWorkers: true }).submit((x: number) => x + 1, 1);
  assertEquals(await loose.result(), 2);
});

Deno.test("Tasks for one worker wait when it is lost, although others are free", async () => {
  await using cluster = await startCluster();
  const { client, workers: [, second] } = cluster;
  const there = client.with({ workers: ["w1"] });
  const value = there.submit((x: number) => "x".repeat(2000) + x, 1);
  await value.result();
  await second?.close();
  const dependent = there.submit((text: string) => text.length, value);
  assertEquals(await client.submit(() => "free").result(), "free");
  assertEquals([dependent.status], ["pending"]);
  await cluster.addWorker({ name: "w1" });
  assertEquals(await dependent.result(), 2001);
});

Deno.test("Releasing the end of a chain frees every task of it, on scheduler and workers", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  let last = client.submit((x: number) => x, 0);
  for (let i = 0; i < 200; i++) {
    const next = client.submit((x: number) => x + 1, last);
    last.release();
    last = next;
  }
  assertEquals(await last.result(), 200);
  const held = async () => Object.values(await client.hasWhat()).flat();
  assertEquals(await held(), [last.key]);
  last.release();
  await client.submit(() => "after").result(); // behind the release on the same stream
  assertEquals((await held()).filter((key) => key === last.key), []);
});
