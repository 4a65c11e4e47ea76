/**
 * Takes Futures out of the arguments of a task, and notes the places they stood in.
 *
 * @module
 */

import type { Reference } from "../messages/run_spec.ts";
import { replaceFutures } from "./structure.ts";

/** Arguments without Futures, and where the results of which tasks go. */
export interface ExtractedArguments {
  /** As given if there was no Future in them; else copied as far as needed, with `null` in the place of each. */
  readonly args: readonly unknown[];
  /** Places in `args`. */
  readonly references: readonly Reference[];
}

const NONE: readonly Reference[] = [];

/** Takes the Futures out of `args`. */
export function extractFutures(args: readonly unknown[]): ExtractedArguments {
  if (!args.some((arg) => typeof arg === "object" && arg !== null)) {
    return { args, references: NONE }; // hot: plain arguments
  }
  const references: Reference[] = [];
  const copied = replaceFutures(args, (future, path) => {
    references.push([future.key, ...path]);
    return null;
  });
  return { args: copied as readonly unknown[], references };
}
