/**
 * Results that a worker holds: frames by key, in memory or in a slower tier.
 *
 * @module
 */

import type { Key } from "../../messages/common.ts";
import type { Serialized } from "../../protocol/serialized.ts";

/** Bytes of results by the tier that they are in. */
export interface StoredBytes {
  /** In memory. */
  readonly memory: number;
  /** On disk. */
  readonly disk: number;
}

/** Results that stay in memory until this is disposed, as a task or a transfer uses them. */
export interface Held extends Disposable {
  /** The results, in the order in which they were asked for. What the store does not have is left out. */
  readonly values: readonly (readonly [Key, Serialized])[];
}

/** Keeps results. What it knows of a key changes at once; only values may come later. */
export interface Store {
  /** Bytes of all results. */
  readonly nbytes: StoredBytes;
  /** Number of results. */
  readonly size: number;
  /** Keys of all results. */
  keys(): Iterable<Key>;
  /** Whether the result of `key` is here, in whichever tier. */
  has(key: Key): boolean;
  /** Keeps a result; replaces an older one. */
  set(key: Key, value: Serialized): void;
  /** Forgets a result, if it is here. Who took it before keeps it. */
  delete(key: Key): void;
  /**
   * Brings results into memory, and keeps them there until the answer is disposed. The answer is a promise
   * only if a result has to be read first. It has what was here at the call, whatever is deleted meanwhile.
   */
  take(keys: readonly Key[]): Held | Promise<Held>;
}
