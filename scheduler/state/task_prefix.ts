/**
 * How long tasks of one kind take (`distributed/scheduler.py`, `TaskPrefix`).
 *
 * @module
 */

/** Seconds that no task takes. */
const SECONDS_MAX = 1e9;
/** Seconds that a task counts for while nothing is known (`unknown-task-duration`). */
const UNKNOWN_TASK_DURATION = 0.5;

/** What is known of the durations of the tasks of some groups. */
export class TaskPrefix {
  /** The function part of the tasks' keys. */
  readonly name: string;
  /** Running average of the seconds that a task takes, -1 if unknown. */
  durationAverage: number;
  /** Longest time that a task was seen to be running, -1 if none was. */
  maxExecTime: number = -1;
  /** Number of tasks that workers are busy with, long-running ones excluded. */
  processing = 0;

  /** Makes a prefix; `durationAverage` is -1 if nothing is known. */
  constructor(name: string, durationAverage: number) {
    this.name = name;
    this.durationAverage = durationAverage;
  }

  /** Expected seconds of a task (`_get_prefix_duration`). */
  get duration(): number { // hot: per placement
    if (this.durationAverage >= 0) return this.durationAverage;
    return this.maxExecTime > 0 ? 2 * this.maxExecTime : UNKNOWN_TASK_DURATION;
  }

  /** Whether it knows more than its name. */
  get hasLearned(): boolean {
    return this.durationAverage >= 0 || this.maxExecTime > 0;
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
}
