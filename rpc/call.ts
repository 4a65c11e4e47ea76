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
 * Asks and waits for the answer. A comm carries one request at a time. A request that makes the comm a stream
 * is answered by the stream's first message.
 *
 * @param operation The row of the operation, in the table of the role that is asked.
 * @param signal Gives up: the comm is aborted, since its next message would be the answer to an old question.
 * @returns The reply. `status: "error"` is an ordinary reply that the caller has to look at.
 * @throws {RpcError} If the other end says that the handler failed.
 * @throws {MessageError} If what it answers is no reply to this operation.
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

/** As {@linkcode call}, for a reader that waits already; for `pool.ts`. */
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
    await exchange.catch(() => {}); // it fails because of the abort
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
