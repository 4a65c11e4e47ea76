/**
 * Extracts Futures from the arguments of a task, and notes their places.
 *
 * @module
 */

import type { Reference } from "../../messages/run_spec.ts";
import type { Future } from "../futures/future.ts";
import { pathText, replaceFutures, type Step } from "./structure.ts";

/** Returns why a Future can't be an argument; undefined if it can. */
export type Refusal = (future: Future<unknown>) => string | undefined;

/** Arguments without Futures, and the places of the tasks' results. */
export interface ExtractedArguments {
  /**
   * The given arguments if they contain no Future; else a copy with `null` in place of each Future. Parts
   * without Futures are not copied.
   */
  readonly args: readonly unknown[];
  /** Places in `args`. */
  readonly references: readonly Reference[];
}

const NONE: readonly Reference[] = [];

/**
 * Extracts the Futures from `args`.
 *
 * @throws {TypeError} If a Future is refused, or is in a place that can't be filled; the message has key and
 * path.
 */
export function extractFutures(args: readonly unknown[], refusal?: Refusal): ExtractedArguments {
  if (!args.some((arg) => typeof arg === "object" && arg !== null)) {
    return { args, references: NONE }; // hot: plain arguments
  }
  const references: Reference[] = [];
  const copied = replaceFutures(args, (future, path) => {
    const reason = refusal?.(future);
    if (reason !== undefined) throw refused(future, path, reason);
    references.push([future.key, ...path]);
    return null;
  }, { sets: false, root: "args" });
  return { args: copied as readonly unknown[], references };
}

function refused(future: Future<unknown>, path: readonly Step[], reason: string): TypeError {
  return new TypeError(`Cannot use the Future "${future.key}" at "${pathText("args", path)}": ${reason}`);
}
