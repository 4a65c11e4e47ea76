import { assertEquals, assertRejects } from "@std/assert";
import { Session } from "../../client/session.ts";
import type { Comm } from "../../comm/comm.ts";
import { connect } from "../../comm/connect.ts";
import { systemPlatform } from "../../comm/platform.ts";
import type { Clock } from "../../internal/clock.ts";
import { TimeoutError } from "../../mod.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";

Deno.test("Client.waitForWorkers resolves when the last of them has come", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const { client } = cluster;
  await client.waitForWorkers(0);
  await client.waitForWorkers(1);
  let isDone = false;
  const waiting = client.waitForWorkers(3).then(() => isDone = true);
  await cluster.addWorker();
  await client.schedulerInfo(); // what the scheduler had to say about two workers was said before
  assertEquals(isDone, false);
  await cluster.addWorker();
  await waiting;
});

Deno.test("Client.waitForWorkers gives up with its signal's reason, or when its time is up", async () => {
  await using cluster = await startCluster({ nWorkers: 0, protocol: "tcp" });
  const controller = new AbortController();
  const waiting = cluster.client.waitForWorkers(1, { signal: controller.signal });
  await cluster.client.schedulerInfo();
  controller.abort(new TypeError("enough"));
  await assertRejects(() => waiting, TypeError, "enough");
  await assertRejects(() => cluster.client.waitForWorkers(1, { timeout: 1 }), TimeoutError, "1 workers");
});

Deno.test("Session.runningWorkers waits for those that are named, and asks again when the scheduler's time is up", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const { scheduler } = cluster;
  const session = await Session.open(scheduler.address, {});
  try {
    const call = session.pool.call.bind(session.pool);
    let asked = 0;
    session.pool.call = ((address, operation, request, signal) => {
      asked++;
      // A scheduler that has no patience at all with the first two requests.
      const impatient = asked <= 2 ? { ...request, timeout: 0 } : request;
      return call(address, operation, impatient, signal);
    }) as typeof call;
    const [w0] = await session.runningWorkers(1, ["w0"], undefined);
    assertEquals([asked, w0], [1, cluster.workers[0]?.address]);
    const waiting = session.runningWorkers(1, ["w1"], undefined);
    const worker = await cluster.addWorker();
    assertEquals([await waiting, asked >= 2], [[worker.address], true]);
  } finally {
    await session.close();
  }
});

Deno.test("A scheduler answers a wait for workers with nothing when the time is up", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const session = await Session.open(cluster.scheduler.address, {});
  try {
    const request = { n: 2, workers: null, timeout: 0.001 };
    assertEquals(
      await session.ask(SCHEDULER_OPERATIONS.wait_for_workers, request, undefined, "workers"),
      null,
    );
  } finally {
    await session.close();
  }
});

Deno.test("Session.open gives up by the clock that it is given if nobody answers its registration", async () => {
  const timers: (() => void)[] = [];
  const clock: Clock = {
    ...systemPlatform.clock,
    timer: (_milliseconds, callback) => {
      timers.push(callback);
      return () => {};
    },
  };
  const onComm = async (comm: Comm) => {
    await comm.read(); // the registration
    for (const run of timers) run();
  };
  await using listener = await systemPlatform.network.listen("tcp://127.0.0.1:0", { onComm });
  // The time to connect is another one.
  const network = { ...systemPlatform.network, connect: (address: string) => connect(address) };
  const opening = Session.open(listener.contactAddress, {}, { ...systemPlatform, clock, network });
  await assertRejects(() => opening, TimeoutError, "did not answer");
});
