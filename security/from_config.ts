/**
 * From Dask's settings (`distributed.comm.tls.…`) to the fields of a `Security` record.
 *
 * @module
 */

import { type Config, shown } from "../config/config.ts";
import { SecurityError } from "./material/errors.ts";

const TLS = "distributed.comm.tls";

/** Fields that are texts, and their settings below `distributed.comm.tls`. */
const TEXTS = {
  tlsCaFile: "ca-file",
  tlsCiphers: "ciphers",
  tlsClientCert: "client.cert",
  tlsClientKey: "client.key",
  tlsSchedulerCert: "scheduler.cert",
  tlsSchedulerKey: "scheduler.key",
  tlsWorkerCert: "worker.cert",
  tlsWorkerKey: "worker.key",
  tlsCrlFile: "crl-file",
} as const;

/**
 * What `config` says of certificates and policy.
 *
 * @param check Makes a record of the fields that were found; refuses unknown ones.
 * @throws {SecurityError | ConfigError} If a setting can't be used; the message has its name.
 */
export function securityFromConfig<Checked>(config: Config, check: (fields: unknown) => Checked): Checked {
  const texts = Object.entries(TEXTS).map(([field, name]) => [field, config.text(`${TLS}.${name}`)]);
  const requireEncryption = config.boolean("distributed.comm.require-encryption");
  const revoked = config.get(`${TLS}.revoked`) ?? undefined;
  const authorization = config.get(`${TLS}.authorization`);
  if (authorization === null && config.isGiven(`${TLS}.authorization`)) {
    // Rules that were cut off or commented out must not be rules that let everybody in.
    throw new SecurityError(
      `"${TLS}.authorization" is empty (${
        config.origin(`${TLS}.authorization`)
      }): give it rules, or take it out`,
    );
  }
  try {
    return check({
      ...Object.fromEntries(texts.filter(([, value]) => value !== undefined)),
      ...version(config, "tlsMinVersion", "min-version"),
      ...version(config, "tlsMaxVersion", "max-version"),
      ...revoked !== undefined && { tlsRevoked: revoked },
      ...authorization !== undefined && authorization !== null &&
        { authorization: Array.isArray(authorization) ? { rules: authorization } : authorization },
      ...requireEncryption !== undefined && { requireEncryption },
    });
  } catch (cause) {
    if (!(cause instanceof SecurityError)) throw cause;
    throw new SecurityError(`Configuration "${TLS}" (${sources(config)}): ${cause.message}`, { cause });
  }
}

/** Settings hold numbers, as in Dask. */
function version(
  config: Config,
  field: "tlsMinVersion" | "tlsMaxVersion",
  name: string,
): Readonly<Record<string, string>> {
  const key = `${TLS}.${name}`;
  const value = config.get(key) ?? undefined;
  if (value === undefined || !config.isGiven(key)) return {};
  if (value === 1.2 || value === 1.3) return { [field]: value === 1.2 ? "1.2" : "1.3" };
  throw new SecurityError(
    `"${key}" must be the number 1.2 or 1.3, without quotes, or null, not ${shown(value)} (${
      config.origin(key)
    })`,
  );
}

function sources(config: Config): string {
  const keys = [...Object.values(TEXTS), "min-version", "max-version", "revoked", "authorization"];
  const origins = keys.filter((name) => config.isGiven(`${TLS}.${name}`))
    .map((name) => config.origin(`${TLS}.${name}`));
  return [...new Set(origins)].join(", ");
}
