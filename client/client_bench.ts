/**
 * Benchmarks of submitting: from functions and arguments to the message with the graph, and the handling of
 * reports.
 *
 * @module
 */

import type { Comm } from "../comm/comm.ts";
import { listen } from "../comm/listen.ts";
import { Client } from "./client.ts";

const TASKS = 10_000;

/** A scheduler that finishes every task at once. */
async function serve(comm: Comm): Promise<void> {
  await comm.read();
  await comm.write([{ op: "stream-start" }]);
  try {
    for (;;) {
      const batch = await comm.read() as readonly { readonly op: string; readonly groups?: unknown }[];
      for (const message of batch) {
        if (message.op === "update-graph") await comm.write(reports(message.groups));
      }
    }
  } catch {
    comm.abort(); // the client left
  }
}

function reports(groups: unknown): unknown[] {
  const found: unknown[] = [];
  for (const { tasks } of groups as readonly { readonly tasks: readonly [string][] }[]) {
    for (const [key] of tasks) found.push({ op: "key-in-memory", key, workers: [], result: RESULT });
  }
  return found;
}

const RESULT = Uint8Array.of(1);
const listener = await listen("inproc://", { onComm: (comm) => void serve(comm) });
const client = await Client.connect(listener.contactAddress);
addEventListener("unload", () => void client.close());

const inc = (x: number) => x + 1;
let next = 0;

Deno.bench(`Client.submit: ${TASKS} tasks in a turn, and their release`, async () => {
  const futures = Array.from({ length: TASKS }, () => client.submit(inc, next++));
  await Promise.resolve();
  for (const future of futures) future.release();
});

Deno.bench(`Client.gather: ${TASKS} tasks whose results come along`, async () => {
  const futures = client.map(inc, Array.from({ length: TASKS }, () => next++));
  await client.gather(futures);
  for (const future of futures) future.release();
});
