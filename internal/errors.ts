/**
 * Errors that callers tell apart. Match on `code` or the class; messages may change.
 *
 * @module
 */

/** Base of all errors of this package that a program may want to catch. */
export class DistributedError extends Error {
  /** Stable name of the kind of error, such as `"COMM_CLOSED"`. */
  readonly code: string;

  /** Made by subclasses. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // Not a field: subclasses get their own name, and it does not show up among the data of an error.
    Object.defineProperty(this, "name", {
      value: new.target.name,
      configurable: true,
      writable: true,
      enumerable: false,
    });
  }
}

/** A wait took longer than the caller or a setting allows. */
export class TimeoutError extends DistributedError {
  /** Made by waits with a time-out. */
  constructor(message: string, options?: ErrorOptions) {
    super("TIMEOUT", message, options);
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
