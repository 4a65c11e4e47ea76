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

export type { Authorization, CertificateRule } from "./authorization.ts";
export { SecurityError } from "./material/errors.ts";
export { type RefusalKind, type RefusingSide, TlsRefusedError } from "./verdict.ts";
export type { ClientAccess } from "../messages/grant.ts";
export { type ExtraConnArgs, Security, type SecurityMakers, type TemporaryOptions } from "./security.ts";
export type { TlsRole } from "./roles.ts";
