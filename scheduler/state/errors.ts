/**
 * Errors that the scheduler itself gives to tasks.
 *
 * @module
 */

import type { Address, Key } from "../../messages/common.ts";

/** Too many workers died while they ran the task. */
export class KilledWorker extends Error {
  /** Class name. */
  override readonly name = "KilledWorker";
  /** The task. */
  readonly key: Key;
  /** The worker that died last. */
  readonly lastWorker: Address;

  /** Tells how many workers it took. */
  constructor(key: Key, lastWorker: Address, deaths: number) {
    super(
      `Attempted to run task "${key}" on ${deaths} workers, but all of them died while running it. ` +
        `The last one was ${lastWorker}. Its log may tell what went wrong`,
    );
    this.stack = stackOf(this);
    this.key = key;
    this.lastWorker = lastWorker;
  }
}

/** The inputs of a task can't fit into the worker. */
export class InputsTooLarge extends Error {
  /** Class name; Python's name for it. */
  override readonly name = "MemoryError";
  /** The task. */
  readonly key: Key;

  /** Tells the sizes. */
  constructor(key: Key, nbytes: number, worker: Address, memoryLimit: number) {
    super(
      `Cannot run task "${key}": its inputs take ${nbytes} bytes, and worker ${worker} has a memory limit of ` +
        `${memoryLimit} bytes. Pass smaller pieces to it, or raise the limit`,
    );
    this.stack = stackOf(this);
    this.key = key;
  }
}

/** A stack without frames: those of the scheduler say nothing about the task, and a replay has others. */
function stackOf({ name, message }: Error): string {
  return `${name}: ${message}`;
}
