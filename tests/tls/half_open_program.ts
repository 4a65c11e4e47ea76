/**
 * A listener that tells what half-open links left behind, for `sockets_test.ts`: after each hundred refusals it fails if a
 * socket stays open, and prints the bytes of the heap after a collection.
 *
 * @module
 */

// deno-lint-ignore-file no-console

import { TestCa } from "../../testing/pki.ts";
import { SocketCount } from "../../testing/sockets.ts";
import { TestListener } from "../../testing/tls_pair.ts";

declare const gc: () => void;

await using listener = await TestListener.start(await (await TestCa.make()).security(), 250);
const sockets = new SocketCount();
console.log(`listening on ${listener.port}`);
for (let count = 1;; count++) {
  const { reason } = await listener.refusals.next();
  if (!/did not complete the TLS handshake in time$/.test(reason.message)) throw reason;
  if (count % 100 !== 0) continue;
  await sockets.assertSame(`${count} links`);
  gc();
  console.log(`after ${count}: ${Deno.memoryUsage().heapUsed} bytes`);
}
