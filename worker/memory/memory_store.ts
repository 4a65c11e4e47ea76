/**
 * A store with one tier: memory.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Key } from "../../messages/common.ts";
import type { Serialized } from "../../protocol/serialized.ts";
import type { Held, Store, StoredBytes } from "./store.ts";

/** Keeps results in memory, and answers at once. */
export class MemoryStore implements Store {
  readonly #values = new Map<Key, Serialized>();
  #memory = 0;

  /** See {@linkcode Store.nbytes}. */
  get nbytes(): StoredBytes {
    return { memory: this.#memory, disk: 0 };
  }

  /** See {@linkcode Store.size}. */
  get size(): number {
    return this.#values.size;
  }

  /** See {@linkcode Store.keys}. */
  keys(): Iterable<Key> {
    return this.#values.keys();
  }

  /** See {@linkcode Store.has}. */
  has(key: Key): boolean {
    return this.#values.has(key);
  }

  /** See {@linkcode Store.set}. */
  set(key: Key, value: Serialized): void { // hot: per task
    this.delete(key);
    this.#values.set(key, value);
    this.#memory += value.nbytes;
  }

  /** See {@linkcode Store.delete}. */
  delete(key: Key): void { // hot: per task
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#memory -= value.nbytes;
    assert(this.#memory >= 0, "A store has fewer bytes than none");
  }

  /** See {@linkcode Store.take}. */
  take(keys: readonly Key[]): Held { // hot: per task
    const values: (readonly [Key, Serialized])[] = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as Key;
      const value = this.#values.get(key);
      if (value !== undefined) values.push([key, value]);
    }
    return new HeldInMemory(values);
  }
}

/** Nothing leaves memory by itself, so that nothing is to be let go. */
class HeldInMemory implements Held {
  readonly values: readonly (readonly [Key, Serialized])[];

  constructor(values: readonly (readonly [Key, Serialized])[]) {
    this.values = values;
  }

  [Symbol.dispose](): void {}
}
