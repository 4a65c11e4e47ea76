/**
 * Errors of links. Match on `code` or the class; messages may change.
 *
 * @module
 */

import { DistributedError, TimeoutError } from "../internal/errors.ts";
import type { Address } from "../messages/common.ts";

/**
 * An address can't be parsed, or has a scheme that this package does not support.
 *
 * ```ts
 * import { AddressError, Client } from "jsr:@dask/distributed";
 *
 * const error = await Client.connect("http://127.0.0.1:8786").catch((reason: unknown) => reason);
 * console.log(error instanceof AddressError && error.address); // http://127.0.0.1:8786
 * ```
 */
export class AddressError extends DistributedError {
  /** What was given. */
  readonly address: string;

  /** Made by `comm/`. */
  constructor(address: string, message: string, options?: ErrorOptions) {
    super("BAD_ADDRESS", message, options);
    this.address = address;
  }
}

/**
 * A link ended: one side closed it, or the connection failed.
 *
 * ```ts
 * import { Client, CommClosed, Scheduler } from "jsr:@dask/distributed";
 *
 * const scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, protocol: "tcp" });
 * await using client = await Client.connect(scheduler.address);
 * await scheduler.close();
 * const error = await client.schedulerInfo().catch((reason: unknown) => reason);
 * console.log(error instanceof CommClosed && error.address === client.schedulerAddress); // true
 * ```
 */
export class CommClosed extends DistributedError {
  /** The other end. */
  readonly address: Address;

  /** Made by `comm/`. */
  constructor(address: Address, message: string, options?: ErrorOptions) {
    super("COMM_CLOSED", message, options);
    this.address = address;
  }
}

/**
 * One end refused the other's identity, such as its certificate. Trying again does not help.
 *
 * ```ts
 * import { Client, CommAuthError, Scheduler, Security } from "jsr:@dask/distributed";
 *
 * const [security, other] = [await Security.temporary(), await Security.temporary()];
 * await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
 * const error = await Client.connect(scheduler.address, { security: other }).catch((reason: unknown) => reason);
 * console.log(error instanceof CommAuthError && error.code); // COMM_AUTH
 * ```
 */
export class CommAuthError extends CommClosed {
  /** `"COMM_AUTH"`. */
  override readonly code: string = "COMM_AUTH";
}

/**
 * No link could be opened within the time-out; `cause` is the error of the last try.
 *
 * ```ts
 * import { Client, CommTimeoutError } from "jsr:@dask/distributed";
 *
 * const options = { timeout: 200 }; // milliseconds
 * const error = await Client.connect("tcp://127.0.0.1:1", options).catch((reason: unknown) => reason);
 * console.log(error instanceof CommTimeoutError && error.address); // tcp://127.0.0.1:1
 * ```
 */
export class CommTimeoutError extends TimeoutError {
  /** The other end. */
  readonly address: Address;

  /** Made by `comm/`. */
  constructor(address: Address, message: string, options?: ErrorOptions) {
    super(message, options);
    this.address = address;
  }
}
