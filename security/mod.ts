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
export { type RefusalKind, type RefusingSide, SecurityError, TlsRefusedError } from "./errors.ts";
export type { ClientAccess } from "../internal/access.ts";
export {
  type ExtraConnArgs,
  Security,
  type SecurityMakers,
  type TemporaryOptions,
  type TlsRole,
} from "./security.ts";
