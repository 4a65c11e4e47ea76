/**
 * What can be wrong with certificates, keys and options, before any link exists.
 *
 * @module
 */

/**
 * A security option, certificate or key can't be used. The message names the option, the file and the reason;
 * it never holds a key.
 */
export class SecurityError extends Error {
  /** A stable name of the kind of error. */
  readonly code = "SECURITY";
  /** `"SecurityError"`. */
  override readonly name = "SecurityError";
}
