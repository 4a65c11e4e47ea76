/**
 * Tasks that are alike, which placement looks at together (`distributed/scheduler.py`, `TaskGroup`).
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { FunctionHash } from "../../messages/common.ts";
import type { TaskPrefix } from "./task_prefix.ts";
import { State, STATE_NAMES } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** Groups with as many dependencies are not root-ish whatever more there are, so no more are kept. */
export const ROOTISH_DEPENDENCIES = 5;

const NO_GROUPS: ReadonlySet<TaskGroup> = new Set();

/** The tasks of one function, or values of one name. */
export class TaskGroup {
  /** Hash of the tasks' function; `null` if they name none, as values that clients put on workers. */
  readonly function: FunctionHash | null;
  /** How long the tasks take. */
  readonly prefix: TaskPrefix;
  /** Number of tasks by state. */
  readonly counts: number[] = new Array<number>(STATE_NAMES.length).fill(0);
  /** Number of tasks made since the group was last without any; forgotten ones count, as in Dask. */
  size = 0;
  /** Groups that the tasks depend on, at most {@linkcode ROOTISH_DEPENDENCIES} of them. */
  dependencies: ReadonlySet<TaskGroup> = NO_GROUPS;
  /** Where the last task went, if siblings shall follow (no queuing). */
  lastWorker: WorkerState | null = null;
  /** How many more shall follow. */
  lastWorkerTasksLeft = 0;

  /** Makes a group without tasks. */
  constructor(hash: FunctionHash | null, prefix: TaskPrefix) {
    this.function = hash;
    this.prefix = prefix;
  }

  /** The function part of the tasks' keys. */
  get name(): string {
    return this.prefix.name;
  }

  /** Number of tasks that are known. */
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

  /** Notes that some task depends on one of `other`. */
  addDependency(other: TaskGroup): void { // hot: per dependency
    if (this.dependencies.size >= ROOTISH_DEPENDENCIES || this.dependencies.has(other)) return;
    if (this.dependencies === NO_GROUPS) this.dependencies = new Set([other]);
    else (this.dependencies as Set<TaskGroup>).add(other);
  }

  /** Begins anew after the last task was forgotten. */
  reset(): void {
    assert(this.taskCount === 0, () => `Group ${this.name} begins anew, and has ${this.taskCount} tasks`);
    this.counts.fill(0);
    this.size = 0;
    this.dependencies = NO_GROUPS;
    this.lastWorker = null;
  }
}
