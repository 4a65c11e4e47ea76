/**
 * What a worker does when some time has passed: it asks a busy peer again, and the scheduler for results that
 * no peer is known to hold.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Address, Key } from "../../messages/common.ts";
import type { WorkerMachine } from "./machine.ts";
import { assertTask, State } from "./task_state.ts";

/** Seconds before a busy peer is asked again (`distributed/worker.py`, `retry_busy_worker_later`). */
const BUSY_PAUSE = 0.15;
/**
 * Seconds between two questions for what is missing (`distributed/worker.py`, the callback `find-missing`).
 */
const FIND_MISSING_PAUSE = 1;

/** Asks `worker` for nothing until some time has passed. */
export function rest(m: WorkerMachine, worker: Address): void {
  assert(!m.busyWorkers.has(worker), () => `"${worker}" was asked although it is busy`);
  m.busyWorkers.set(worker, m.now + BUSY_PAUSE);
}

/** Does what is due at the time of the running stimulus. */
export function tick(m: WorkerMachine): void {
  for (const [worker, until] of m.busyWorkers) if (until <= m.now) m.busyWorkers.delete(worker);
  if (m.findMissingAt > m.now) return;
  m.findMissingAt = m.now + FIND_MISSING_PAUSE;
  findMissing(m);
}

function findMissing(m: WorkerMachine): void {
  if (m.missing.size === 0) return;
  const keys: Key[] = [];
  for (const ts of m.missing) {
    assertTask(ts.state === State.MISSING, ts, "is asked for, and not missing");
    keys.push(ts.key);
  }
  m.instructions.push({ op: "request-refresh-who-has", keys, stimulus_id: m.stimulusId });
}

/** When something is due next. */
export function nextDeadline(m: WorkerMachine): number { // hot: per batch
  if (m.missing.size === 0) m.findMissingAt = Infinity;
  else if (m.findMissingAt === Infinity) m.findMissingAt = m.now + FIND_MISSING_PAUSE;
  let next = m.findMissingAt;
  for (const until of m.busyWorkers.values()) if (until < next) next = until;
  return next;
}
