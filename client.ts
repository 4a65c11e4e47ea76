/**
 * The client: a program that asks about a cluster when it is run, a library when it is imported.
 *
 * ```sh
 * deno run --allow-net --allow-read jsr:@dask/distributed/client status tls://127.0.0.1:8786 \
 *   --tls-ca-file ca.pem --tls-cert client.pem --tls-key client.key
 * ```
 *
 * @module
 */

import { runClient } from "./cli/client.ts";
import { runProgram } from "./cli/run.ts";

export { Client, type ClientOptions } from "./client/client.ts";
export { Security } from "./security/security.ts";

if (import.meta.main) await runProgram("client", runClient);
