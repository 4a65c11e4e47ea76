/**
 * Goodbyes of roles that end. A peer that does not answer must not keep a role from ending.
 *
 * @module
 */

import { getLogger } from "../config/logging.ts";
import type { Clock } from "../internal/clock.ts";
import { Deadline } from "../internal/deadline.ts";
import { messageOf, TimeoutError } from "../internal/errors.ts";

const logger = getLogger("distributed.core");

/** Milliseconds that a goodbye may take. */
const GOODBYE_MS = 2000;

/**
 * Runs `say`, whose signal is aborted when it has taken too long. Never rejects: that a goodbye failed is
 * told in the log only, as the peer notices the end of the link anyway.
 *
 * @param whom Name of the peer, for the log.
 */
export async function sayGoodbye(
  whom: string,
  clock: Clock,
  say: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const noAnswer = () => new TimeoutError("No answer to a goodbye");
  using deadline = new Deadline({ timeout: GOODBYE_MS }, noAnswer, clock);
  const { signal } = deadline;
  if (signal === undefined) return; // a time-out makes one
  try {
    await say(signal);
  } catch (error) {
    logger.debug(`Goodbye to ${whom} failed: ${messageOf(error)}`);
  }
}
