/**
 * Transitions that other transitions of a state machine ask for, made last in, first out.
 *
 * Dask keeps them in a dict that it pops from the end: a second recommendation for a task replaces the first
 * in its place. Here the place is on a stack and the recommendation in the task, so that none of it
 * allocates.
 *
 * @module
 */

import { assert } from "./assert.ts";

/** The number that stands for no state in every machine. */
export const NO_STATE = 0;

/** What can be recommended to go to another state. */
export interface Recommendable<State extends number> {
  /**
   * The state that it is to go to next, {@linkcode NO_STATE} for none. Written by
   * {@linkcode Recommendations}.
   */
  recommended: State | typeof NO_STATE;
}

/** The pending recommendations of one machine. */
export class Recommendations<State extends number, Task extends Recommendable<State>> {
  readonly #stack: Task[] = [];

  /** Recommends that `ts` goes to `state`. */
  add(ts: Task, state: State): void { // hot: per task
    assert(state !== NO_STATE, "A recommendation names no state");
    if (ts.recommended === NO_STATE) this.#stack.push(ts);
    ts.recommended = state;
  }

  /** Takes back what was recommended for `ts`, and returns it; {@linkcode NO_STATE} if nothing was. */
  take(ts: Task): State | typeof NO_STATE {
    const state = ts.recommended;
    ts.recommended = NO_STATE;
    return state;
  }

  /** Next task that has a recommendation, which stays for {@linkcode Recommendations.take}. */
  pop(): Task | undefined { // hot: per task
    for (;;) {
      const ts = this.#stack.pop();
      if (ts === undefined || ts.recommended !== NO_STATE) return ts;
    }
  }
}
