/**
 * What can be wrong with certificates, keys and options, before any link exists.
 *
 * @module
 */

/**
 * A security option, certificate or key can't be used. The message names the option, the file and the reason; it
 * never holds a key.
 */
export class SecurityError extends Error {
  /** Stable, for programs. */
  readonly code = "SECURITY";
  /** `"SecurityError"`. */
  override readonly name = "SecurityError";
}
