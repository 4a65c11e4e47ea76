/**
 * A user's program: maps a trivial function over distinct numbers, gathers, checks. Prints the seconds of each
 * round as JSON.
 *
 * `map_gather.ts ADDRESS CA CERT KEY TASKS ROUNDS`; without certificates for `tcp://`.
 *
 * @module
 */

import { Client } from "../mod.ts";

const [address = "", ca = "", cert = "", key = "", tasks = "10000", rounds = "5"] = Deno.args;
const count = Number(tasks);
const tls = { tlsCaFile: ca, tlsClientCert: cert, tlsClientKey: key };
await using client = await Client.connect(address, ca === "" ? {} : { security: tls });
await client.waitForWorkers(2);

const seconds: number[] = [];
for (let round = 0; round < Number(rounds); round++) {
  const inputs = Array.from({ length: count }, (_, i) => round * count + i);
  const start = performance.now();
  const futures = client.map((x: number) => x + 1, inputs);
  const values = await client.gather(futures);
  seconds.push((performance.now() - start) / 1000);
  if (!values.every((value, i) => value === round * count + i + 1)) throw new Error("Wrong results");
  for (const future of futures) future.release();
}
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(seconds)}\n`));
