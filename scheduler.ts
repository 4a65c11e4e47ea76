/**
 * The scheduler: a program when it is run, a library when it is imported.
 *
 * ```sh
 * deno run --allow-net --allow-read jsr:@dask/distributed/scheduler \
 *   --tls-ca-file ca.pem --tls-cert scheduler.pem --tls-key scheduler.key
 * ```
 *
 * @module
 */

import { runProgram } from "./cli/run.ts";
import { startScheduler } from "./cli/scheduler.ts";

export {
  type DownscaleOptions,
  type RetireOptions,
  Scheduler,
  type SchedulerOptions,
} from "./scheduler/scheduler.ts";
export { Security } from "./security/security.ts";

if (import.meta.main) await runProgram("scheduler", startScheduler);
