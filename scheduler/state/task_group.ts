/**
 * Groups of similar tasks, for placement (`distributed/scheduler.py`, `TaskGroup`).
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { FunctionHash } from "../../messages/common.ts";
import type { TaskPrefix } from "./task_prefix.ts";
import { State, STATE_NAMES } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** A group with this number of dependencies is not root-ish, so no more of them are stored. */
export const ROOTISH_DEPENDENCIES = 5;

const NO_GROUPS: ReadonlySet<TaskGroup> = new Set();

/** The tasks of one function, or values of one name. */
export class TaskGroup {
  /** Hash of the tasks' function; `null` if they have none, such as values that clients stored on workers. */
  readonly function: FunctionHash | null;
  /** How long the tasks take. */
  readonly prefix: TaskPrefix;
  /** Number of tasks by state. */
  readonly counts: number[] = new Array<number>(STATE_NAMES.length).fill(0);
  /** Number of tasks created since the group was last empty, including forgotten ones, as in Dask. */
  size = 0;
  /** Groups that the tasks depend on, at most {@linkcode ROOTISH_DEPENDENCIES} of them. */
  dependencies: ReadonlySet<TaskGroup> = NO_GROUPS;
  /** Worker of the last task, if its siblings go to the same worker (without queuing). */
  lastWorker: WorkerState | null = null;
  /** Number of siblings that still go to that worker. */
  lastWorkerTasksLeft = 0;

  constructor(hash: FunctionHash | null, prefix: TaskPrefix) {
    this.function = hash;
    this.prefix = prefix;
  }

  /** The function part of the tasks' keys. */
  get name(): string {
    return this.prefix.name;
  }

  /** Number of known tasks. */
  get taskCount(): number {
    return this.size - (this.counts[State.FORGOTTEN] ?? 0);
  }

  /** Counts a new, released task. */
  addTask(): void {
    this.size++;
    this.counts[State.RELEASED] = (this.counts[State.RELEASED] ?? 0) + 1;
  }

  /** Counts a change of state. */
  moveTask(from: State, to: State): void { // hot: per transition
    const left = (this.counts[from] ?? 0) - 1;
    assert(left >= 0, "A task leaves a state in which its group has none");
    this.counts[from] = left;
    this.counts[to] = (this.counts[to] ?? 0) + 1;
  }

  /** Notes that a task depends on a task of `other`. */
  addDependency(other: TaskGroup): void { // hot: per dependency
    if (this.dependencies.size >= ROOTISH_DEPENDENCIES || this.dependencies.has(other)) return;
    if (this.dependencies === NO_GROUPS) this.dependencies = new Set([other]);
    else (this.dependencies as Set<TaskGroup>).add(other);
  }

  /** Resets the group after the last task was forgotten. */
  reset(): void {
    assert(this.taskCount === 0, () => `Group ${this.name} begins anew, and has ${this.taskCount} tasks`);
    this.counts.fill(0);
    this.size = 0;
    this.dependencies = NO_GROUPS;
    this.lastWorker = null;
  }
}
