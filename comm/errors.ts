/**
 * Errors that callers tell apart. Match on `code` or the class; messages may change.
 *
 * @module
 */

import type { Address } from "../messages/common.ts";
import type { RemoteErrorInfo } from "../protocol/remote_error.ts";

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

/** Something took longer than the caller, or a setting, allows. */
export class TimeoutError extends DistributedError {
  /** Made where a wait is limited. */
  constructor(message: string, options?: ErrorOptions) {
    super("TIMEOUT", message, options);
  }
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

/** The other end could not do what it was asked; it told why. */
export class RpcError extends DistributedError {
  /** Who was asked. */
  readonly address: Address;
  /** The operation that was asked for. */
  readonly op: string;
  /** The error there. */
  readonly remote: RemoteErrorInfo;

  /** Made by `comm/rpc.ts`. */
  constructor(address: Address, op: string, remote: RemoteErrorInfo, options?: ErrorOptions) {
    super("RPC_ERROR", `"${op}" failed at "${address}": ${remote.name}: ${remote.message}`, options);
    this.address = address;
    this.op = op;
    this.remote = remote;
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
