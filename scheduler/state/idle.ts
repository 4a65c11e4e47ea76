/**
 * Ends a scheduler that has no work (`distributed/scheduler.py`, `check_idle`).
 *
 * @module
 */

import type { SchedulerMachine } from "./machine.ts";

/** Time at which the scheduler will have been idle for too long; `Infinity` if never. */
export function idleDeadline(m: SchedulerMachine): number {
  return m.idleSince === null ? Infinity : m.idleSince + m.idleTimeout;
}

/** Notes since when no task waits or runs. After the idle time-out it emits one event. */
export function checkIdle(m: SchedulerMachine, now: number): void {
  if (m.idleTimeout === Infinity) return;
  if (!m.isIdle) {
    m.idleSince = null;
    return;
  }
  m.idleSince ??= now;
  if (now < idleDeadline(m)) return;
  m.tell({ event: "idle", seconds: m.idleTimeout });
  m.idleSince = Infinity; // reported; starts again with new work
}
