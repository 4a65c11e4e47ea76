/**
 * From a {@linkcode Security} record and configuration to the options that links take.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/errors.ts";
import { currentConfig, filesOf, reloadConfig } from "../config/load.ts";
import { compressionSetting } from "../protocol/compression.ts";
import { loadTlsContext, type SecuritySource } from "../security/live/context.ts";
import { asksForTls, checkSecurity, requiresEncryption, Security } from "../security/security.ts";
import type { TlsRole } from "../security/roles.ts";
import { linkLimits } from "./limits/limits.ts";
import type { LinkOptions } from "./link_options.ts";

/** A key that belongs to a certificate does not belong to another one. */
const PAIRS = [
  ["tlsClientCert", "tlsClientKey"],
  ["tlsSchedulerCert", "tlsSchedulerKey"],
  ["tlsWorkerCert", "tlsWorkerKey"],
] as const;

/**
 * Reads and checks what `security` names for `role`; what it does not say, `config` does.
 *
 * @param config Default: the configuration of this program.
 * @throws {SecurityError | ConfigError} If the record, a setting, or a file that they name, can't be used.
 */
export async function linkOptions(
  security: Security | undefined,
  role: TlsRole,
  config: Config = currentConfig(),
): Promise<LinkOptions> {
  const checked = withConfigured(security, config);
  const source: SecuritySource = {
    read: (given = security) => withConfigured(given, reloadConfig(config)),
    files: filesOf(config),
  };
  return {
    context: asksForTls(checked) ? await loadTlsContext(checked, role, source) : undefined,
    requireEncryption: requiresEncryption(checked),
    compression: compressionOf(config),
    timeout: config.milliseconds("distributed.comm.timeouts.connect"),
    limits: linkLimits(config),
  };
}

/**
 * `security`, and for each field that it does not have what `config` says, as in Dask. A key is taken from
 * `config` only along with its certificate.
 *
 * @throws {SecurityError | ConfigError} If the record or a setting can't be used.
 */
export function withConfigured(security: Security | undefined, config: Config): Security {
  const configured = Security.fromConfig(config);
  if (security === undefined) return configured;
  const checked = checkSecurity(security);
  const others: Record<string, unknown> = { ...configured };
  for (const [cert, key] of PAIRS) if (checked[cert] !== undefined) delete others[key];
  return checkSecurity({ ...others, ...checked });
}

function compressionOf(config: Config): string | null {
  const key = "distributed.comm.compression";
  const setting = config.get(key);
  try {
    return compressionSetting(setting);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new ConfigError(`"${key}": ${cause.message} (${config.origin(key)})`, { cause });
  }
}
