/**
 * What each stimulus means for the tasks it names: it changes what is known, and recommends transitions.
 * Mirrors `_handle_*` of distributed/worker_state_machine.py.
 *
 * @module
 */

import { assert, unreachable } from "../../internal/assert.ts";
import { type Address, isSize, type Key } from "../../messages/common.ts";
import type {
  AcquireReplicas,
  ComputeTask,
  FreeKeys,
  RemoveReplicas,
} from "../../messages/worker_scheduler.ts";
import type { Machine } from "./machine.ts";
import type {
  ExecuteFailure,
  ExecuteSuccess,
  ExecutionWithdrawn,
  GatherSuccess,
  Stimulus,
  UpdateData,
} from "./stimulus.ts";
import { State, type TaskState } from "./task_state.ts";
import { runTransitions, sendTaskFinished } from "./transitions.ts";

// After all computations of default priority and before those of low priority; see Dask's _handle_acquire_replicas.
const REPLICA_PRIORITY = [1] as const;
const NO_PRIORITY = [] as const;

/** Handles one stimulus up to the point where only transfers may have to begin. */
export function handleStimulus(m: Machine, event: Stimulus, now: number): void {
  m.stimulusId = event.stimulus_id;
  m.now = now;
  m.addedKeys = null;
  recommend(m, event);
  runTransitions(m);
  if (event.op === "execute-success") dropUnwanted(m, event.key);
  else if (event.op === "gather-success" || event.op === "update-data") {
    for (const key of event.data.keys()) dropUnwanted(m, key);
  }
}

/** The shell stored a result before anyone could know whether it is wanted, or was asked for at all. */
function dropUnwanted(m: Machine, key: Key): void {
  if (m.tasks.get(key)?.state !== State.MEMORY) m.instructions.push({ op: "drop-data", key });
}

function recommend(m: Machine, event: Stimulus): void {
  switch (event.op) {
    case "compute-task":
      return computeTask(m, event);
    case "execute-success":
      return executeSuccess(m, event);
    case "execute-failure":
      return executeFailure(m, event);
    case "execute-reschedule":
      return m.recommend(executionDone(m, event.key), State.RESCHEDULED);
    case "execution-withdrawn":
      return executionWithdrawn(m, event);
    case "free-keys":
      return freeKeys(m, event);
    case "gather-success":
      return gatherSuccess(m, event);
    case "update-data":
      return updateData(m, event);
    case "gather-busy":
      return gatherBusy(m, event.worker);
    case "gather-network-failure":
      return gatherNetworkFailure(m, event.worker);
    case "gather-failure":
      return gatherFailure(m, event.worker);
    case "retry-busy-worker":
      m.busyWorkers.delete(event.worker);
      return;
    case "remove-replicas":
      return removeReplicas(m, event);
    case "acquire-replicas":
      return acquireReplicas(m, event);
    case "refresh-who-has":
      return m.updateWhoHas(event.who_has);
    case "remove-worker":
      return removeWorker(m, event.worker);
    case "find-missing":
      return findMissing(m);
    case "pause":
      return pause(m);
    case "unpause":
      m.running = true;
      return m.ensureComputing();
    default:
      return unreachable(event);
  }
}

/** Ours: takes back what was handed out and has not begun. */
function pause(m: Machine): void {
  if (!m.running) return;
  m.running = false;
  for (const ts of m.executing) {
    if (ts.state === State.EXECUTING) m.instructions.push({ op: "withdraw", key: ts.key });
  }
}

/** Hands out tasks after the number of slots has changed. */
export function fillSlots(m: Machine, now: number): void {
  m.stimulusId = "set-execution-slots";
  m.now = now;
  m.ensureComputing();
  runTransitions(m);
}

