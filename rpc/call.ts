/**
 * Requests and replies over one comm: a map with an `op`, then any value back. Source: `send_recv` in
 * `distributed/core.py`.
 *
 * @module
 */

import { orAborted } from "../internal/deadline.ts";
import { isRecord, MessageError, type RawMessage } from "../messages/common.ts";
import { CONFIRMATION, type FieldsOf, type Operation } from "../messages/operations.ts";
import { decodeError, type RemoteErrorInfo } from "../protocol/remote_error.ts";
import type { Comm } from "../comm/comm.ts";
import { RpcError } from "./errors.ts";

/**
 * Sends a request, and waits for the reply. A comm carries one request at a time. If the request turns the
 * comm into a stream, the reply is the stream's first message.
 *
 * @param operation The operation's row in the table of the called role.
 * @param signal Cancels the request. The comm is aborted, because its next message would be the reply to the
 * cancelled request.
 * @returns The reply. `status: "error"` is an ordinary reply that the caller has to check.
 * @throws {RpcError} If the handler at the other end failed.
 * @throws {MessageError} If the answer is not a valid reply to this operation.
 * @throws {CommClosed} If the link ended.
 */
export async function call<Request, Reply>(
  comm: Comm,
  operation: Operation<Request, Reply>,
  request: FieldsOf<Request>,
  signal?: AbortSignal,
): Promise<Reply> {
  return await callWith(comm, operation, request, signal, () => comm.read());
}

/** Same as {@linkcode call}, with a read that has already begun; for `pool.ts`. */
export async function callWith<Request, Reply>(
  comm: Comm,
  operation: Operation<Request, Reply>,
  request: FieldsOf<Request>,
  signal: AbortSignal | undefined,
  read: () => Promise<unknown>,
): Promise<Reply> {
  signal?.throwIfAborted();
  const exchange = ask(comm, operation, request, read);
  if (signal === undefined) return await exchange;
  try {
    return await orAborted(exchange, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    comm.abort();
    await exchange.catch(() => {}); // rejects because of the abort
    throw signal.reason;
  }
}

async function ask<Request, Reply>(
  comm: Comm,
  operation: Operation<Request, Reply>,
  request: FieldsOf<Request>,
  read: () => Promise<unknown>,
): Promise<Reply> {
  const { op, answer: size } = operation;
  await comm.write(size === "stream" ? { op, ...request, reply: false } : { op, ...request });
  const answer = await read();
  if (isRecord(answer) && answer["status"] === "uncaught-error") throw remoteError(comm, op, answer);
  const reply = replyFrom(comm, operation, answer);
  if (operation.isConfirmed?.(reply) === true) await comm.write(CONFIRMATION);
  return reply;
}

function replyFrom<Reply>(comm: Comm, operation: Operation<unknown, Reply>, answer: unknown): Reply {
  try {
    return operation.reply(answer);
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    const text = `Cannot use the answer of "${comm.peerAddress}" to "${operation.op}": ${error.message}`;
    throw new MessageError(text, { cause: error });
  }
}

function remoteError(comm: Comm, op: string, reply: RawMessage): RpcError {
  return new RpcError(comm.peerAddress, op, remoteErrorOf(reply));
}

/** Returns the error of an error reply; uses its text if the error itself can't be decoded. */
export function remoteErrorOf(reply: RawMessage): RemoteErrorInfo {
  const text = reply["exception_text"];
  try {
    return decodeError(reply["exception"]);
  } catch (error) {
    if (typeof text === "string") return { name: "Error", message: text };
    return { name: "Error", message: `An error that can't be read (${String(error)})` };
  }
}
