/**
 * Function bodies that clients send.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { ClientStreamMessage } from "../messages/client_scheduler.ts";
import { MessageError } from "../messages/common.ts";

/**
 * Checks that bodies have the hashes that they go by: the scheduler keeps a body for all clients, and one
 * under the hash of another's function would run as theirs.
 *
 * @throws {MessageError} If one has not.
 */
export function checkFunctions(messages: readonly ClientStreamMessage[]): void {
  for (const message of messages) { // hot: per message
    if (message.op !== "update-graph") continue;
    for (const [hash, body] of Object.entries(message.functions)) {
      if (createHash("sha256").update(body).digest("hex") === hash) continue;
      throw new MessageError(`Cannot handle "update-graph": the body of function ${hash} has another hash`);
    }
  }
}
