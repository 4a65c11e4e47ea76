/**
 * What values that come from elsewhere mean, and transfers that bring none: they change what is known, and
 * recommend transitions. Mirrors `_handle_*` of distributed/worker_state_machine.py.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Address, Key } from "../../messages/common.ts";
import { rest } from "./deadlines.ts";
import type { WorkerMachine } from "./machine.ts";
import { removeWorker } from "./scheduler_stimuli.ts";
import type { GatherSuccess, UpdateData } from "./stimulus.ts";
import { State, type TaskState } from "./task_state.ts";

const NO_PRIORITY = [] as const;

/** Ends a transfer; returns its tasks, which are in flight, or cancelled or resumed from it. */
function gatherDone(m: WorkerMachine, worker: Address): readonly TaskState[] {
  const transfer = m.inFlightWorkers.get(worker);
  assert(transfer !== undefined, () => `A transfer from "${worker}" ended that was not under way`);
  assert(transfer.tasks.length > 0, () => `A transfer from "${worker}" was of nothing`);
  m.inFlightWorkers.delete(worker);
  m.transferIncomingBytes -= transfer.nbytes;
  assert(m.transferIncomingBytes >= 0, "More bytes came than were under way");
  for (const ts of transfer.tasks) {
    assert(
      ts.comingFrom === worker,
      () => `Task "${ts.key}" comes from "${ts.comingFrom}", not from "${worker}"`,
    );
    ts.done = true;
    ts.comingFrom = null;
    m.inFlightTasks.delete(ts);
  }
  return transfer.tasks;
}

/** A peer sent what it has. */
export function gatherSuccess(m: WorkerMachine, stimulus: GatherSuccess): void {
  for (const ts of gatherDone(m, stimulus.worker)) {
    const nbytes = stimulus.data.get(ts.key);
    assert(nbytes === undefined || nbytes >= 0, () => `"${ts.key}" came with ${nbytes} bytes`);
    if (nbytes === undefined) {
      m.note(ts, "missing-dep");
      m.removeHolder(ts, stimulus.worker);
      m.recommend(ts, State.FETCH);
    } else {
      // As in Dask, what the scheduler said goes before what came, so that both count alike.
      if (ts.nbytes < 0) ts.nbytes = nbytes;
      m.recommend(ts, State.MEMORY);
    }
  }
}

/**
 * Values were given. Ours: what is being computed or gathered here goes on, and the value is refused. Dask
 * takes it in its place.
 */
export function updateData(m: WorkerMachine, stimulus: UpdateData): void {
  for (const [key, nbytes] of stimulus.data) {
    assert(nbytes >= 0, () => `"${key}" was given with ${nbytes} bytes`);
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

/** A peer has too much to do: it is asked again after some time. */
export function gatherBusy(m: WorkerMachine, worker: Address): void {
  rest(m, worker);
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

function isEveryHolderBusy(m: WorkerMachine, ts: TaskState): boolean {
  for (const worker of ts.whoHas) if (!m.busyWorkers.has(worker)) return false;
  return true;
}

/**
 * A peer could not be reached. As Dask does, takes the peer for dead: faster than to try again, and the
 * scheduler will name it again if not.
 */
export function gatherNetworkFailure(m: WorkerMachine, worker: Address): void {
  for (const ts of gatherDone(m, worker)) {
    m.note(ts, "missing-dep");
    m.recommend(ts, State.FETCH);
  }
  removeWorker(m, worker);
}

/**
 * A peer sent nothing useful. Ours: other holders are tried. Dask fails the dependency, which no scheduler
 * expects of a key in memory.
 */
export function gatherFailure(m: WorkerMachine, worker: Address): void {
  for (const ts of gatherDone(m, worker)) {
    m.note(ts, "missing-dep");
    m.removeHolder(ts, worker);
    m.recommend(ts, State.FETCH);
  }
}
