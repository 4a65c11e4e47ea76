/**
 * Steps that let go of a task: down to `released`, and from there to `forgotten`. Mirrors `_transition_*` of
 * distributed/worker_state_machine.py; each function names the difference if there is one.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { WorkerMachine } from "./machine.ts";
import { assertTask, State, type TaskState } from "./task_state.ts";

/**
 * Whether its end is a part of the running stimulus and was not looked at yet: that goes before other wishes.
 */
export function isEnding(ts: TaskState): boolean {
  return ts.done && ts.recommended !== State.NONE;
}

/** Forgets what is known of the task but its name and its links. */
export function toReleased(m: WorkerMachine, ts: TaskState): void {
  m.purge(ts);
  for (const dependency of ts.dependencies) {
    if (dependency.waiters.size > 0 || isEnding(dependency)) continue;
    if (dependency.state !== State.MEMORY && !dependency.isProcessing()) {
      m.recommend(dependency, State.RELEASED);
    }
  }
  m.setState(ts, State.RELEASED);
  if (ts.waiters.size > 0) m.releasedNeeded.push(ts);
  if (ts.dependents.size === 0) m.recommend(ts, State.FORGOTTEN);
}

/** Forgets the task, and what only it depended on. */
export function releasedForgotten(m: WorkerMachine, ts: TaskState): void {
  m.purge(ts);
  for (const dependency of ts.dependencies) {
    dependency.removeDependent(ts);
    if (dependency.state === State.RELEASED && dependency.dependents.size === 0) {
      m.recommend(dependency, State.FORGOTTEN);
    }
  }
  m.forget(ts);
}

/** Drops a result. Ours: dependents that were about to run wait again. Dask's assertions fail there. */
export function memoryReleased(m: WorkerMachine, ts: TaskState): void {
  assert(ts.nbytes <= m.nbytes, () => `Result of task "${ts.key}" is larger than all results together`);
  m.nbytes -= ts.nbytes;
  toReleased(m, ts);
  m.instructions.push({ op: "release-worker-data", key: ts.key, stimulus_id: m.stimulusId });
  for (const dependent of ts.dependents) {
    if (dependent.isReady()) {
      m.ready.remove(dependent);
      m.constrained.remove(dependent);
      m.setState(dependent, State.WAITING);
    }
    if (dependent.state === State.WAITING) dependent.addWaitingFor(ts);
  }
  if (ts.waiters.size > 0) m.releasedNeeded.push(ts);
}

/** Lets what goes on come to its end, and drops what comes of it. */
export function toCancelled(m: WorkerMachine, ts: TaskState): void {
  assertTask(ts.previous !== State.NONE, ts, "is cancelled, and nothing goes on");
  m.setState(ts, State.CANCELLED);
  if (ts.waiters.size > 0) m.releasedNeeded.push(ts);
}
