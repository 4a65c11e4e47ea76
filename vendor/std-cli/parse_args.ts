/**
 * Stand-in for `@std/cli/parse-args` where JSR is out of reach: the part of it that this package uses, over
 * minimist, which the real one was written after.
 *
 * @module
 */

import minimist from "npm:minimist@1.2.8";

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Flags that hold a text. */
  string?: readonly string[];
  /** Flags that are on or off. */
  boolean?: readonly string[];
  /** Flags of `boolean` that `--no-` puts out. */
  negatable?: readonly string[];
}

/** Flags by name, and in `_` the remaining arguments. */
export type Args = Record<string, unknown> & {
  /** Arguments that are no flags. */
  _: (string | number)[];
};

/** Reads a command line; `--` ends the flags. */
export function parseArgs(args: string[], options: ParseOptions = {}): Args {
  const parsed = minimist(args, {
    string: [...options.string ?? []],
    boolean: [...options.boolean ?? []],
  }) as Args;
  return parsed;
}
