/**
 * Results that tasks need: taken from the store when a task is handed to the executor, and held until it
 * ends.
 *
 * @module
 */

import { assert } from "../internal/assert.ts";
import type { Scope } from "../internal/scope.ts";
import type { Key } from "../messages/common.ts";
import type { Held, Store } from "./memory/store.ts";
import type { Execute } from "./state/instruction.ts";

/** Operands of one task. */
export type Values = Held["values"];

const NONE: Values = [];

/** Operands of the tasks that the executor has, or will have once their operands are in memory. */
export class Operands {
  readonly #store: Store;
  readonly #scope: Scope;
  readonly #held = new Map<Key, Held>();
  /** Tasks whose operands are being read. */
  readonly #awaited = new Map<Key, Execute>();

  /** Takes operands from `store`; `scope` owns the waits for them, and is told if they fail. */
  constructor(store: Store, scope: Scope) {
    this.#store = store;
    this.#scope = scope;
  }

  /**
   * Takes the operands of a task. If they have to be read first `onRead` gets them, unless the task is
   * withdrawn before.
   */
  take(execute: Execute, onRead: (values: Values) => void): Values | undefined { // hot: per task
    if (execute.dependencies.length === 0) return NONE;
    const taken = this.#store.take(execute.dependencies);
    if (!(taken instanceof Promise)) return this.#hold(execute, taken);
    this.#awaited.set(execute.key, execute);
    this.#scope.add(() => this.#await(execute, taken, onRead));
    return undefined;
  }

  async #await(execute: Execute, taken: Promise<Held>, onRead: (values: Values) => void): Promise<void> {
    const held = await taken;
    if (this.#awaited.get(execute.key) !== execute) return held[Symbol.dispose]();
    this.#awaited.delete(execute.key);
    onRead(this.#hold(execute, held));
  }

  #hold({ key, dependencies }: Execute, held: Held): Values {
    assert(!this.#held.has(key), () => `Task "${key}" holds its operands twice`);
    assert(held.values.length === dependencies.length, () => {
      const lacking = dependencies.filter((name) => !held.values.some(([found]) => found === name));
      return `Task "${key}" needs "${lacking.join(`", "`)}", which is not here`;
    });
    this.#held.set(key, held);
    return held.values;
  }

  /** Gives up a wait; returns what waited. */
  withdraw(key: Key): Execute | undefined {
    const execute = this.#awaited.get(key);
    this.#awaited.delete(key);
    return execute;
  }

  /** The task has ended. */
  release(key: Key): void { // hot: per task
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    held[Symbol.dispose]();
  }

  /** Gives up all waits, and lets go of everything. */
  clear(): void {
    this.#awaited.clear();
    for (const key of [...this.#held.keys()]) this.release(key);
  }
}
