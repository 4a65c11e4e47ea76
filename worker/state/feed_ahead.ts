/**
 * Number of tasks that a worker hands to its executor at a time.
 *
 * A thread that has one task at a time waits for the main thread between two of them; for tasks of
 * microseconds that is most of the time. So threads are fed ahead with about {@linkcode AHEAD_SECONDS} of
 * work. What has not begun can be taken back, so a task that is cancelled or outranked loses that much at
 * most.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";

/** Seconds of work in a thread's queue. */
const AHEAD_SECONDS = 0.005;
/** Most tasks in a thread's queue, however short. */
const AHEAD_MAX = 256;
/** Weight of the newest duration in the mean. */
const WEIGHT = 0.05;

/** Mean duration of tasks, and what follows from it. */
export class FeedAhead {
  readonly #nthreads: number;
  /** Seconds; nothing known at first, so one task per thread. */
  #mean = Infinity;
  /** Number of tasks to hand out at a time, over all threads. Written here only. */
  slots: number;

  /** Feeds that many threads. */
  constructor(nthreads: number) {
    assert(nthreads >= 1, () => `A worker needs at least one thread, got ${nthreads}`);
    this.#nthreads = nthreads;
    this.slots = nthreads;
  }

  /**
   * A task took `seconds`. One that is long at once ends the feeding ahead; short ones bring it back slowly.
   */
  add(seconds: number): void { // hot: per task
    assert(!Number.isNaN(seconds), "A task took no time that is a number");
    if (!Number.isFinite(this.#mean) || seconds >= AHEAD_SECONDS) this.#mean = Math.max(seconds, 1e-6);
    else this.#mean += WEIGHT * (Math.max(seconds, 1e-6) - this.#mean);
    const ahead = Math.floor(AHEAD_SECONDS / this.#mean);
    this.slots = this.#nthreads * Math.max(1, Math.min(AHEAD_MAX, ahead));
  }
}
