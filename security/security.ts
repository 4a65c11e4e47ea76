/**
 * What a role shows and what it trusts, as in Dask's `Security` (`distributed/security.py`).
 *
 * @module
 */

import { type Authorization, checkAuthorization } from "./authorization.ts";
import { parseCiphers } from "./ciphers/ciphers.ts";
import type { Config } from "../config/config.ts";
import { currentConfig } from "../config/load.ts";
import { SecurityError } from "./material/errors.ts";
import { securityFromConfig } from "./from_config.ts";
import { hidden } from "./material/hidden.ts";
import { nearest } from "../internal/nearest.ts";
import { isText } from "./material/pem.ts";
import { checkRevoked } from "./revocation.ts";
import { type TemporaryOptions, temporaryPems } from "./material/temporary.ts";

export type { TemporaryOptions } from "./material/temporary.ts";

/**
 * Socket options for `tcp://` and `tls://` links. The list is closed: anything else is refused, so that no
 * option can weaken verification.
 */
export interface ExtraConnArgs {
  /** TCP keep-alive probes. @default {true} */
  readonly keepAlive?: boolean;
  /** Send small messages at once. @default {true} */
  readonly noDelay?: boolean;
}

/**
 * Certificates, keys and TLS options. All fields are optional. A certificate, key or CA is a path, or PEM
 * text if it contains a newline.
 *
 * Both ends of a `tls://` link always verify each other against `tlsCaFile` and nothing else. Host names are
 * not checked, so use a CA that signs for this cluster only. No option turns verification off.
 */
export type Security = Readonly<{
  /** Refuse to listen and to connect in plain text. @default {true} if any `tls…` field is given */
  requireEncryption?: boolean;
  /** The only CA that is trusted; the file can contain several certificates. */
  tlsCaFile?: string;
  /**
   * Allowed suites: a cipher string of OpenSSL, such as `"ECDHE+AESGCM:!AES128"`. It says which suites of TLS
   * 1.2 are allowed; those of TLS 1.3 all are, unless it names some.
   *
   * @default All that Deno offers, which are safe
   */
  tlsCiphers?: string;
  /** Lowest TLS version. @default {"1.2"} */
  tlsMinVersion?: "1.2" | "1.3";
  /** Highest TLS version. @default {"1.3"} */
  tlsMaxVersion?: "1.2" | "1.3";
  /** Certificate of a client, with the chain behind it if there is one. */
  tlsClientCert?: string;
  /** Its private key. @default The key in the certificate's file */
  tlsClientKey?: string;
  /** Certificate of a scheduler. */
  tlsSchedulerCert?: string;
  /** Its private key. @default The key in the certificate's file */
  tlsSchedulerKey?: string;
  /** Certificate of a worker. */
  tlsWorkerCert?: string;
  /** Its private key. @default The key in the certificate's file */
  tlsWorkerKey?: string;
  /** Revocation lists of the CA, PEM or DER; the file can contain several. */
  tlsCrlFile?: string;
  /** Certificates that are no longer trusted: SHA-256 fingerprints or serial numbers, hexadecimal. */
  tlsRevoked?: readonly string[];
  /** Which certificates may play which role. @default Any certificate of the CA, any role, as in Dask */
  authorization?: Authorization;
  /** Socket options. */
  extraConnArgs?: ExtraConnArgs;
}>;

/** Makers of {@linkcode Security} records. */
export interface SecurityMakers {
  /**
   * Makes a throw-away CA and a certificate and key for each role, in memory, valid for a year, for a cluster
   * within one program. The record hides its keys from inspection and from `JSON.stringify`.
   */
  temporary(options?: TemporaryOptions): Promise<Security>;
  /**
   * Makes a record from Dask's settings `distributed.comm.tls.…` and `distributed.comm.require-encryption`.
   * Roles use it for all fields that are not set.
   *
   * @param config Default: the configuration of this program.
   * @throws {SecurityError | ConfigError} If a setting can't be used; the message has its name.
   */
  fromConfig(config?: Config): Security;
  /** Describes a record for people: paths as they are, `"Temporary (In-memory)"` instead of PEM text. */
  describe(security: Security): Readonly<Record<string, unknown>>;
}

/**
 * Makers of {@linkcode Security} records.
 *
 * ```ts
 * import { Security } from "jsr:@dask/distributed";
 *
 * const security = await Security.temporary({ shared: true });
 * console.log(Security.describe(security)["tlsCaFile"]); // Temporary (In-memory)
 * ```
 */
export const Security: SecurityMakers = {
  async temporary(options: TemporaryOptions = {}): Promise<Security> {
    const pems = await temporaryPems(options);
    const record: Security = checkSecurity({
      requireEncryption: true,
      ...pems,
      ...options.tlsMinVersion !== undefined && { tlsMinVersion: options.tlsMinVersion },
      ...options.tlsMaxVersion !== undefined && { tlsMaxVersion: options.tlsMaxVersion },
      ...options.tlsCiphers !== undefined && { tlsCiphers: options.tlsCiphers },
    });
    return hidden(record, "Security", () => describe(record));
  },
  fromConfig: (config: Config = currentConfig()): Security => securityFromConfig(config, checkSecurity),
  describe,
};

type Kind = "boolean" | "string" | "version" | "object" | "revoked" | "authorization";

