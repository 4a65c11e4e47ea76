/**
 * What a client's machine wants done.
 *
 * @module
 */

import type { ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { KeyState } from "./key_state.ts";

/** What came of some stimuli. */
export interface ClientEffects {
  /** Messages to the scheduler, in order. There are some after a `flush` only. */
  readonly messages: readonly ClientStreamMessage[];
  /** Whether messages have gathered that a `flush` would bring. */
  readonly isFlushDue: boolean;
  /** Wants whose task ended, in order; one may be named twice. */
  readonly ended: readonly KeyState[];
  /** Failed tasks that the scheduler is to be asked to run again; the answer is a `retry-answer`. */
  readonly retrying: readonly KeyState[];
  /** When a `tick` is due, on the clock that `now` is of. `Infinity` if never. */
  readonly nextDeadline: number;
}
