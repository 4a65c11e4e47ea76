/**
 * Checks users' task options, and converts them to annotations of a graph.
 *
 * @module
 */

import type { GraphAnnotations } from "../../messages/client_scheduler.ts";

/**
 * Where and how tasks run; see `Client.with`. The options apply to new tasks: a task with the same key that a
 * client already needs keeps its own.
 */
export interface TaskOptions {
  /**
   * Key of the task, unique in the cluster; for `map` the beginning of the keys. Default: the function's
   * name, followed by a hash of the function and its arguments if `pure`, else by random characters.
   */
  key?: string;
  /**
   * Whether the function returns the same result for the same arguments. If so, calls with the same arguments
   * share one key and are computed once, as long as a client needs the result. Set it to `false` for
   * functions that are random, depend on time, or have effects. Default: true.
   */
  pure?: boolean;
  /** Addresses, names or hosts of the workers that may run the tasks. Default: any. */
  workers?: readonly string[];
  /** Whether other workers may run the tasks if none of `workers` can. Default: false. */
  allowOtherWorkers?: boolean;
  /** Tasks with a higher number run earlier. Default: 0. */
  priority?: number;
  /** Number of times that a failing task is run again. Default: 0. */
  retries?: number;
  /** When it is aborted, the tasks that have not ended are cancelled. */
  signal?: AbortSignal;
}

const CHECKS: Readonly<Record<keyof TaskOptions, readonly [(value: unknown) => boolean, string]>> = {
  key: [(value) => typeof value === "string" && value !== "", "a text that is not empty"],
  pure: [(value) => typeof value === "boolean", "true or false"],
  workers: [isListOfNames, "a list of addresses, names or hosts with at least one entry"],
  allowOtherWorkers: [(value) => typeof value === "boolean", "true or false"],
  priority: [(value) => typeof value === "number" && Number.isFinite(value), "a finite number"],
  retries: [(value) => Number.isInteger(value) && (value as number) >= 0, "a whole number, 0 or more"],
  signal: [(value) => value instanceof AbortSignal, "an AbortSignal"],
};

function isListOfNames(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 &&
    value.every((name) => typeof name === "string" && name !== "");
}

/**
 * Checks options from a program.
 *
 * @throws {TypeError} If one is unknown or has a wrong value; the message names it.
 */
export function checkTaskOptions(options: TaskOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name as keyof TaskOptions] : undefined;
    if (check === undefined) {
      throw new TypeError(
        `Cannot run tasks with option "${name}": it is not known here; known are ${
          Object.keys(CHECKS).join(", ")
        }`,
      );
    }
    const [isValid, wanted] = check;
    if (!isValid(value)) throw new TypeError(`Cannot run tasks with option "${name}": it must be ${wanted}`);
  }
  if (options.allowOtherWorkers === true && options.workers === undefined) {
    throw new TypeError('Cannot run tasks with option "allowOtherWorkers": it needs "workers"');
  }
}

/**
 * Returns the annotations of options for the scheduler. There is one object per set of options: tasks that
 * share it share a message.
 */
export function annotationsOf(options: TaskOptions): GraphAnnotations {
  const { priority, workers, allowOtherWorkers, retries } = options;
  return {
    ...priority !== undefined && { priority },
    ...workers !== undefined && { workers: [...workers] },
    ...allowOtherWorkers !== undefined && { allow_other_workers: allowOtherWorkers },
    ...retries !== undefined && { retries },
  };
}
