/**
 * Steps of tasks whose results come from elsewhere. Mirrors `_transition_*` of
 * distributed/worker_state_machine.py; each function names the difference if there is one.
 *
 * @module
 */

import type { WorkerMachine } from "./machine.ts";
import { assertTask, State, type TaskState } from "./task_state.ts";
import { releasedWaiting, toMemory } from "./transitions_execute.ts";
import { toCancelled } from "./transitions_release.ts";

/** Puts a task among those to be gathered; without holders it is missing. */
export function toFetch(m: WorkerMachine, ts: TaskState): void {
  if (ts.whoHas.size === 0) {
    m.recommend(ts, State.MISSING);
    return;
  }
  m.setState(ts, State.FETCH);
  ts.done = false;
  for (const worker of ts.whoHas) m.addNeeded(ts, worker);
}

/** Notes that no peer is known to hold it. */
export function toMissing(m: WorkerMachine, ts: TaskState): void {
  assertTask(ts.whoHas.size === 0, ts, "is missing although peers hold it");
  m.setState(ts, State.MISSING);
  m.missing.add(ts);
  ts.done = false;
}

/** Notes that it is being gathered from `comingFrom`. */
export function fetchFlight(m: WorkerMachine, ts: TaskState): void {
  assertTask(ts.comingFrom !== null, ts, "is gathered from nowhere");
  m.setState(ts, State.FLIGHT);
  ts.done = false;
  m.inFlightTasks.add(ts);
}

/** Stores what came. */
export function flightMemory(m: WorkerMachine, ts: TaskState): void {
  assertTask(ts.done, ts, "is in memory before its transfer ended");
  toMemory(m, ts);
  sendAddKeys(m, ts);
}

/** Gathers it anew. Until its transfer ends this is of no effect. */
export function flightFetch(m: WorkerMachine, ts: TaskState): void {
  if (ts.done) toFetch(m, ts);
}

/** A transfer can't be stopped, so this waits for its end. */
export function flightReleased(m: WorkerMachine, ts: TaskState): void {
  assertTask(!ts.done, ts, "is released at the end of its transfer");
  ts.previous = State.FLIGHT;
  toCancelled(m, ts);
}

/** Gathers what is known to be somewhere again. */
export function missingFetch(m: WorkerMachine, ts: TaskState): void {
  if (ts.whoHas.size === 0) return;
  m.missing.delete(ts);
  toFetch(m, ts);
}

/** It is to be computed here. */
export function missingWaiting(m: WorkerMachine, ts: TaskState): void {
  m.purge(ts);
  releasedWaiting(m, ts);
}

/**
 * A value came that no peer was asked for. The scheduler is told by who sent it
 * (`_transition_released_memory`).
 */
export function receiveData(m: WorkerMachine, ts: TaskState): void {
  const { nbytes } = ts;
  m.purge(ts);
  ts.nbytes = nbytes;
  toMemory(m, ts);
}

/** Tells the scheduler of a replica. */
export function sendAddKeys(m: WorkerMachine, ts: TaskState): void {
  // Dask sends a message per key.
  if (m.addedKeys === null) {
    m.addedKeys = [];
    m.instructions.push({ op: "add-keys", keys: m.addedKeys, stimulus_id: m.stimulusId });
  }
  m.addedKeys.push(ts.key);
}
