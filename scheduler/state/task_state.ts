/**
 * The scheduler's record of one task (`distributed/scheduler.py`, `TaskState`).
 *
 * @module
 */

import type { Address, Key, Priority } from "../../messages/common.ts";
import type { ClientTaskErred } from "../../messages/client_scheduler.ts";
import type { RunSpec } from "../../messages/run_spec.ts";
import { assert } from "../../internal/assert.ts";
import { NO_STATE } from "../../internal/recommendations.ts";
import type { ClientState } from "./client_state.ts";
import type { Pool } from "./pool.ts";
import type { TaskGroup } from "./task_group.ts";
import type { WorkerState } from "./worker_state.ts";

/** States as small numbers, the indexes of the table of transitions. */
export const State = {
  /** No state; used for "nothing recommended". */
  NONE: NO_STATE,
  /** Known, but not being worked on. */
  RELEASED: 1,
  /** Dependencies are missing. */
  WAITING: 2,
  /** Ready, but no worker may run it. */
  NO_WORKER: 3,
  /** Ready, but all workers are busy. */
  QUEUED: 4,
  /** Sent to a worker. */
  PROCESSING: 5,
  /** A worker holds the result. */
  MEMORY: 6,
  /** It, or a dependency, failed. */
  ERRED: 7,
  /** No longer known. */
  FORGOTTEN: 8,
} as const;

/** One of {@linkcode State}. */
export type State = typeof State[keyof typeof State];

/** Names of {@linkcode State}, as Dask spells them, by number. */
export const STATE_NAMES = [
  "none",
  "released",
  "waiting",
  "no-worker",
  "queued",
  "processing",
  "memory",
  "erred",
  "forgotten",
] as const;

/** Name of a state. */
export type StateName = typeof STATE_NAMES[number];

/** Name of `state`, as Dask spells it. */
export function stateName(state: State): StateName {
  return STATE_NAMES[state];
}

/** The error of a failed task, as sent to clients. */
export type ErrorPayload = ClientTaskErred["exception"];

/**
 * Why a task failed. Dask stores the error in the task that raised it, and other failed tasks refer to that
 * task; a retry clears it while others still refer to it. Here all tasks that failed because of an error
 * share one record.
 */
export interface TaskFailure {
  /** The task that raised it. */
  readonly culprit: Key;
  /** The error. */
  readonly exception: ErrorPayload;
  /** Python's traceback, or null. */
  readonly traceback: unknown;
}

/** Assumed bytes of a result while its size is unknown (`DEFAULT_DATA_SIZE`). */
const DEFAULT_DATA_SIZE = 1024;

/** The shared empty set of tasks, so that most tasks need no sets of their own. It must stay empty. */
export const NO_TASKS: Set<TaskState> = new Set();
const NO_WORKERS: Set<WorkerState> = new Set();
const NO_CLIENTS: Set<ClientState> = new Set();

/** One task. Fields are written by the transitions and stimuli of this folder only. */
export class TaskState {
  /** Cluster-wide unique name. */
  readonly key: Key;
  /** What to run; `null` for a value that a client stored on workers. */
  readonly runSpec: RunSpec | null;
  /** Pool of the workers that can run it; `null` for a value. */
  readonly pool: Pool | null;
  /** Group of similar tasks. */
  readonly group: TaskGroup;
  /** `[-userPriority, generation, order]`: smaller runs first. */
  readonly priority: Priority;
  /** Orders tasks of equal priority: the one that was created earlier runs first. */
  readonly sequence: number;
  /** Current state. Set by {@linkcode TaskState.setState}. */
  state: State = State.RELEASED;
  /** Recommended next state, or `NONE`. Owned by `Recommendations`. */
  recommended: State = State.NONE;
  /** Position in the pool's queue, -1 if it is not queued. Owned by `Heap`. */
  heapIndex: number = -1;
  /** Tasks whose results it takes. */
  dependencies: Set<TaskState> = NO_TASKS;
  /** Tasks that take its result. */
  dependents: Set<TaskState> = NO_TASKS;
  /** Dependencies whose results are missing. */
  waitingOn: Set<TaskState> = NO_TASKS;
  /** Dependents that still have to run. */
  waiters: Set<TaskState> = NO_TASKS;
  /** Clients that want the result. */
  whoWants: Set<ClientState> = NO_CLIENTS;
  /** Workers that hold the result. */
  whoHas: Set<WorkerState> = NO_WORKERS;
  /** Worker that was told to run it. */
  processingOn: WorkerState | null = null;
  /** Number of the last assignment to a worker. */
  runId: number = -1;
  /** Bytes of the result, -1 if unknown. */
  nbytes: number = -1;
  /** Pickle of the result's type, from the last run. */
  type: Uint8Array | null = null;
  /** Number of times that it may still fail and run again. */
  retries = 0;
  /** Number of workers that died while they ran it. */
  suspicious = 0;
  /** Addresses, names or hosts of workers that may run it; `null` for all. */
  restrictions: readonly string[] | null = null;
  /** Whether `restrictions` are only a preference. */
  looseRestrictions = false;
  /** Sent along with the task. */
  annotations: Readonly<Record<string, unknown>>;
  /** Why it failed; null unless its state is `erred`. */
  failure: TaskFailure | null = null;
  /** Workers on which it failed; they may still have data of it. */
  erredOn: Address[] | null = null;
  /** Whether a dependency was forgotten, so that it can't run. */
  hasLostDependencies = false;

