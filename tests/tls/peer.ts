/**
 * One end of a link as a process of its own: `peer.ts listen DIR` or `peer.ts dial DIR PORT`. `DIR` holds `ca.pem`,
 * `cert.pem` and `key.pem`. Prints a line for everything that happens.
 *
 * @module
 */

import { loadTlsContext } from "../../security/context.ts";
import { nodeTls } from "../../security/node_tls.ts";
import type { Security } from "../../security/security.ts";

const [what, directory, port] = Deno.args;
const pair = [`${directory}/cert.pem`, `${directory}/key.pem`] as const;
const security: Security = {
  tlsCaFile: `${directory}/ca.pem`,
  tlsClientCert: pair[0],
  tlsClientKey: pair[1],
  tlsSchedulerCert: pair[0],
  tlsSchedulerKey: pair[1],
};

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (what === "listen") {
  const listener = await nodeTls.listen({
    hostname: "127.0.0.1",
    port: 0,
    context: await loadTlsContext(security, "scheduler"),
    onConnection: async (stream) => {
      print(`LINKED ${stream.tls?.peer.subject}`);
      for (;;) {
        const chunk = await stream.read();
        if (chunk === null) break;
        await stream.write([chunk]);
      }
      await stream.close();
    },
    onRefused: (reason) => print(`REFUSED ${reason.message}`),
  });
  print(`LISTENING ${listener.addr.port}`);
} else {
  try {
    const context = await loadTlsContext(security, "client");
    const stream = await nodeTls.dial({ hostname: "127.0.0.1", port: Number(port), context });
    print(`LINKED ${stream.tls?.peer.subject}`);
    await stream.close();
  } catch (error) {
    print(`REFUSED ${error instanceof Error ? error.message : error}`);
  }
}
