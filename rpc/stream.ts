/**
 * The reading half of a stream: lists of maps with an `op`, no replies. Source: `handle_stream` in
 * `distributed/core.py`.
 *
 * @module
 */

import { isRecord, MessageError, type RawMessage } from "../messages/common.ts";
import { STREAM_END } from "../messages/operations.ts";
import type { Comm } from "../comm/comm.ts";

/** How a stream ended. */
export interface StreamEnd {
  /** Whether the peer sent `close-stream`. */
  readonly orderly: boolean;
  /** Any other reason: the link ended (usually `CommClosed`), or a message could not be decoded. */
  readonly error: unknown;
}

/**
 * Reads until the stream ends, then closes the comm. `onMessages` gets the messages of one batch, in order,
 * and is not awaited.
 *
 * @throws The error that `onMessages` throws, after the comm was aborted: a message that can't be handled
 * ends the stream.
 * @throws {MessageError} If a message is not a map with an `op`; the comm is aborted, too.
 */
export async function handleStream(
  comm: Comm,
  onMessages: (messages: readonly RawMessage[]) => void,
): Promise<StreamEnd> {
  try {
    for (;;) {
      let batch: unknown;
      try {
        batch = await comm.read();
      } catch (error) {
        comm.abort();
        return { orderly: false, error };
      }
      const messages = Array.isArray(batch) ? batch as readonly unknown[] : [batch];
      const end = endOf(messages);
      if (end === messages.length) {
        onMessages(messages as readonly RawMessage[]);
        continue;
      }
      if (end > 0) onMessages(messages.slice(0, end) as readonly RawMessage[]);
      if (messages[end] === "OK") continue;
      await comm.close();
      return { orderly: true, error: undefined };
    }
  } catch (error) {
    comm.abort();
    throw error;
  }
}

/** Returns the index of the message that ends the batch: `"OK"` ends the batch, `close-stream` the stream. */
function endOf(messages: readonly unknown[]): number { // hot: per message
  for (let i = 0; i < messages.length; i++) {
    const message = messages[i];
    if (message === "OK") return i;
    if (!isRecord(message) || typeof message["op"] !== "string") {
      throw new MessageError(`Cannot handle a stream's message: it must be a map with "op"`);
    }
    if (message["op"] === STREAM_END) return i;
  }
  return messages.length;
}
