/**
 * Errors of requests.
 *
 * @module
 */

import { DistributedError } from "../internal/errors.ts";
import type { Address } from "../messages/common.ts";
import type { RemoteErrorInfo } from "../protocol/remote_error.ts";

/** A request failed at the other end, which sent the reason. */
export class RpcError extends DistributedError {
  /** Address of the role that was asked. */
  readonly address: Address;
  /** Name of the operation. */
  readonly op: string;
  /** The error at the other end. */
  readonly remote: RemoteErrorInfo;

  /** Made by `rpc/call.ts`. */
  constructor(address: Address, op: string, remote: RemoteErrorInfo, options?: ErrorOptions) {
    super("RPC_ERROR", `"${op}" failed at "${address}": ${remote.name}: ${remote.message}`, options);
    this.address = address;
    this.op = op;
    this.remote = remote;
  }
}
