/**
 * Errors that callers tell apart. Match on `code` or the class; messages may change.
 *
 * @module
 */

/**
 * Base of all errors of this package that a program may want to catch.
 *
 * ```ts
 * import { Client, DistributedError } from "jsr:@dask/distributed";
 *
 * const error = await Client.connect("tcp://nowhere:port").catch((reason: unknown) => reason);
 * if (error instanceof DistributedError) console.log(error.code); // BAD_ADDRESS
 * ```
 */
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

/**
 * A wait took longer than the caller or a setting allows.
 *
 * ```ts
 * import { Client, TimeoutError } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * const future = client.submit(() => new Promise<never>(() => {}));
 * const error = await future.result({ timeout: "0.1s" }).catch((reason: unknown) => reason);
 * console.log(error instanceof TimeoutError, future.status); // true pending
 * await future.cancel();
 * ```
 */
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
