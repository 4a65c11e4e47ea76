/**
 * A scheduler without work (`distributed/scheduler.py`, `check_idle`).
 *
 * @module
 */

import type { SchedulerMachine } from "./machine.ts";

/** When the scheduler will have been idle for too long, if nothing happens; `Infinity` if never. */
export function idleDeadline(m: SchedulerMachine): number {
  return m.idleSince === null ? Infinity : m.idleSince + m.idleTimeout;
}

/** Notes since when no task waits or runs, and tells once that it was for too long. */
export function checkIdle(m: SchedulerMachine, now: number): void {
  if (m.idleTimeout === Infinity) return;
  if (!m.isIdle) {
    m.idleSince = null;
    return;
  }
  m.idleSince ??= now;
  if (now < idleDeadline(m)) return;
  m.tell({ event: "idle", seconds: m.idleTimeout });
  m.idleSince = Infinity; // told; work begins it anew
}
