/**
 * What can be wrong with configuration.
 *
 * @module
 */

/** A setting, or a file of settings, can't be used. The message says where it comes from. */
export class ConfigError extends Error {
  /** A stable name of the kind of error. */
  readonly code = "CONFIG";
  /** `"ConfigError"`. */
  override readonly name = "ConfigError";
}