function computeTask(m: Machine, event: ComputeTask): void { // hot: per task
  const generation = m.generation;
  const ts = m.ensureTask(event.key, event.priority, generation);
  m.note(ts, "compute-task");
  ts.runId = event.run_id;
  if (ts.isProcessing()) {
    ts.inlineResult ||= event.inline_result === true;
    return;
  }
  ts.inlineResult = event.inline_result === true;
  if (ts.state === State.MEMORY) {
    sendTaskFinished(m, ts, null);
    return;
  }
  m.generation--;
  ts.runSpec = event.run_spec;
  ts.priority = event.priority;
  ts.generation = generation;
  // A task that still runs must give back the resources that it took.
  if (!ts.holdsResources) ts.resources = restrictionsOf(event);
  for (const name in event.who_has) {
    const nbytes = event.nbytes[name];
    const dependency = m.ensureTask(name as Key, event.priority, generation);
    if (dependency.state !== State.MEMORY) dependency.nbytes = isSize(nbytes) ? nbytes : -1;
    ts.addDependency(dependency);
  }
  m.updateWhoHas(event.who_has);
  m.recommend(ts, State.WAITING);
}

function restrictionsOf(event: ComputeTask): Readonly<Record<string, number>> | null {
  for (const _name in event.resource_restrictions) return event.resource_restrictions;
  return null;
}

function freeKeys(m: Machine, event: FreeKeys): void { // hot: per task
  const { keys } = event;
  for (let i = 0; i < keys.length; i++) {
    const ts = m.tasks.get(keys[i] as Key);
    if (ts === undefined) continue;
    m.note(ts, "free-keys");
    m.recommend(ts, State.RELEASED);
  }
}

function removeReplicas(m: Machine, event: RemoveReplicas): void {
  for (const key of event.keys) {
    const ts = m.tasks.get(key);
    // A thread that needs it has got its frames already, so Dask's check of running dependents is not needed.
    if (ts === undefined || ts.state !== State.MEMORY) continue;
    m.note(ts, "remove-replica");
    m.recommend(ts, State.RELEASED);
  }
}

function acquireReplicas(m: Machine, event: AcquireReplicas): void {
  for (const name in event.who_has) {
    const nbytes = event.nbytes[name];
    const ts = m.ensureTask(name as Key, REPLICA_PRIORITY);
    if (ts.state === State.MEMORY) continue;
    ts.nbytes = isSize(nbytes) ? nbytes : -1;
    m.recommend(ts, State.FETCH);
  }
  m.updateWhoHas(event.who_has);
}

function removeWorker(m: Machine, worker: Address): void {
  const held = m.hasWhat.get(worker);
  if (held === undefined) return;
  for (const ts of [...held]) {
    m.removeHolder(ts, worker);
    if (ts.state === State.FETCH && ts.whoHas.size === 0) m.recommend(ts, State.MISSING);
  }
  m.dataNeeded.delete(worker);
}

function executionDone(m: Machine, key: Key): TaskState { // hot: per task
  const ts = runningTask(m, key);
  ts.done = true;
  m.executedCount++;
  m.freeSlot(ts);
  m.ensureComputing();
  return ts;
}

function runningTask(m: Machine, key: Key): TaskState {
  const ts = m.tasks.get(key);
  assert(ts !== undefined && m.executing.has(ts) && !ts.isReady(), () => {
    return `Task "${key}" came back from a thread but was not with one. Story:\n${m.story.text(key)}`;
  });
  return ts;
}

function executeSuccess(m: Machine, event: ExecuteSuccess): void { // hot: per task
  const ts = executionDone(m, event.key);
  ts.addStartStop({ action: "compute", start: event.start, stop: event.stop });
  ts.nbytes = event.nbytes;
  ts.type = event.type;
  ts.typename = event.typename;
  ts.thread = event.thread;
  m.recommend(ts, State.MEMORY, event);
}

function executeFailure(m: Machine, event: ExecuteFailure): void {
  const ts = executionDone(m, event.key);
  if (event.start !== null && event.stop !== null) {
    ts.addStartStop({ action: "compute", start: event.start, stop: event.stop });
  }
  m.recommend(ts, State.ERROR, event);
}

