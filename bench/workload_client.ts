/**
 * A client program: reads names of workloads from its stdin, one per line, runs each, and prints the line's
 * number and the seconds as a line of JSON.
 *
 * `workload_client.ts ADDRESS CA CERT KEY SIZES`; empty names of files for `tcp://`.
 *
 * @module
 */

import { Client } from "../mod.ts";
import type { Sizes } from "./report.ts";
import { allWorkloads } from "./workloads.ts";

const [address = "", ca = "", cert = "", key = "", sizesText = "{}"] = Deno.args;
const sizes = JSON.parse(sizesText) as Sizes;
const security = { tlsCaFile: ca, tlsClientCert: cert, tlsClientKey: key };
await using client = await Client.connect(address, ca === "" ? {} : { security });
await client.waitForWorkers(2);

let answered = 0;
// The runner waits for an answer before it writes the next line, so each chunk is one line.
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const workload = allWorkloads[chunk.trim()];
  if (workload === undefined) throw new Error(`There is no workload "${chunk.trim()}"`);
  const seconds = await workload(client, sizes);
  Deno.stdout.writeSync(new TextEncoder().encode(`${answered++} ${JSON.stringify(seconds)}\n`));
}
