/**
 * Certificates, keys and TLS options of a cluster.
 *
 * ```ts
 * import { Security } from "jsr:@dask/distributed/security";
 *
 * const security: Security = { tlsCaFile: "ca.pem", tlsClientCert: "client.pem", tlsClientKey: "client.key" };
 * console.log(Security.describe(security)["tlsCaFile"]); // ca.pem
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
