/**
 * Requests and replies over one comm: a map with an `op`, then any value back. Source: `send_recv` in
 * `distributed/core.py`.
 *
 * @module
 */

import { orAborted } from "../internal/deadline.ts";
import { isRecord, type RawMessage } from "../messages/common.ts";
import type { ReplyOf, RequestOf } from "../messages/rpc.ts";
import { decodeError, type RemoteErrorInfo } from "../protocol/remote_error.ts";
import type { Comm } from "../comm/comm.ts";
import { RpcError } from "./errors.ts";

/** A request whose operation does not matter here. */
type Request = { readonly op: string };

/**
 * Asks and waits for the answer. A comm carries one request at a time.
 *
 * `get_data` has a third step, which is done here: `"OK"` is written once the data is there.
 *
 * @param signal Gives up: the comm is aborted, since its next message would be the answer to an old question.
 * @returns The reply as it came. `status: "error"` is an ordinary reply that the caller has to look at.
 * @throws {RpcError} If the other end says that the handler failed.
 * @throws {CommClosed} If the link ended.
 */
export async function call<Op extends string>(
  comm: Comm,
  request: { readonly op: Op } & RequestOf<Op>,
  signal?: AbortSignal,
): Promise<ReplyOf<Op>> {
  return await callWith(comm, request, signal, () => comm.read()) as ReplyOf<Op>;
}

/** As {@linkcode call}, for a reader that waits already; for `pool.ts`. */
export async function callWith(
  comm: Comm,
  request: Request,
  signal: AbortSignal | undefined,
  read: () => Promise<unknown>,
): Promise<unknown> {
  signal?.throwIfAborted();
  const exchange = ask(comm, request, read);
  if (signal === undefined) return await exchange;
  try {
    return await orAborted(exchange, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    comm.abort();
    await exchange.catch(() => {}); // it fails because of the abort
    throw signal.reason;
  }
}

async function ask(comm: Comm, request: Request, read: () => Promise<unknown>): Promise<unknown> {
  await comm.write(request);
  const reply = await read();
  if (isRecord(reply)) {
    if (reply["status"] === "uncaught-error") throw remoteError(comm, request.op, reply);
    if (request.op === "get_data" && reply["status"] === "OK") await comm.write("OK");
  }
  return reply;
}

function remoteError(comm: Comm, op: string, reply: RawMessage): RpcError {
  return new RpcError(comm.peerAddress, op, remoteErrorOf(reply));
}

/** What an error reply says about the error; falls back on its text if the error itself can't be read. */
export function remoteErrorOf(reply: RawMessage): RemoteErrorInfo {
  const text = reply["exception_text"];
  try {
    return decodeError(reply["exception"]);
  } catch (error) {
    if (typeof text === "string") return { name: "Error", message: text };
    return { name: "Error", message: `An error that can't be read (${String(error)})` };
  }
}
