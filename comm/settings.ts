/**
 * Settings that all roles read.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/errors.ts";

/** Scheme of addresses that have none. */
export interface DefaultScheme {
  /** The scheme. */
  readonly name: "tcp" | "tls" | "inproc";
  /** Whether it is the built-in default. */
  readonly isAssumed: boolean;
}

/** `distributed.comm.default-scheme`. Throws {@linkcode ConfigError}. */
export function defaultScheme(config: Config): DefaultScheme {
  const key = "distributed.comm.default-scheme";
  return { name: config.oneOf(key, ["tcp", "tls", "inproc"]) ?? "tcp", isAssumed: !config.isGiven(key) };
}

/** Operations that a role refuses, from its `blocked-handlers`. Throws {@linkcode ConfigError}. */
export function blockedHandlers(config: Config, key: string): readonly string[] {
  const value = config.get(key) ?? [];
  if (Array.isArray(value) && value.every((name) => typeof name === "string")) return value;
  throw new ConfigError(`"${key}" must be a list of names of operations (${config.origin(key)})`);
}

/** Warning about a listener in plain text that was not asked for by name. */
export function plainTextWarning(address: string): string {
  return `Listening in plain text at ${address}, and nobody is asked who they are: give certificates, or say "tcp" by ` +
    "name if that is meant (protocol, --protocol)";
}
