/**
 * Callbacks that wait for the ends of tasks.
 *
 * @module
 */

import type { KeyState } from "../state/key_state.ts";

/** Callbacks by task. */
export class Watchers {
  readonly #byState = new Map<KeyState, (() => void)[]>();

  /**
   * Calls `watcher` once, when `state` ends. The task must not have ended yet, and `watcher` must not throw.
   */
  add(state: KeyState, watcher: () => void): void {
    const others = this.#byState.get(state);
    if (others === undefined) this.#byState.set(state, [watcher]);
    else others.push(watcher);
  }

  /** Removes a watcher. */
  remove(state: KeyState, watcher: () => void): void {
    const left = this.#byState.get(state)?.filter((other) => other !== watcher) ?? [];
    if (left.length > 0) this.#byState.set(state, left);
    else this.#byState.delete(state);
  }

  /** Calls the watchers of `states`, which ended. */
  tell(states: readonly KeyState[]): void {
    for (const state of states) { // hot: per task
      const watchers = this.#byState.get(state);
      if (watchers === undefined) continue;
      this.#byState.delete(state);
      for (const watcher of watchers) watcher();
    }
  }
}
