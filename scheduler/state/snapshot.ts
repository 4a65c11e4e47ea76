/**
 * Copies of the machine as plain data, for readers, replays and dumps. Their order depends only on the
 * stimuli.
 *
 * @module
 */

import type { Address, ClientId, Key } from "../../messages/common.ts";
import type { SchedulerMachine } from "./machine.ts";
import type { StateName, TaskState } from "./task_state.ts";
import { factsOf, type WorkerFacts, type WorkerState } from "./worker_state.ts";

/** A task. */
export interface TaskSnapshot {
  /** Key. */
  readonly key: Key;
  /** State. */
  readonly state: StateName;
  /** Smaller runs first. */
  readonly priority: readonly number[];
  /** Keys of its dependencies. */
  readonly dependencies: readonly Key[];
  /** Clients that want it. */
  readonly whoWants: readonly ClientId[];
  /** Workers that hold its result. */
  readonly whoHas: readonly Address[];
  /** The worker that it was assigned to. */
  readonly processingOn: Address | null;
  /** Number of its last assignment. */
  readonly runId: number;
  /** Bytes of its result, -1 if not known. */
  readonly nbytes: number;
  /** Number of times that it may still fail and run again. */
  readonly retries: number;
  /** Number of workers that died while they ran it. */
  readonly suspicious: number;
}

/** A worker. */
export interface WorkerSnapshot extends WorkerFacts {
  /** Keys of the tasks that were assigned to it. */
  readonly processing: readonly Key[];
  /** Keys of the results that it holds. */
  readonly hasWhat: readonly Key[];
  /** Bytes of the results that it holds. */
  readonly nbytes: number;
}

/** A client. */
export interface ClientSnapshot {
  /** Name. */
  readonly client: ClientId;
  /** Keys that it wants. */
  readonly wants: readonly Key[];
}

/** Everything. */
export interface SchedulerSnapshot {
  /** Tasks in the order in which they were made. */
  readonly tasks: readonly TaskSnapshot[];
  /** Workers in the order in which they registered. */
  readonly workers: readonly WorkerSnapshot[];
  /** Clients in the order in which they registered. */
  readonly clients: readonly ClientSnapshot[];
  /** Number of transitions so far. */
  readonly transitions: number;
}

/** Copies everything. */
export function snapshot(m: SchedulerMachine): SchedulerSnapshot {
  return {
    tasks: Array.from(m.tasks.values(), taskSnapshot),
    workers: Array.from(m.workers.values(), workerSnapshot),
    clients: Array.from(m.clients.values(), (cs) => ({ client: cs.id, wants: keysOf(cs.wantsWhat) })),
    transitions: m.transitionCounter,
  };
}

function taskSnapshot(ts: TaskState): TaskSnapshot {
  return {
    key: ts.key,
    state: ts.stateName,
    priority: [...ts.priority],
    dependencies: keysOf(ts.dependencies),
    whoWants: Array.from(ts.whoWants, ({ id }) => id),
    whoHas: Array.from(ts.whoHas, ({ address }) => address),
    processingOn: ts.processingOn?.address ?? null,
    runId: ts.runId,
    nbytes: ts.nbytes,
    retries: ts.retries,
    suspicious: ts.suspicious,
  };
}

function workerSnapshot(ws: WorkerState): WorkerSnapshot {
  return {
    ...factsOf(ws),
    processing: keysOf(ws.processing),
    hasWhat: keysOf(ws.hasWhat),
    nbytes: ws.nbytes,
  };
}

function keysOf(tasks: Iterable<TaskState>): Key[] {
  return Array.from(tasks, ({ key }) => key);
}
