/**
 * How long to keep asking for results that no holder gives, although the scheduler names holders.
 *
 * @module
 */

import { CommClosed } from "../../comm/errors.ts";
import type { KeyState } from "../state/key_state.ts";

/** Number of consecutive rounds with the same holders after which a wait fails. */
const ROUNDS_MAX = 10;
/** Milliseconds before the third round; later ones wait longer. */
const PAUSE_MS = 100;
const PAUSE_MAX_MS = 2000;

/** Counts the rounds in which a result was missing. */
export class Rounds {
  #holders = "";
  #count = 0;

  /**
   * Notes that the result of `state` was missing. Returns the milliseconds until the next round.
   *
   * @param failureOf Returns why a worker did not answer.
   * @throws {CommClosed} If more rounds are useless; the message names the worker and the reason.
   */
  failed(state: KeyState, failureOf: (worker: KeyState["workers"][number]) => string | undefined): number {
    const holders = `${state.key} ${state.workers.join(" ")}`;
    this.#count = holders === this.#holders ? this.#count + 1 : 1;
    this.#holders = holders;
    const [worker] = state.workers;
    if (this.#count < ROUNDS_MAX || worker === undefined) {
      return this.#count === 1 ? 0 : Math.min(PAUSE_MS * 2 ** (this.#count - 2), PAUSE_MAX_MS);
    }
    const reason = failureOf(worker) ?? "it did not give it";
    throw new CommClosed(
      worker,
      `Cannot fetch the result of "${state.key}": the scheduler says that "${worker}" holds it, but neither this ` +
        `client nor the scheduler could get it in ${ROUNDS_MAX} tries: ${reason}. Check that the worker's ` +
        `contact address can be reached`,
    );
  }
}
