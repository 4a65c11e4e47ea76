/**
 * A store whose results are in a slower tier: it answers when a test says so, and knows what is held.
 *
 * @module
 */

import type { Key } from "../messages/common.ts";
import { MemoryStore } from "../worker/memory/memory_store.ts";
import type { Held, Store, StoredBytes } from "../worker/memory/store.ts";
import type { Serialized } from "../protocol/serialized.ts";

/** Reads nothing before {@linkcode LaterStore.read}. */
export class LaterStore implements Store {
  readonly #store = new MemoryStore();
  readonly #waiting: (() => void)[] = [];
  /** Number of answers that were not disposed. */
  held = 0;

  /** As of a store in memory. */
  get nbytes(): StoredBytes {
    return { memory: 0, disk: this.#store.nbytes.memory };
  }

  /** As of a store in memory. */
  get size(): number {
    return this.#store.size;
  }

  /** Number of answers that are waited for. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** As of a store in memory. */
  keys(): Iterable<Key> {
    return this.#store.keys();
  }

  /** As of a store in memory. */
  has(key: Key): boolean {
    return this.#store.has(key);
  }

  /** As of a store in memory. */
  set(key: Key, value: Serialized): void {
    this.#store.set(key, value);
  }

  /** As of a store in memory. */
  delete(key: Key): void {
    this.#store.delete(key);
  }

  /** Answers at the next {@linkcode LaterStore.read}. */
  take(keys: readonly Key[]): Promise<Held> {
    const { values } = this.#store.take(keys);
    const { promise, resolve } = Promise.withResolvers<Held>();
    this.#waiting.push(() => {
      this.held++;
      resolve({ values, [Symbol.dispose]: () => void this.held-- });
    });
    return promise;
  }

  /** Answers what was asked. */
  read(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }
}
