/**
 * Takes Futures out of the arguments of a task, and notes the places they stood in.
 *
 * @module
 */

import type { Reference } from "../../messages/run_spec.ts";
import type { Future } from "../futures/future.ts";
import { pathText, replaceFutures, type Step } from "./structure.ts";

/** Says why a Future can't be an argument, or nothing. */
export type Refusal = (future: Future<unknown>) => string | undefined;

/** Arguments without Futures, and where the results of which tasks go. */
export interface ExtractedArguments {
  /**
   * As given if there was no Future in them; else copied as far as needed, with `null` in the place of each.
   */
  readonly args: readonly unknown[];
  /** Places in `args`. */
  readonly references: readonly Reference[];
}

const NONE: readonly Reference[] = [];

/**
 * Takes the Futures out of `args`.
 *
 * @throws {TypeError} If one of them is refused, or stands where nothing can take its place; names key and
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