function executionWithdrawn(m: Machine, event: ExecutionWithdrawn): void {
  const ts = runningTask(m, event.key);
  m.note(ts, "withdrawn");
  m.freeSlot(ts);
  if (ts.state === State.EXECUTING) {
    m.recommend(ts, State.READY);
    return;
  }
  m.ensureComputing();
  ts.done = true;
  m.recommend(ts, State.RESCHEDULED);
}

/** Ends a transfer; returns its tasks, which are in flight, or cancelled or resumed from it. */
function gatherDone(m: Machine, worker: Address): readonly TaskState[] {
  const transfer = m.inFlightWorkers.get(worker);
  assert(transfer !== undefined, () => `A transfer from "${worker}" ended that was not under way`);
  m.inFlightWorkers.delete(worker);
  m.transferIncomingBytes -= transfer.nbytes;
  for (const ts of transfer.tasks) {
    ts.done = true;
    ts.comingFrom = null;
    m.inFlightTasks.delete(ts);
  }
  return transfer.tasks;
}

function gatherSuccess(m: Machine, event: GatherSuccess): void {
  for (const ts of gatherDone(m, event.worker)) {
    const nbytes = event.data.get(ts.key);
    if (nbytes === undefined) {
      m.note(ts, "missing-dep");
      m.removeHolder(ts, event.worker);
      m.recommend(ts, State.FETCH);
    } else {
      // As in Dask, what the scheduler said goes before what came, so that both count alike.
      if (ts.nbytes < 0) ts.nbytes = nbytes;
      m.recommend(ts, State.MEMORY);
    }
  }
}

/** Ours: what is being computed or gathered here goes on, and the value is refused. Dask takes it in its place. */
function updateData(m: Machine, event: UpdateData): void {
  for (const [key, nbytes] of event.data) {
    const ts = m.ensureTask(key, NO_PRIORITY);
    if (ts.state === State.MEMORY) {
      m.nbytes += nbytes - ts.nbytes;
      ts.nbytes = nbytes;
    } else if (ts.state === State.RELEASED || ts.state === State.FETCH || ts.state === State.MISSING) {
      m.note(ts, "receive-from-scatter");
      ts.nbytes = nbytes;
      m.recommend(ts, State.MEMORY);
    }
  }
}

function gatherBusy(m: Machine, worker: Address): void {
  m.busyWorkers.add(worker);
  m.instructions.push({ op: "retry-busy-worker-later", worker });
  const keys: Key[] = [];
  for (const ts of gatherDone(m, worker)) {
    m.recommend(ts, State.FETCH);
    if (isEveryHolderBusy(m, ts)) keys.push(ts.key);
  }
  // All known holders are busy; the scheduler may know of others.
  if (keys.length > 0) {
    m.instructions.push({ op: "request-refresh-who-has", keys, stimulus_id: m.stimulusId });
  }
}

function isEveryHolderBusy(m: Machine, ts: TaskState): boolean {
  for (const worker of ts.whoHas) if (!m.busyWorkers.has(worker)) return false;
  return true;
}

/** As Dask does, takes the peer for dead: faster than to try again, and the scheduler will name it again if not. */
function gatherNetworkFailure(m: Machine, worker: Address): void {
  for (const ts of gatherDone(m, worker)) {
    m.note(ts, "missing-dep");
    m.recommend(ts, State.FETCH);
  }
  removeWorker(m, worker);
}

/** Ours: other holders are tried. Dask fails the dependency, which no scheduler expects of a key in memory. */
function gatherFailure(m: Machine, worker: Address): void {
  for (const ts of gatherDone(m, worker)) {
    m.note(ts, "missing-dep");
    m.removeHolder(ts, worker);
    m.recommend(ts, State.FETCH);
  }
}

function findMissing(m: Machine): void {
  if (m.missing.size === 0) return;
  const keys: Key[] = [];
  for (const ts of m.missing) keys.push(ts.key);
  m.instructions.push({ op: "request-refresh-who-has", keys, stimulus_id: m.stimulusId });
}
