/**
 * Round trips, batches and throughput of links whose two ends are in one process: both ends' cost together.
 *
 * `deno bench -A comm/comm_bench.ts`
 *
 * @module
 */

import { Serialized } from "../protocol/serialized.ts";
import { LinkPair } from "../testing/links.ts";
import type { Comm } from "./comm.ts";
import { BatchedSend } from "../rpc/batched.ts";
import { CommClosed } from "./errors.ts";

const KIB = 1024;
const request = { op: "heartbeat_worker", address: "tls://127.0.0.1:40000", now: 1.5, executing: {} };
const finished = {
  op: "task-finished",
  key: "inc-0123456789abcdef0123456789abcdef",
  stimulus_id: "task-finished-1700000000.5",
  run_id: 7,
  status: "OK",
  nbytes: 28,
  typename: "int",
  startstops: [{ action: "compute", start: 1700000000.1, stop: 1700000000.2 }],
};

async function echo(comm: Comm): Promise<void> {
  try {
    for (;;) await comm.write(await comm.read());
  } catch (error) {
    if (!(error instanceof CommClosed)) throw error;
  }
}

for (const scheme of ["inproc", "tcp", "tls"] as const) {
  const rounds = await LinkPair.make(scheme);
  void echo(rounds.server);
  Deno.bench(`round trip over ${scheme}`, { group: "round trip" }, async () => {
    await rounds.client.write(request);
    await rounds.client.read();
  });

  const batches = await LinkPair.make(scheme);
  const stream = new BatchedSend(batches.client);
  Deno.bench(`1000 task-finished over ${scheme}, one batch`, { group: "batch" }, async () => {
    for (let i = 0; i < 1000; i++) stream.send(finished);
    await batches.server.read();
  });

  for (const size of [64 * KIB, 1024 * KIB, 64 * 1024 * KIB]) {
    const bulk = await LinkPair.make(scheme);
    const payload = new Serialized({ serializer: "dask", type: "bytes" }, [new Uint8Array(size).fill(7)]);
    Deno.bench(`${size / KIB} KiB payload over ${scheme}`, { group: `${size / KIB} KiB` }, async () => {
      await Promise.all([bulk.client.write({ payload }), bulk.server.read()]);
    });
  }
}
