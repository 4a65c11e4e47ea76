/**
 * The scheduler's record of one client (`distributed/scheduler.py`, `ClientState`).
 *
 * @module
 */

import type { ClientReport } from "../../messages/client_scheduler.ts";
import type { ClientId } from "../../messages/common.ts";
import type { TaskState } from "./task_state.ts";

/** One client. Fields are written by this folder only. */
export class ClientState {
  /** Name under which it registered. */
  readonly id: ClientId;
  /** Tasks whose results it wants. */
  readonly wantsWhat: Set<TaskState> = new Set();
  /** Time of its last message, in seconds since the epoch. */
  lastSeen: number;
  /** Messages to be sent. Owned by `Outbox`. */
  outbox: ClientReport[] = [];

  constructor(id: ClientId, now: number) {
    this.id = id;
    this.lastSeen = now;
  }
}
