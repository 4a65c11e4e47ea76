/**
 * Workers that are silent for too long (`distributed/scheduler.py`, `check_worker_ttl`).
 *
 * @module
 */

import type { Afterwards, SchedulerMachine } from "./machine.ts";
import { heartbeatInterval, removeWorker } from "./membership.ts";
import type { WorkerState } from "./worker_state.ts";

/** Number of checks per time-to-live. Dask checks once, so it finds a silent worker later. */
const LOOKS = 10;

/** Time of the next check for silent workers, in seconds since the epoch; `Infinity` if never. */
export function silenceDeadline(m: SchedulerMachine): number {
  if (m.workerTtl === Infinity || m.workers.size === 0) return Infinity;
  return m.lastSilenceLook + m.workerTtl / LOOKS;
}

/**
 * Returns the workers that were silent for longer than the time-to-live and than ten heartbeats. Empty before
 * the next check is due.
 */
export function silentWorkers(m: SchedulerMachine, now: number): WorkerState[] {
  if (m.workers.size === 0 || m.workerTtl === Infinity) {
    m.lastSilenceLook = now;
    return [];
  }
  if (now < silenceDeadline(m)) return [];
  const since = now - m.lastSilenceLook;
  m.lastSilenceLook = now;
  // This process itself was suspended, so it could not receive messages.
  if (since >= 2 * m.workerTtl / LOOKS) return [];
  const limit = Math.max(m.workerTtl, 10 * heartbeatInterval(m.workers.size));
  return [...m.workers.values()].filter((ws) => now - ws.lastSeen > limit);
}

/** Removes a worker that was silent for too long. */
export function removeSilent(m: SchedulerMachine, ws: WorkerState, now: number): Afterwards {
  m.begin(`check-worker-ttl-${now}`, now);
  m.tell({ event: "worker-silent", worker: ws.address, seconds: now - ws.lastSeen });
  return removeWorker(m, ws, {});
}
