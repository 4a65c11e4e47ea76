/**
 * What instrumented modules ask and tell. They find it as `globalThis.mutationSwitches`.
 *
 * @module
 */

import type { Hits } from "./messages.ts";

/** The switches of one process. */
export class Switches {
  /** The mutant that takes the place of what is written. */
  active: string | undefined;
  /** How often the active one was reached. */
  hits = 0;
  /** How often it may be. */
  mostHits = Infinity;
  /** Where it is noted which mutants are reached; nothing is noted without. */
  notes: Hits | undefined;

  /** Whether to run the mutant. */
  readonly isActive = (id: string): boolean => {
    if (id !== this.active) return false;
    if (++this.hits > this.mostHits) throw new Error("the mutant is reached too often");
    return true;
  };

  /** Notes that mutants are reached. */
  readonly cover = (...ids: readonly string[]): void => {
    if (this.notes === undefined) return;
    for (const id of ids) this.notes[id] = (this.notes[id] ?? 0) + 1;
  };
}
