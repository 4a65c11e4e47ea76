/**
 * What tasks of one function have in common: Dask's `TaskGroup` and `TaskPrefix` in one, and the function's body.
 *
 * Dask groups by a part of the key; here a task names its function, which says more and costs nothing.
 *
 * @module
 */

import type { FunctionHash } from "../../messages/common.ts";
import type { ClientState } from "./client_state.ts";
import { State, STATE_NAMES } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** Groups with as many dependencies are not root-ish whatever more there are, so no more are kept. */
export const ROOTISH_DEPENDENCIES = 5;

/** Seconds that no task takes. */
const SECONDS_MAX = 1e9;
/** Seconds that a task counts for while nothing is known (`unknown-task-duration`). */
const UNKNOWN_TASK_DURATION = 0.5;

/** One function: its tasks, its durations, its body and who has it. */
export class TaskGroup {
  /** SHA-256 of the body. */
  readonly hash: FunctionHash;
  /** Name of the tasks, made of the first key. */
  readonly name: string;
  /** Number of tasks by state. */
  readonly counts: number[] = new Array<number>(STATE_NAMES.length).fill(0);
  /** Tasks made since the group was last without any; forgotten ones count, as in Dask. */
  size = 0;
  /** Groups that the tasks depend on, at most {@linkcode ROOTISH_DEPENDENCIES} of them. */
  readonly dependencies: Set<TaskGroup> = new Set();
  /** Running average of the seconds that a task takes, -1 if unknown. */
  durationAverage: number;
  /** Longest time that a task was seen to be running, -1 if none was. */
  maxExecTime: number = -1;
  /** Tasks that workers are busy with, long-running ones excluded. */
  processing = 0;
  /** Body, as long as a client may refer to it or a task names it. */
  body: Uint8Array | null = null;
  /** Clients that sent the body and did not release it. */
  readonly owners: Set<ClientState> = new Set();
  /** Workers that were given the body. */
  readonly workers: Set<WorkerState> = new Set();
  /** Where the last task went, if siblings shall follow (no queuing). */
  lastWorker: WorkerState | null = null;
  /** How many more shall follow. */
  lastWorkerTasksLeft = 0;

  /** Makes a group without tasks. */
  constructor(hash: FunctionHash, name: string, durationAverage: number) {
    this.hash = hash;
    this.name = name;
    this.durationAverage = durationAverage;
  }

  /** Expected seconds of a task (`_get_prefix_duration`). */
  get duration(): number {
    if (this.durationAverage >= 0) return this.durationAverage;
    return this.maxExecTime > 0 ? 2 * this.maxExecTime : UNKNOWN_TASK_DURATION;
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
  moveTask(from: State, to: State): void {
    this.counts[from] = (this.counts[from] ?? 0) - 1;
    this.counts[to] = (this.counts[to] ?? 0) + 1;
  }

  /** Notes that some task depends on one of `other`. */
  addDependency(other: TaskGroup): void {
    if (this.dependencies.size < ROOTISH_DEPENDENCIES) this.dependencies.add(other);
  }

  /** Learns how long a task took, rounded to microseconds as Dask does. */
  addDuration(seconds: number): void {
    if (!(seconds < SECONDS_MAX)) return; // nor if it is no number
    const duration = Math.max(Math.round(seconds * 1e6), 0) / 1e6;
    this.durationAverage = this.durationAverage < 0 ? duration : 0.5 * duration + 0.5 * this.durationAverage;
  }

  /** Learns how long a task has been running so far (`add_exec_time`). */
  addExecTime(seconds: number): void {
    if (!(seconds < SECONDS_MAX)) return;
    this.maxExecTime = Math.max(seconds, this.maxExecTime);
    if (seconds > 2 * this.durationAverage) this.durationAverage = -1;
  }

  /** Begins anew after the last task was forgotten. */
  reset(): void {
    this.counts.fill(0);
    this.size = 0;
    this.dependencies.clear();
    this.lastWorker = null;
  }
}
