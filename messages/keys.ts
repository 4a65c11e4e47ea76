/**
 * Keys of tasks: raw on the wire, canonical inside. All keys in messages are parsed here.
 *
 * Inside, a key is a string, so keys can be compared with `===`. A string on the wire is its own canonical
 * form.
 *
 * @module
 */

import type { Key } from "./common.ts";

/** Maximum length of a key in characters: stories and logs keep keys after their tasks are forgotten. */
export const KEY_MAX = 10_000;

/**
 * Returns the key that was sent as `value`; `undefined` if it is not a valid key. Dask also has keys that are
 * not strings: they are refused.
 */
export function keyFromWire(value: unknown): Key | undefined { // hot: per key
  return typeof value === "string" && value.length <= KEY_MAX ? value as Key : undefined;
}
