/**
 * What the scheduler knows of one task (`distributed/scheduler.py`, `TaskState`).
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

/** States as small numbers: what the table of transitions is indexed by. */
export const State = {
  /** No state; used for "nothing recommended". */
  NONE: NO_STATE,
  /** Known, and nothing is done about it. */
  RELEASED: 1,
  /** Dependencies are missing. */
  WAITING: 2,
  /** Ready, and no worker may run it. */
  NO_WORKER: 3,
  /** Ready, and all workers are busy. */
  QUEUED: 4,
  /** Sent to a worker. */
  PROCESSING: 5,
  /** Some worker holds the result. */
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

/** What tells a client why a task failed. */
export type ErrorPayload = ClientTaskErred["exception"];

/**
 * Why a task failed. Dask keeps the error in the task that caused it, and refers to that task. A retry clears
 * it there while others still refer to it; so here the error is a thing of its own, shared by all that failed
 * of it.
 */
export interface TaskFailure {
  /** The task that raised it. */
  readonly culprit: Key;
  /** The error. */
  readonly exception: ErrorPayload;
  /** Python's traceback, or nothing. */
  readonly traceback: unknown;
}

/** Bytes that a result counts for while its size is not known (`DEFAULT_DATA_SIZE`). */
const DEFAULT_DATA_SIZE = 1024;

/** The set of those who have no tasks: shared, so that most tasks own no sets. Nobody may add to it. */
export const NO_TASKS: Set<TaskState> = new Set();
const NO_WORKERS: Set<WorkerState> = new Set();
const NO_CLIENTS: Set<ClientState> = new Set();

/** One task. Fields are written by the transitions and stimuli of this folder only. */
export class TaskState {
  /** Cluster-wide unique name. */
  readonly key: Key;
  /** What to run; `null` for a value that a client put on workers. */
  readonly runSpec: RunSpec | null;
  /** The workers that can run it; `null` if there is nothing to run. */
  readonly pool: Pool | null;
  /** Tasks that are like it. */
  readonly group: TaskGroup;
  /** `[-userPriority, generation, order]`: smaller runs first. */
  readonly priority: Priority;
  /** Tells tasks of equal priority apart: the earlier made runs first. */
  readonly sequence: number;
  /** Current state. Set by {@linkcode TaskState.setState}. */
  state: State = State.RELEASED;
  /** Recommended next state, or `NONE`. Owned by `Recommendations`. */
  recommended: State = State.NONE;
  /** Position in the queue of the scheduler, -1 outside. Owned by `Heap`. */
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
  /** How often it may still fail and run again. */
  retries = 0;
  /** How many workers died while they ran it. */
  suspicious = 0;
  /** Addresses, names or hosts of workers that may run it; `null` for all. */
  restrictions: readonly string[] | null = null;
  /** Whether `restrictions` are only a wish. */
  looseRestrictions = false;
  /** Sent along with the task. */
  annotations: Readonly<Record<string, unknown>>;
  /** Why it failed; set if and only if it is erred. */
  failure: TaskFailure | null = null;
  /** Workers that may hold leftovers of the failed runs. */
  erredOn: Address[] | null = null;
  /** A dependency was forgotten: it can't run any more. */
  hasLostDependencies = false;

  /** Makes a released task without links to others. */
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

  /** Goes to another state, and counts it in the group. */
  setState(state: State): void {
    assert(this.state !== State.FORGOTTEN, "A forgotten task goes to another state");
    this.group.moveTask(this.state, state);
    this.state = state;
  }

  /** Name of the state, as Dask spells it. */
  get stateName(): StateName {
    return stateName(this.state);
  }

  /** Size of the result, or a guess. */
  get size(): number {
    return this.nbytes >= 0 ? this.nbytes : DEFAULT_DATA_SIZE;
  }

  /** Learns the size of the result; holders account for it. */
  setNbytes(nbytes: number): void {
    const difference = nbytes - (this.nbytes >= 0 ? this.nbytes : 0);
    for (const ws of this.whoHas) ws.nbytes += difference;
    this.nbytes = nbytes;
  }

  /** Links both ways. */
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

  /** Forgets all clients that wanted it. */
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

/** Whether `left` runs before `right`: smaller priority, then the earlier made. */
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
