/**
 * Function bodies that the scheduler keeps for a client, and how many wanted keys need each.
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

  /** The scheduler gets the body, if it has not got it. */
  send(hash: FunctionHash): void {
    if (!this.#keys.has(hash)) this.#keys.set(hash, 0);
  }

  /** One more wanted key needs it. */
  add(hash: FunctionHash): void { // hot: per task
    const keys = this.#keys.get(hash);
    assert(keys !== undefined, () => `A task needs function ${hash}, which the scheduler has not got`);
    this.#keys.set(hash, keys + 1);
  }

  /** One wanted key less needs it. */
  remove(hash: FunctionHash): void { // hot: per task
    const keys = this.#keys.get(hash);
    assert(keys !== undefined && keys > 0, () => `No wanted key needs function ${hash}`);
    this.#keys.set(hash, keys - 1);
  }

  /** Forgets the bodies that no wanted key needs, and returns them. */
  takeIdle(): FunctionHash[] {
    const idle: FunctionHash[] = [];
    for (const [hash, keys] of this.#keys) if (keys === 0) idle.push(hash);
    for (const hash of idle) this.#keys.delete(hash);
    return idle;
  }

  /** Forgets all. */
  clear(): void {
    this.#keys.clear();
  }

  /** Number of wanted keys by function. */
  counts(): Map<FunctionHash, number> {
    return new Map(this.#keys);
  }
}
