/**
 * Effects of a client's machine.
 *
 * @module
 */

import type { ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { KeyState } from "./key_state.ts";

/** The result of a call of `handle`. */
export interface ClientEffects {
  /** Messages to the scheduler, in order. Empty unless there was a `flush`. */
  readonly messages: readonly ClientStreamMessage[];
  /** Whether messages wait for a `flush`. */
  readonly isFlushDue: boolean;
  /** Keys whose task ended, in order; a key can occur twice. */
  readonly ended: readonly KeyState[];
  /** Failed tasks that the shell asks the scheduler to run again; the answer is a `retry-answer`. */
  readonly retrying: readonly KeyState[];
  /** Time at which a `tick` is due, on the clock of `now`; `Infinity` if never. */
  readonly nextDeadline: number;
}
