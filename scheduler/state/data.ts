/**
 * Values that clients stored on workers (`distributed/scheduler.py`, `update_data`). They are tasks in memory
 * without a function: when the last copy is lost, the value and all tasks that depend on it are forgotten.
 *
 * @module
 */

import type { UpdateData } from "../../messages/client_scheduler.ts";
import type { Address, Key } from "../../messages/common.ts";
import type { ClientState } from "./client_state.ts";
import { wantTask } from "./graph.ts";
import type { SchedulerMachine } from "./machine.ts";
import { addReplica } from "./replicas.ts";
import { holders, reportTask, tellWanters } from "./reports.ts";
import { State, type TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

const NO_ANNOTATIONS: Readonly<Record<string, never>> = Object.freeze({});

/** Registers values that workers were given. The client wants them; a value without a holder is cancelled. */
export function updateData(m: SchedulerMachine, cs: ClientState, { who_has, nbytes }: UpdateData): void {
  for (const name in who_has) {
    const key = name as Key;
    const workers = knownWorkers(m, who_has[key] ?? []);
    const ts = m.tasks.get(key) ?? (workers.length > 0 ? newData(m, key) : undefined);
    if (ts === undefined) {
      m.outbox.cancelKey(cs, key, "lost: the workers that were given this value have left");
      continue;
    }
    wantTask(cs, ts);
    if (ts.state === State.MEMORY) keep(ts, workers, nbytes[key] ?? -1);
    else keepNot(m, ts, workers);
    if (workers.length > 0 && ts.state === State.MEMORY) {
      tellWanters(m, ts, { op: "key-in-memory", key, type: ts.type, workers: holders(ts) });
    } else {
      reportTask(m, ts, cs);
    }
  }
}

function knownWorkers(m: SchedulerMachine, addresses: readonly Address[]): WorkerState[] {
  const known: WorkerState[] = [];
  for (const address of addresses) {
    const ws = m.workers.get(address);
    if (ws !== undefined) known.push(ws);
  }
  return known;
}

/** Creates a task for a value, without holders. */
function newData(m: SchedulerMachine, key: Key): TaskState {
  const ts = m.addTask(key, null, m.groups.ofName(key), [0, m.generation, 0], NO_ANNOTATIONS);
  ts.setState(State.MEMORY);
  if (m.validate) m.touched.add(ts);
  return ts;
}

function keep(ts: TaskState, workers: readonly WorkerState[], nbytes: number): void {
  if (nbytes >= 0) ts.setNbytes(nbytes);
  for (const ws of workers) addReplica(ts, ws);
}

/**
 * Handles a value whose key belongs to a task with a function: the value is dropped. Dask would take it as
 * the task's result.
 */
function keepNot(m: SchedulerMachine, ts: TaskState, workers: readonly WorkerState[]): void {
  if (ts.state === State.RELEASED) m.recommendations.add(ts, State.WAITING);
  for (const ws of workers) {
    if (ts.processingOn === ws) continue;
    m.outbox.tellWorker(ws, { op: "remove-replicas", keys: [ts.key], stimulus_id: m.stimulusId });
  }
}
