// The tables of operations against roles that run: what a row promises is served, and what is marked as
// lacking is not.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { connect } from "../../comm/connect.ts";
import { CommClosed } from "../../comm/errors.ts";
import { isRecord } from "../../messages/common.ts";
import { isLacking, type OperationTable, untyped } from "../../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../../messages/worker_operations.ts";
import { call } from "../../rpc/call.ts";
import { RpcError } from "../../rpc/errors.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";
import { RawPeer } from "../../testing/links.ts";

/** What ends the role that is asked, so that it is asked last. */
const ENDS_ROLE = "terminate";

/** How a role answers a request without fields: what its handler needs may be missing. */
async function answerOf(address: string, op: string): Promise<unknown> {
  await using comm = await connect(address);
  try {
    return await call(comm, untyped(op), {});
  } catch (error) {
    if (error instanceof RpcError) return error.remote.message;
    throw error;
  }
}

async function checkServed(address: string, table: OperationTable): Promise<void> {
  const rows = Object.values(table);
  for (const row of rows) {
    if (row.op === ENDS_ROLE) continue;
    const isUnknown = String(await answerOf(address, row.op)).startsWith("Unknown operation");
    assertEquals(isUnknown, isLacking(row), row.op);
  }
  assertEquals(await answerOf(address, ENDS_ROLE), "OK");
}

Deno.test("Roles serve every row of their tables, and know nothing of those that are marked as lacking", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const { scheduler, workers: [worker] } = cluster;
  assert(worker !== undefined);
  await checkServed(worker.address, WORKER_OPERATIONS);
  await worker.finished;
  await checkServed(scheduler.address, SCHEDULER_OPERATIONS);
  await scheduler.finished;
});

Deno.test("Roles answer Python's peers nil for what they lack", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const { scheduler, workers: [worker] } = cluster;
  assert(worker !== undefined);
  for (
    const [address, table] of [[scheduler.address, SCHEDULER_OPERATIONS], [
      worker.address,
      WORKER_OPERATIONS,
    ]] as const
  ) {
    using peer = await RawPeer.greet(address);
    for (const row of Object.values<OperationTable[string]>(table)) {
      if (!isLacking(row)) continue;
      await peer.write({ op: row.op });
      assertEquals(await peer.read(), null, row.op);
    }
  }
});

Deno.test("Roles answer what the rows can read", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const { client, scheduler, workers: [worker] } = cluster;
  assert(worker !== undefined);
  const future = client.submit((x: number) => new Uint8Array(x), 5000);
  await future.result();
  const keys = [future.key];
  await using toScheduler = await connect(scheduler.address);
  await using toWorker = await connect(worker.address);
  const S = SCHEDULER_OPERATIONS;
  const W = WORKER_OPERATIONS;
  assertEquals((await call(toScheduler, S.identity, { n_workers: 0 })).n_workers, 1);
  assertEquals((await call(toScheduler, S.links, {})).some((link) => link.dialled), false);
  assertEquals(await call(toScheduler, S.ncores, { workers: null }), { [worker.address]: 1 });
  assertEquals(await call(toScheduler, S.who_has, { keys }), { [future.key]: [worker.address] });
  assertEquals(await call(toScheduler, S.has_what, { workers: null }), { [worker.address]: keys });
  assertEquals(await call(toScheduler, S.processing, { workers: null }), { [worker.address]: [] });
  const states = Object.values(await call(toScheduler, S.get_task_prefix_states, {}));
  assertEquals(states.map(({ memory }) => memory), [1]);
  const gathered = await call(toScheduler, S.gather, { keys });
  assert(gathered.status === "OK");
  assertEquals(Object.keys(gathered.data), keys);
  assertEquals(await call(toScheduler, S.retry, { keys: [] }), []);
  assertEquals((await call(toWorker, W.identity, {})).scheduler, scheduler.address);
  assertEquals(new TextDecoder().decode(await call(toWorker, W.ping, {})), "pong");
  assertEquals(await call(toWorker, W.keys, {}), keys);
  const results = await call(toWorker, W.get_data, { keys, who: null });
  assert(results.status === "OK");
  assertEquals(Object.keys(results.data), keys);
  assertEquals((await call(toWorker, W.links, {})).length > 0, true);
  const retired = await call(toScheduler, S.retire_workers, { names: ["nobody"] });
  assertEquals(retired, {});
  assertEquals(await call(toWorker, W.close, {}), "OK");
  await assertRejects(() => toWorker.read(), CommClosed);
});

Deno.test("Scheduler takes values by the request update_data, and goes on", async () => {
  await using cluster = await startCluster({ nWorkers: 1, protocol: "tcp" });
  const { scheduler, workers: [worker] } = cluster;
  assert(worker !== undefined);
  // The client's stream is written by hand, to know the client's name.
  await using stream = await connect(scheduler.address);
  const start = await call(stream, SCHEDULER_OPERATIONS["register-client"], {
    client: "Client-by-hand" as never,
    versions: { host: {}, packages: {} },
  });
  assert(isRecord(start[0]));
  await using comm = await connect(scheduler.address);
  const reply = await call(comm, SCHEDULER_OPERATIONS.update_data, {
    who_has: { x: [worker.address] } as never,
    nbytes: { x: 8 } as never,
    client: "Client-by-hand" as never,
  });
  assertEquals(reply, null);
  const holders = await call(comm, SCHEDULER_OPERATIONS.who_has, { keys: ["x" as never] });
  assertEquals(holders, { x: [worker.address] } as never);
});
