/**
 * Options of the public API: an unknown name is an error, never ignored.
 *
 * @module
 */

import { nearest } from "./nearest.ts";

/**
 * Checks the names of `options` against `known`, which has every name of its type.
 *
 * @throws {TypeError} If there is another one; names the nearest.
 */
export function checkOptions<T extends object>(what: string, options: T, known: Record<keyof T, true>): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    const close = nearest(name, Object.keys(known));
    throw new TypeError(
      `${what} has no option "${name}"` +
        (close === undefined ? ` (known: ${Object.keys(known).join(", ")})` : `; did you mean "${close}"?`),
    );
  }
}
