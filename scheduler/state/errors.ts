/**
 * Errors of tasks that the scheduler itself raises.
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

  /** Puts the number of deaths into the message. */
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

/** The inputs of a task don't fit into the worker's memory. */
export class InputsTooLarge extends Error {
  /** Class name; Python's name for it. */
  override readonly name = "MemoryError";
  /** The task. */
  readonly key: Key;

  /** Puts the sizes into the message. */
  constructor(key: Key, nbytes: number, worker: Address, memoryLimit: number) {
    super(
      `Cannot run task "${key}": its inputs take ${nbytes} bytes, and worker ${worker} has a memory limit of ` +
        `${memoryLimit} bytes. Pass smaller pieces to it, or raise the limit`,
    );
    this.stack = stackOf(this);
    this.key = key;
  }
}

/**
 * Returns a stack without frames: the scheduler's frames say nothing about the task, and differ in a replay.
 */
function stackOf({ name, message }: Error): string {
  return `${name}: ${message}`;
}
