/**
 * Errors of links. Match on `code` or the class; messages may change.
 *
 * @module
 */

import { DistributedError, TimeoutError } from "../internal/errors.ts";
import type { Address } from "../messages/common.ts";

/** An address can't be read, or is of a kind that this package does not have. */
export class AddressError extends DistributedError {
  /** What was given. */
  readonly address: string;

  /** Made by `comm/`. */
  constructor(address: string, message: string, options?: ErrorOptions) {
    super("BAD_ADDRESS", message, options);
    this.address = address;
  }
}

/** A link ended, by either side, or by an error on the way. */
export class CommClosed extends DistributedError {
  /** The other end. */
  readonly address: Address;

  /** Made by `comm/`. */
  constructor(address: Address, message: string, options?: ErrorOptions) {
    super("COMM_CLOSED", message, options);
    this.address = address;
  }
}

/** One of the two ends refused the other for what it is. Trying again does not help. */
export class CommAuthError extends CommClosed {
  /** `"COMM_AUTH"`. */
  override readonly code: string = "COMM_AUTH";
}

/** No link within the time-out; `cause` is what the last try met. */
export class CommTimeoutError extends TimeoutError {
  /** The other end. */
  readonly address: Address;

  /** Made by `comm/`. */
  constructor(address: Address, message: string, options?: ErrorOptions) {
    super(message, options);
    this.address = address;
  }
}
