/**
 * Errors of requests.
 *
 * @module
 */

import { DistributedError } from "../internal/errors.ts";
import type { Address } from "../messages/common.ts";
import type { RemoteErrorInfo } from "../protocol/remote_error.ts";

/**
 * A request failed at the other end, which sent the reason.
 *
 * ```ts
 * import { Client, RpcError } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * try {
 *   console.log((await client.schedulerInfo()).type); // Scheduler
 * } catch (error) {
 *   if (!(error instanceof RpcError)) throw error;
 *   console.error(`${error.op} failed at ${error.address}: ${error.remote.message}`);
 * }
 * ```
 */
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
