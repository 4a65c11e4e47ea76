/**
 * The state machine of schedulers.
 *
 * @module
 */

import { FunctionBodies } from "./extensions/functions/function_bodies.ts";
import type { SchedulerStateOptions } from "./state/machine.ts";
import { SchedulerState } from "./state/scheduler_state.ts";

/** Makes a state machine with the extensions of this package. */
export function standardState(options: SchedulerStateOptions): SchedulerState {
  return new SchedulerState(options, [new FunctionBodies()]);
}
