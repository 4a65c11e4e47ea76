/**
 * Errors of requests.
 *
 * @module
 */

import { DistributedError } from "../internal/errors.ts";
import type { Address } from "../messages/common.ts";
import type { RemoteErrorInfo } from "../protocol/remote_error.ts";

/** The other end could not do what it was asked; it told why. */
export class RpcError extends DistributedError {
  /** Who was asked. */
  readonly address: Address;
  /** The operation that was asked for. */
  readonly op: string;
  /** The error there. */
  readonly remote: RemoteErrorInfo;

  /** Made by `rpc/call.ts`. */
  constructor(address: Address, op: string, remote: RemoteErrorInfo, options?: ErrorOptions) {
    super("RPC_ERROR", `"${op}" failed at "${address}": ${remote.name}: ${remote.message}`, options);
    this.address = address;
    this.op = op;
    this.remote = remote;
  }
}
