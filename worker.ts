/**
 * The worker: a program when it is run, a library when it is imported.
 *
 * ```sh
 * deno run --allow-net --allow-read jsr:@dask/distributed/worker tls://10.0.0.5:8786 \
 *   --tls-ca-file ca.pem --tls-cert worker.pem --tls-key worker.key
 * ```
 *
 * @module
 */

import { runProgram } from "./cli/run.ts";
import { startWorkers } from "./cli/worker.ts";

export { Security } from "./security/security.ts";
export { Worker, type WorkerOptions } from "./worker/worker.ts";

if (import.meta.main) await runProgram("worker", startWorkers);
