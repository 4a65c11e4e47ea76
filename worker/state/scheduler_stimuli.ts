/**
 * What the scheduler's commands mean for the tasks that they name: they change what is known, and recommend
 * transitions. Mirrors `_handle_*` of distributed/worker_state_machine.py.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import { type Address, isSize, type Key } from "../../messages/common.ts";
import type {
  AcquireReplicas,
  ComputeTask,
  FreeKeys,
  RemoveReplicas,
} from "../../messages/worker_scheduler.ts";
import type { WorkerMachine } from "./machine.ts";
import { State } from "./task_state.ts";
import { sendTaskFinished } from "./transitions_execute.ts";

// After all computations of default priority and before those of low priority; see Dask's
// _handle_acquire_replicas.
const REPLICA_PRIORITY = [1] as const;

/** Begins nothing new. Ours: takes back what was handed out and has not begun. */
export function pause(m: WorkerMachine): void {
  if (!m.running) return;
  m.running = false;
  for (const ts of m.executing) {
    if (ts.state === State.EXECUTING) m.instructions.push({ op: "withdraw", key: ts.key });
  }
}

/** Goes on. */
export function unpause(m: WorkerMachine): void {
  m.running = true;
  m.ensureComputing();
}

/** A task is to be run here. */
export function computeTask(m: WorkerMachine, stimulus: ComputeTask): void { // hot: per task
  const generation = m.generation;
  const ts = m.ensureTask(stimulus.key, stimulus.priority, generation);
  m.note(ts, "compute-task");
  ts.runId = stimulus.run_id;
  if (ts.isProcessing()) {
    ts.inlineResult ||= stimulus.inline_result === true;
    return;
  }
  ts.inlineResult = stimulus.inline_result === true;
  if (ts.state === State.MEMORY) {
    sendTaskFinished(m, ts, null);
    return;
  }
  m.generation--;
  ts.runSpec = stimulus.run_spec;
  ts.priority = stimulus.priority;
  ts.generation = generation;
  // A task that still runs must give back the resources that it took.
  if (!ts.holdsResources) ts.resources = restrictionsOf(stimulus);
  for (const name in stimulus.who_has) {
    const nbytes = stimulus.nbytes[name];
    const dependency = m.ensureTask(name as Key, stimulus.priority, generation);
    if (dependency.state !== State.MEMORY) dependency.nbytes = isSize(nbytes) ? nbytes : -1;
    ts.addDependency(dependency);
  }
  m.updateWhoHas(stimulus.who_has);
  m.recommend(ts, State.WAITING);
}

function restrictionsOf(stimulus: ComputeTask): Readonly<Record<string, number>> | null {
  for (const _name in stimulus.resource_restrictions) return stimulus.resource_restrictions;
  return null;
}

/** Tasks, and their results, are not wanted here any more. */
export function freeKeys(m: WorkerMachine, stimulus: FreeKeys): void { // hot: per task
  const { keys } = stimulus;
  for (let i = 0; i < keys.length; i++) {
    const ts = m.tasks.get(keys[i] as Key);
    if (ts === undefined) continue;
    m.note(ts, "free-keys");
    m.recommend(ts, State.RELEASED);
  }
}

/** Results are to be dropped, if they are here. */
export function removeReplicas(m: WorkerMachine, stimulus: RemoveReplicas): void {
  for (const key of stimulus.keys) {
    const ts = m.tasks.get(key);
    // What runs has got its frames already, so Dask's check of running dependents is not needed.
    if (ts === undefined || ts.state !== State.MEMORY) continue;
    m.note(ts, "remove-replica");
    m.recommend(ts, State.RELEASED);
  }
}

/** Results are to be gathered. */
export function acquireReplicas(m: WorkerMachine, stimulus: AcquireReplicas): void {
  for (const name in stimulus.who_has) {
    const nbytes = stimulus.nbytes[name];
    const ts = m.ensureTask(name as Key, REPLICA_PRIORITY);
    if (ts.state === State.MEMORY) continue;
    ts.nbytes = isSize(nbytes) ? nbytes : -1;
    m.recommend(ts, State.FETCH);
  }
  m.updateWhoHas(stimulus.who_has);
}

/** A peer is gone, with all that it held. */
export function removeWorker(m: WorkerMachine, worker: Address): void {
  const held = m.hasWhat.get(worker);
  if (held === undefined) return;
  for (const ts of [...held]) {
    m.removeHolder(ts, worker);
    if (ts.state === State.FETCH && ts.whoHas.size === 0) m.recommend(ts, State.MISSING);
  }
  assert(!m.hasWhat.has(worker), () => `"${worker}" is gone, and still holds something`);
  m.dataNeeded.delete(worker);
}
