/**
 * The user's program of `tls_cost.ts`: does one map+gather per line of its stdin, with arguments that no task had
 * before, and prints the seconds.
 *
 * `rounds_client.ts ADDRESS CA CERT KEY TASKS`; empty names of files for `tcp://`.
 *
 * @module
 */

import { Client } from "../mod.ts";

const [address = "", ca = "", cert = "", key = "", tasks = "1000"] = Deno.args;
const security = { tlsCaFile: ca, tlsClientCert: cert, tlsClientKey: key };
await using client = await Client.connect(address, ca === "" ? {} : { security });
await client.waitForWorkers(2);

let used = 0;
for await (const _go of Deno.stdin.readable) {
  const inputs = Array.from({ length: Number(tasks) }, () => used++);
  const start = performance.now();
  const futures = client.map((x: number) => x + 1, inputs);
  const values = await client.gather(futures);
  const seconds = (performance.now() - start) / 1000;
  if (!values.every((value, i) => value === (inputs[i] ?? NaN) + 1)) throw new Error("Wrong result of map");
  for (const future of futures) future.release();
  Deno.stdout.writeSync(new TextEncoder().encode(`${seconds}\n`));
}
