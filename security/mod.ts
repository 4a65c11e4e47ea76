/**
 * Certificates, keys and TLS options of a cluster.
 *
 * @example
 * ```ts ignore
 * import { Security } from "@dask/distributed/security";
 *
 * const security = await Security.temporary();
 * ```
 *
 * @module
 */

export { type RefusingSide, SecurityError, TlsRefusedError } from "./errors.ts";
export { type ExtraConnArgs, Security, type SecurityMakers, type TemporaryOptions } from "./security.ts";
