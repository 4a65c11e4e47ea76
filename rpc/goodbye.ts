/**
 * Last messages of roles that end. A peer that does not answer must not delay a role's end.
 *
 * @module
 */

import { getLogger } from "../config/logging.ts";
import type { Clock } from "../internal/clock.ts";
import { Deadline } from "../internal/deadline.ts";
import { messageOf, TimeoutError } from "../internal/errors.ts";

const logger = getLogger("distributed.core");

/** Maximum milliseconds for a goodbye. */
const GOODBYE_MS = 2000;

/**
 * Runs `say`; its signal is aborted after a time-out. Never rejects: a failed goodbye is only logged, because
 * the peer notices the end of the link anyway.
 *
 * @param peer Name of the peer, for the log.
 */
export async function sayGoodbye(
  peer: string,
  clock: Clock,
  say: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const noAnswer = () => new TimeoutError("No answer to a goodbye");
  using deadline = new Deadline({ timeout: GOODBYE_MS }, noAnswer, clock);
  const { signal } = deadline;
  if (signal === undefined) return; // created together with the time-out
  try {
    await say(signal);
  } catch (error) {
    logger.debug(`Goodbye to ${peer} failed: ${messageOf(error)}`);
  }
}
