/**
 * A clock that was set back: what is due, and what was heard, stays as long ago or as far ahead as it was.
 *
 * @module
 */

import type { SchedulerMachine } from "./machine.ts";

/** Notes the time, and moves all that is measured from a later one. */
export function noteTime(m: SchedulerMachine, now: number): void {
  const back = m.latest - now;
  m.latest = now;
  if (back > 0) setBack(m, back);
}

function setBack(m: SchedulerMachine, seconds: number): void {
  m.lastSilenceLook -= seconds;
  m.generationTime -= seconds;
  if (m.idleSince !== null) m.idleSince -= seconds;
  for (const ws of m.workers.values()) ws.lastSeen -= seconds;
  for (const wait of m.waits.values()) wait.deadline -= seconds;
  for (const retirement of m.retirements.values()) {
    retirement.lookAt -= seconds;
    retirement.renewAt -= seconds;
  }
}
