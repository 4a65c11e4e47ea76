/**
 * Function bodies that the scheduler keeps for a client, with the number of wanted keys that need each.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { FunctionHash } from "../../messages/common.ts";

/** Counts wanted keys by function. */
export class FunctionUses {
  readonly #keys = new Map<FunctionHash, number>();

  /** Whether the scheduler has the body. */
  has(hash: FunctionHash): boolean {
    return this.#keys.has(hash);
  }

  /** Notes that the scheduler has the body. */
  send(hash: FunctionHash): void {
    if (!this.#keys.has(hash)) this.#keys.set(hash, 0);
  }

  /** Adds a wanted key that needs the body. */
  add(hash: FunctionHash): void { // hot: per task
    const keys = this.#keys.get(hash);
    assert(keys !== undefined, () => `A task needs function ${hash}, which the scheduler has not got`);
    this.#keys.set(hash, keys + 1);
  }

  /** Removes a wanted key that needed the body. */
  remove(hash: FunctionHash): void { // hot: per task
    const keys = this.#keys.get(hash);
    assert(keys !== undefined && keys > 0, () => `No wanted key needs function ${hash}`);
    this.#keys.set(hash, keys - 1);
  }

  /** Forgets the bodies that no wanted key needs. Returns their hashes. */
  takeIdle(): FunctionHash[] {
    const idle: FunctionHash[] = [];
    for (const [hash, keys] of this.#keys) if (keys === 0) idle.push(hash);
    for (const hash of idle) this.#keys.delete(hash);
    return idle;
  }

  /** Forgets all bodies. */
  clear(): void {
    this.#keys.clear();
  }

  /** Number of wanted keys by function. */
  counts(): Map<FunctionHash, number> {
    return new Map(this.#keys);
  }
}
