/**
 * What comes out of a worker's state machine.
 *
 * @module
 */

import type { Instruction } from "./instruction.ts";

/** Answer to the stimuli of one call. */
export interface WorkerEffects {
  /** To be done in order, and all of them before the next stimulus is handled. */
  readonly instructions: readonly Instruction[];
  /** When a `tick` is due at the latest, in the unit of `now`. `Infinity`: never, as things are. */
  readonly nextDeadline: number;
}
