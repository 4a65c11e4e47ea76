/**
 * Which steps lead from one state of a machine to another.
 *
 * @module
 */

import { assert } from "./assert.ts";

/** One row: a task in state `start` that is to go to `finish` takes `step`. */
export type TransitionRow<State extends number, Step> = readonly [start: State, finish: State, step: Step];

/** All steps of a machine. A pair of states that is not in it has no direct way. */
export class TransitionTable<State extends number, Step> {
  readonly #width: number;
  readonly #steps: (Step | undefined)[];

  /**
   * Makes a table.
   *
   * @param width Number of states: all are smaller.
   * @param rows The steps, one per pair of states.
   */
  constructor(width: number, rows: readonly TransitionRow<State, Step>[]) {
    this.#width = width;
    this.#steps = new Array<Step | undefined>(width * width).fill(undefined);
    for (const [start, finish, step] of rows) {
      assert(start < width && finish < width, () => `A table of ${width} states has no ${start} → ${finish}`);
      assert(!this.has(start, finish), () => `Two steps lead from state ${start} to ${finish}`);
      this.#steps[start * width + finish] = step;
    }
  }

  /** The step from `start` to `finish`; `undefined` if there is no direct one. */
  get(start: State, finish: State): Step | undefined { // hot: per transition
    return this.#steps[start * this.#width + finish];
  }

  /** Whether there is a direct step from `start` to `finish`. */
  has(start: State, finish: State): boolean {
    return this.get(start, finish) !== undefined;
  }
}
