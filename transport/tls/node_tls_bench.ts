/** Both ends of one link in this process: what TLS costs per byte and per small message. */

import { StreamPair } from "../../testing/tls_pair.ts";
import { Security } from "../../security/security.ts";

const pair = await StreamPair.make(await Security.temporary());
const small = new Uint8Array(200);
const large = new Uint8Array(16 * 1024 * 1024);

async function transfer(
  from: StreamPair["dialled"],
  to: StreamPair["dialled"],
  bytes: Uint8Array,
): Promise<void> {
  const write = from.write([bytes]);
  for (let length = 0; length < bytes.length;) length += (await to.read())?.length ?? Infinity;
  await write;
}

Deno.bench("tls round trip of 200 bytes", async () => {
  await transfer(pair.dialled, pair.accepted, small);
  await transfer(pair.accepted, pair.dialled, small);
});

Deno.bench("tls 16 MiB to the dialled end (onread)", async () => {
  await transfer(pair.accepted, pair.dialled, large);
});

Deno.bench("tls 16 MiB to the accepted end (data)", async () => {
  await transfer(pair.dialled, pair.accepted, large);
});
