/**
 * Transitions that other transitions ask for, processed last in, first out.
 *
 * Dask keeps them in a dict that it pops from the end: a second recommendation for a task replaces the first in its
 * place. Here the place is on a stack and the recommendation in the task, so that none of it allocates.
 *
 * @module
 */

import type { StateCode, TaskState } from "./task_state.ts";

/** The pending recommendations of one machine. */
export class Recommendations {
  readonly #stack: TaskState[] = [];

  /** Recommends that `ts` goes to `state`. */
  add(ts: TaskState, state: StateCode): void {
    if (ts.recommended === -1) this.#stack.push(ts);
    ts.recommended = state;
  }

  /** Takes back what was recommended for `ts`, and returns it; -1 if nothing was. */
  take(ts: TaskState): StateCode | -1 {
    const state = ts.recommended;
    ts.recommended = -1;
    return state;
  }

  /** Next task that has a recommendation, which stays for {@linkcode Recommendations.take}. */
  pop(): TaskState | undefined {
    for (;;) {
      const ts = this.#stack.pop();
      if (ts === undefined || ts.recommended !== -1) return ts;
    }
  }
}
