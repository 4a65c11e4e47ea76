/**
 * Keys of tasks: raw on the wire, canonical inside. Whatever reads a key from a message reads it here.
 *
 * Inside, a key is a string: two keys are the same if they are equal. A string on the wire is its own
 * canonical form.
 *
 * @module
 */

import type { Key } from "./common.ts";

/** Characters of a key, at most: stories and logs outlive the tasks that they tell of. */
export const KEY_MAX = 10_000;

/**
 * The key that came as `value`; `undefined` if it is none. Dask has keys that are no strings: they are
 * refused.
 */
export function keyFromWire(value: unknown): Key | undefined { // hot: per key
  return typeof value === "string" && value.length <= KEY_MAX ? value as Key : undefined;
}
