/**
 * Errors of links. Match on `code` or the class; messages may change.
 *
 * @module
 */

import { DistributedError, TimeoutError } from "../internal/errors.ts";
import type { Address } from "../messages/common.ts";

/** An address can't be parsed, or has a scheme that this package does not support. */
export class AddressError extends DistributedError {
  /** What was given. */
  readonly address: string;

  /** Made by `comm/`. */
  constructor(address: string, message: string, options?: ErrorOptions) {
    super("BAD_ADDRESS", message, options);
    this.address = address;
  }
}

/** A link ended: one side closed it, or the connection failed. */
export class CommClosed extends DistributedError {
  /** The other end. */
  readonly address: Address;

  /** Made by `comm/`. */
  constructor(address: Address, message: string, options?: ErrorOptions) {
    super("COMM_CLOSED", message, options);
    this.address = address;
  }
}

/** One end refused the other's identity, such as its certificate. Trying again does not help. */
export class CommAuthError extends CommClosed {
  /** `"COMM_AUTH"`. */
  override readonly code: string = "COMM_AUTH";
}

/** No link could be opened within the time-out; `cause` is the error of the last try. */
export class CommTimeoutError extends TimeoutError {
  /** The other end. */
  readonly address: Address;

  /** Made by `comm/`. */
  constructor(address: Address, message: string, options?: ErrorOptions) {
    super(message, options);
    this.address = address;
  }
}
