/**
 * What can be wrong with configuration.
 *
 * @module
 */

/** A setting, or a file of settings, can't be used. The message says where it comes from. */
export class ConfigError extends Error {
  /** Stable, for programs. */
  readonly code = "CONFIG";
  /** `"ConfigError"`. */
  override readonly name = "ConfigError";
}
