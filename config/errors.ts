/**
 * What can be wrong with configuration.
 *
 * @module
 */

/**
 * A setting, or a file of settings, can't be used. The message says where it comes from.
 *
 * ```ts
 * import { ConfigError, loadConfig } from "jsr:@dask/distributed";
 *
 * try {
 *   loadConfig({ path: "no/such/file.yaml" });
 * } catch (error) {
 *   console.log(error instanceof ConfigError && error.code); // CONFIG
 * }
 * ```
 */
export class ConfigError extends Error {
  /** A stable name of the kind of error. */
  readonly code = "CONFIG";
  /** `"ConfigError"`. */
  override readonly name = "ConfigError";
}