  /** Creates a released task without dependencies. */
  constructor(
    key: Key,
    runSpec: RunSpec | null,
    pool: Pool | null,
    group: TaskGroup,
    priority: Priority,
    sequence: number,
    annotations: Readonly<Record<string, unknown>>,
  ) {
    this.key = key;
    assert(
      (runSpec === null) === (pool === null),
      "A task has something to run if and only if it has a pool",
    );
    this.runSpec = runSpec;
    this.pool = pool;
    this.group = group;
    this.priority = priority;
    this.sequence = sequence;
    this.annotations = annotations;
    group.addTask();
  }

  /** Changes the state, and the counts of the group. */
  setState(state: State): void {
    assert(this.state !== State.FORGOTTEN, "A forgotten task goes to another state");
    this.group.moveTask(this.state, state);
    this.state = state;
  }

  /** Name of the state, as Dask spells it. */
  get stateName(): StateName {
    return stateName(this.state);
  }

  /** Size of the result, or the assumed size. */
  get size(): number {
    return this.nbytes >= 0 ? this.nbytes : DEFAULT_DATA_SIZE;
  }

  /** Sets the size of the result, and updates the sums of its holders. */
  setNbytes(nbytes: number): void {
    const difference = nbytes - (this.nbytes >= 0 ? this.nbytes : 0);
    for (const ws of this.whoHas) ws.nbytes += difference;
    this.nbytes = nbytes;
  }

  /** Adds a dependency, and this task as its dependent. */
  addDependency(other: TaskState): void {
    assert(
      other !== this && other.state !== State.FORGOTTEN,
      "A task depends on itself, or on one that is forgotten",
    );
    if (this.dependencies === NO_TASKS) this.dependencies = new Set();
    if (other.dependents === NO_TASKS) other.dependents = new Set();
    this.dependencies.add(other);
    other.dependents.add(this);
    this.group.addDependency(other.group);
  }

  /** Notes that `other`'s result is missing. */
  addWaitingOn(other: TaskState): void {
    assert(this.dependencies.has(other), "A task waits for one that it does not depend on");
    if (this.waitingOn === NO_TASKS) this.waitingOn = new Set();
    this.waitingOn.add(other);
  }

  /** Notes that `other` waits for, or runs with, this result. */
  addWaiter(other: TaskState): void {
    assert(this.dependents.has(other), "A task waits for another that it does not depend on");
    if (this.waiters === NO_TASKS) this.waiters = new Set();
    this.waiters.add(other);
  }

  /** Notes a client that wants the result. */
  addWanter(client: ClientState): void {
    if (this.whoWants === NO_CLIENTS) this.whoWants = new Set();
    this.whoWants.add(client);
  }

  /** Notes a holder of the result. */
  addHolder(worker: WorkerState): void {
    if (this.whoHas === NO_WORKERS) this.whoHas = new Set();
    this.whoHas.add(worker);
  }

  /** Forgets all holders. */
  clearHolders(): void {
    this.whoHas = NO_WORKERS;
  }

  /** Forgets all clients that want it. */
  clearWanters(): void {
    this.whoWants = NO_CLIENTS;
  }

  /** Whether a client or a dependent needs the result. */
  get needed(): boolean {
    return this.whoWants.size > 0 || this.waiters.size > 0;
  }
}

/** Whether the shared empty sets are still empty. */
export function areSharedSetsEmpty(): boolean {
  return NO_TASKS.size === 0 && NO_WORKERS.size === 0 && NO_CLIENTS.size === 0;
}

/** Whether `left` runs before `right`: smaller priority first, then the one that was created earlier. */
export function runsBefore(left: TaskState, right: TaskState): boolean {
  return comparePriority(left, right) < 0;
}

/** Order in which tasks run, for `sort`. */
export function comparePriority(left: TaskState, right: TaskState): number {
  const a = left.priority;
  const b = right.priority;
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.sequence - right.sequence;
}