const FIELDS: Readonly<Record<keyof Security, Kind>> = {
  requireEncryption: "boolean",
  tlsCaFile: "string",
  tlsCiphers: "string",
  tlsMinVersion: "version",
  tlsMaxVersion: "version",
  tlsClientCert: "string",
  tlsClientKey: "string",
  tlsSchedulerCert: "string",
  tlsSchedulerKey: "string",
  tlsWorkerCert: "string",
  tlsWorkerKey: "string",
  tlsCrlFile: "string",
  tlsRevoked: "revoked",
  authorization: "authorization",
  extraConnArgs: "object",
};

const PAIRS = [
  ["tlsClientCert", "tlsClientKey"],
  ["tlsSchedulerCert", "tlsSchedulerKey"],
  ["tlsWorkerCert", "tlsWorkerKey"],
] as const;

/**
 * A record from outside as a {@linkcode Security}: every field known, of the right type, and no
 * contradiction. Reads no file. Unset (`undefined`) fields are dropped.
 *
 * @throws {SecurityError} If something is wrong; the message names the field.
 */
export function checkSecurity(record: unknown): Security {
  if (typeof record !== "object" || record === null || Array.isArray(record)) {
    throw new SecurityError(
      `"security" must be a record such as { tlsCaFile, tlsClientCert }, not ${kindOf(record)}`,
    );
  }
  const checked: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(record)) {
    const kind = Object.hasOwn(FIELDS, field) ? FIELDS[field as keyof Security] : undefined;
    if (kind === undefined) throw unknownField(field);
    if (value === undefined) continue;
    checked[field] = checkedValue(field, kind, value);
  }
  const security = checked as Security;
  checkTogether(security);
  return hasText(security) ? hidden(security, "Security", () => describe(security)) : security;
}

/** Whether any field asks for TLS, so that plain text would be a silent fall-back. */
export function asksForTls(security: Security | undefined): boolean {
  return security !== undefined &&
    Object.entries(security).some(([field, value]) =>
      value !== undefined && (field.startsWith("tls") || field === "authorization")
    );
}

/** Whether plain text is forbidden. Unset: if any `tls…` field is given, as in Dask. */
export function requiresEncryption(security: Security | undefined): boolean {
  return security?.requireEncryption ?? asksForTls(security);
}

function unknownField(field: string): SecurityError {
  const guess = nearest(field, Object.keys(FIELDS));
  const hint = guess === undefined
    ? `known are ${Object.keys(FIELDS).join(", ")}`
    : `did you mean "${guess}"?`;
  return new SecurityError(`Unknown security option "${field}": ${hint}`);
}

/** What is nested is copied: who changes it afterwards changes nothing here. */
function checkedValue(field: string, kind: Kind, value: unknown): unknown {
  if (kind === "authorization") return checkAuthorization(value);
  if (kind === "revoked") return checkRevoked(value);
  checkValue(field, kind, value);
  return kind === "object" ? { ...value as object } : value;
}

function checkValue(field: string, kind: Kind, value: unknown): void {
  if (kind === "version") {
    if (value !== "1.2" && value !== "1.3") {
      throw new SecurityError(`Security option "${field}" must be "1.2" or "1.3", not ${shown(value)}`);
    }
    return;
  }
  // Values of the wrong type are named by their type only: one of them may hold a key.
  if (typeof value !== kind || value === null) {
    throw new SecurityError(`Security option "${field}" must be ${article(kind)}, not ${kindOf(value)}`);
  }
  if (value === "") {
    throw new SecurityError(`Security option "${field}" is empty: leave it out, or name a file`);
  }
  if (field === "extraConnArgs") checkConnArgs(value as object);
}

function checkConnArgs(args: object): void {
  const known = ["keepAlive", "noDelay"];
  for (const [name, value] of Object.entries(args)) {
    if (!known.includes(name)) {
      throw new SecurityError(
        `Unknown connection option "extraConnArgs.${name}": only ${
          known.join(" and ")
        } can be set; none of TLS's own`,
      );
    }
    if (typeof value !== "boolean" && value !== undefined) {
      throw new SecurityError(
        `Connection option "extraConnArgs.${name}" must be a boolean, not ${kindOf(value)}`,
      );
    }
  }
}

function checkTogether(security: Security): void {
  const { tlsMinVersion = "1.2", tlsMaxVersion = "1.3" } = security;
  if (tlsMinVersion > tlsMaxVersion) {
    throw new SecurityError(`"tlsMinVersion" ${tlsMinVersion} is above "tlsMaxVersion" ${tlsMaxVersion}`);
  }
  if (security.tlsCiphers !== undefined) parseCiphers(security.tlsCiphers, tlsMinVersion, tlsMaxVersion);
  if (security.authorization !== undefined && !requiresEncryption(security)) {
    throw new SecurityError(
      '"authorization" goes by certificates, and plain text has none: give "tlsCaFile" and certificates, and leave ' +
        '"requireEncryption" on',
    );
  }
  for (const [cert, key] of PAIRS) {
    if (security[key] !== undefined && security[cert] === undefined) {
      throw new SecurityError(`"${key}" is given without "${cert}", the certificate that it belongs to`);
    }
  }
}

function describe(security: Security): Readonly<Record<string, unknown>> {
  const told: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(security)) {
    if (value === undefined || !Object.hasOwn(FIELDS, field)) continue;
    told[field] = typeof value === "string" && isText(value) ? "Temporary (In-memory)" : value;
  }
  return told;
}

function hasText(security: Security): boolean {
  return Object.values(security).some((value) => typeof value === "string" && isText(value));
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : article(typeof value);
}

function article(kind: string): string {
  return kind === "undefined" ? kind : `${kind === "object" ? "an" : "a"} ${kind}`;
}

function shown(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? JSON.stringify(value) : kindOf(value);
}
