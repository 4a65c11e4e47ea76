/**
 * Function bodies that clients send.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { ClientStreamMessage } from "../messages/client_scheduler.ts";
import { MessageError } from "../messages/common.ts";

/**
 * Checks that the hash of each body is correct. All clients share the bodies, so a body under a wrong hash
 * would run in place of another client's function.
 *
 * @throws {MessageError} If a hash is wrong.
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
