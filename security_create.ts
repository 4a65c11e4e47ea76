/**
 * Makes the certificates of a cluster: a CA, and a pair for each role.
 *
 * ```sh
 * deno run --allow-read=certs --allow-write=certs jsr:@dask/distributed/security/create certs
 * ```
 *
 * They are X.509 v3, P-256, and work unchanged in Python's Dask.
 *
 * @module
 */

import { createCertificates } from "./cli/create.ts";
import { runProgram } from "./cli/run.ts";

if (import.meta.main) await runProgram("create", createCertificates);
