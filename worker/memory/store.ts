/**
 * Results that a worker holds: frames by key, and how many bytes they are.
 *
 * @module
 */

import type { Key } from "../../messages/common.ts";
import type { Serialized } from "../../protocol/serialized.ts";

/** In-memory store of serialized results. */
export class DataStore {
  #values = new Map<Key, Serialized>();
  #nbytes = 0;

  /** Bytes of all results. */
  get nbytes(): number {
    return this.#nbytes;
  }

  /** Number of results. */
  get size(): number {
    return this.#values.size;
  }

  /** Keys of all results. */
  keys(): Iterable<Key> {
    return this.#values.keys();
  }

  /** A result. */
  get(key: Key): Serialized | undefined {
    return this.#values.get(key);
  }

  /** Keeps a result; replaces an older one. */
  set(key: Key, value: Serialized): void {
    this.delete(key);
    this.#values.set(key, value);
    this.#nbytes += value.nbytes;
  }

  /** Forgets a result, if it is here. */
  delete(key: Key): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#nbytes -= value.nbytes;
  }
}
