/**
 * Durations of similar tasks (`distributed/scheduler.py`, `TaskPrefix`).
 *
 * @module
 */

/** Upper limit for reported seconds. */
const SECONDS_MAX = 1e9;
/** Assumed seconds of a task while its duration is unknown (`unknown-task-duration`). */
const UNKNOWN_TASK_DURATION = 0.5;

/** The durations of the tasks of one or more groups. */
export class TaskPrefix {
  /** The function part of the tasks' keys. */
  readonly name: string;
  /** Running average of the seconds that a task takes, -1 if unknown. */
  durationAverage: number;
  /** Longest time that a running task was reported to take so far, -1 if unknown. */
  maxExecTime: number = -1;
  /** Number of tasks that workers are busy with, long-running ones excluded. */
  processing = 0;

  /** @param durationAverage Seconds that a task takes, -1 if unknown. */
  constructor(name: string, durationAverage: number) {
    this.name = name;
    this.durationAverage = durationAverage;
  }

  /** Expected seconds of a task (`_get_prefix_duration`). */
  get duration(): number { // hot: per placement
    if (this.durationAverage >= 0) return this.durationAverage;
    return this.maxExecTime > 0 ? 2 * this.maxExecTime : UNKNOWN_TASK_DURATION;
  }

  /** Whether any duration was learned. */
  get hasLearned(): boolean {
    return this.durationAverage >= 0 || this.maxExecTime > 0;
  }

  /** Learns how long a task took, rounded to microseconds as Dask does. */
  addDuration(seconds: number): void {
    if (!(seconds < SECONDS_MAX)) return; // also false for NaN
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
