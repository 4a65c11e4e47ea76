/**
 * The TLS flags, which scheduler and worker share.
 *
 * @module
 */

import { withConfigured } from "../comm/secure.ts";
import type { Config } from "../config/config.ts";
import { asksForTls, type Security } from "../security/security.ts";
import { type Flags, oneOf, type ParsedFlags, UsageError } from "./flags.ts";

/** Flags of Dask's `--tls-…` family. */
export const TLS_FLAGS: Flags = {
  "tls-ca-file": {
    type: "string",
    value: "PATH",
    help: "The only trusted CA, PEM",
  },
  "tls-cert": { type: "string", value: "PATH", help: "Certificate of this role, PEM" },
  "tls-key": {
    type: "string",
    value: "PATH",
    help: "Private key of this role, PEM [in the file of --tls-cert]",
  },
  "tls-ciphers": {
    type: "string",
    value: "STRING",
    help: "Allowed cipher suites, in OpenSSL's syntax, such as ECDHE+AESGCM:!AES128",
  },
  "tls-min-version": { type: "string", value: "1.2|1.3", help: "Lowest TLS version [1.2]" },
  "tls-max-version": { type: "string", value: "1.2|1.3", help: "Highest TLS version" },
  "require-encryption": { type: "boolean", help: "Refuse to listen or dial in plain text" },
  "tls-crl-file": {
    type: "string",
    value: "PATH",
    help: "Revocation lists of the CA, PEM or DER",
  },
};

/** Settings with the certificate of each role. */
const CERTIFICATES = {
  scheduler: "tlsSchedulerCert",
  worker: "tlsWorkerCert",
  client: "tlsClientCert",
} as const;

/**
 * Returns the {@linkcode Security} of the flags; `undefined` if there are none. It does not include values of
 * `config`, so that these can change while the role runs.
 *
 * @throws {UsageError} If flags and `config` together lack a part that TLS needs.
 */
export function securityFromFlags(
  role: "scheduler" | "worker" | "client",
  { text, on }: ParsedFlags,
  config: Config,
): Security | undefined {
  const cert = text["tls-cert"];
  const key = text["tls-key"];
  const ca = text["tls-ca-file"];
  const given = {
    ...ca !== undefined && { tlsCaFile: ca },
    ...cert !== undefined && certificate(role, cert),
    ...key !== undefined && privateKey(role, key),
    ...text["tls-ciphers"] !== undefined && { tlsCiphers: text["tls-ciphers"] },
    ...text["tls-min-version"] !== undefined &&
      { tlsMinVersion: oneOf("tls-min-version", text["tls-min-version"], ["1.2", "1.3"]) },
    ...text["tls-max-version"] !== undefined &&
      { tlsMaxVersion: oneOf("tls-max-version", text["tls-max-version"], ["1.2", "1.3"]) },
    ...text["tls-crl-file"] !== undefined && { tlsCrlFile: text["tls-crl-file"] },
    ...on["require-encryption"] !== undefined && { requireEncryption: on["require-encryption"] },
  } satisfies Security;
  const security = withConfigured(given, config);
  const missing = [
    security.tlsCaFile === undefined && "--tls-ca-file",
    security[CERTIFICATES[role]] === undefined && "--tls-cert",
  ].filter((flag) => flag !== false);
  if ((asksForTls(security) || security.requireEncryption === true) && missing.length > 0) {
    throw new UsageError(
      `TLS needs ${missing.join(" and ")} too: a role trusts one CA and shows a certificate of it`,
    );
  }
  return Object.keys(given).length === 0 ? undefined : given;
}

function certificate(role: "scheduler" | "worker" | "client", path: string): Security {
  switch (role) {
    case "scheduler":
      return { tlsSchedulerCert: path };
    case "worker":
      return { tlsWorkerCert: path };
    case "client":
      return { tlsClientCert: path };
  }
}

function privateKey(role: "scheduler" | "worker" | "client", path: string): Security {
  switch (role) {
    case "scheduler":
      return { tlsSchedulerKey: path };
    case "worker":
      return { tlsWorkerKey: path };
    case "client":
      return { tlsClientKey: path };
  }
}
