/**
 * What can be wrong with certificates, keys and options, before any link exists.
 *
 * @module
 */

/**
 * A security option, certificate or key can't be used. The message names the option, the file and the reason;
 * it never holds a key.
 *
 * ```ts
 * import { Scheduler } from "jsr:@dask/distributed";
 * import { SecurityError } from "jsr:@dask/distributed/security";
 *
 * const security = { tlsCaFile: "no-such-ca.pem" };
 * const error = await Scheduler.start({ port: 0, security }).catch((reason: unknown) => reason);
 * console.log(error instanceof SecurityError && error.code); // SECURITY
 * ```
 */
export class SecurityError extends Error {
  /** A stable name of the kind of error. */
  readonly code = "SECURITY";
  /** `"SecurityError"`. */
  override readonly name = "SecurityError";
}
