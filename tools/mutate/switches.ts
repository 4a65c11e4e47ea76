/**
 * The switches of instrumented modules, which access them as `globalThis.mutationSwitches`.
 *
 * @module
 */

import type { Hits } from "./messages.ts";

/** The switches of one process. */
export class Switches {
  /** The active mutant. */
  active: string | undefined;
  /** Number of times that the active mutant was reached. */
  hits = 0;
  /** Maximum of that number. */
  mostHits = Infinity;
  /** Counts of reached mutants; if undefined, nothing is counted. */
  notes: Hits | undefined;

  /** Whether the mutant is active. */
  readonly isActive = (id: string): boolean => {
    if (id !== this.active) return false;
    if (++this.hits > this.mostHits) throw new Error("the mutant is reached too often");
    return true;
  };

  /** Counts reached mutants. */
  readonly cover = (...ids: readonly string[]): void => {
    if (this.notes === undefined) return;
    for (const id of ids) this.notes[id] = (this.notes[id] ?? 0) + 1;
  };
}
