/**
 * Workers that say nothing for too long (`distributed/scheduler.py`, `check_worker_ttl`).
 *
 * @module
 */

import type { Afterwards, SchedulerMachine } from "./machine.ts";
import { heartbeatInterval, removeWorker } from "./membership.ts";
import type { WorkerState } from "./worker_state.ts";

/** Looks per time-to-live. Dask looks once, and so finds a silent worker later. */
const LOOKS = 10;

/** When silent workers are to be looked for, in seconds since the epoch; `Infinity` if never. */
export function silenceDeadline(m: SchedulerMachine): number {
  if (m.workerTtl === Infinity || m.workers.size === 0) return Infinity;
  return m.lastSilenceLook + m.workerTtl / LOOKS;
}

/**
 * Workers that said nothing for longer than the time-to-live, and than ten heartbeats; if it is time to look.
 */
export function silentWorkers(m: SchedulerMachine, now: number): WorkerState[] {
  if (m.workers.size === 0 || m.workerTtl === Infinity) {
    m.lastSilenceLook = now;
    return [];
  }
  if (now < silenceDeadline(m)) return [];
  const since = now - m.lastSilenceLook;
  m.lastSilenceLook = now;
  // This process itself stood still, and could hear no worker.
  if (since >= 2 * m.workerTtl / LOOKS) return [];
  const limit = Math.max(m.workerTtl, 10 * heartbeatInterval(m.workers.size));
  return [...m.workers.values()].filter((ws) => now - ws.lastSeen > limit);
}

/** Removes a worker that said nothing for too long. */
export function removeSilent(m: SchedulerMachine, ws: WorkerState, now: number): Afterwards {
  m.begin(`check-worker-ttl-${now}`, now);
  m.tell({ event: "worker-silent", worker: ws.address, seconds: now - ws.lastSeen });
  return removeWorker(m, ws, {});
}
