/**
 * Sorts tasks into groups.
 *
 * Dask groups by a part of the key. Here most tasks name their function, which is more exact: two anonymous
 * functions are two groups with separate durations.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { FunctionHash, Key } from "../../messages/common.ts";
import { keySplit } from "./key_split.ts";
import { TaskGroup } from "./task_group.ts";
import { TaskPrefix } from "./task_prefix.ts";
import { STATE_NAMES } from "./task_state.ts";

/** Maximum number of groups without tasks that are kept for their learned durations. */
const REMEMBERED = 4096;

/** The groups that have tasks, and some that had tasks. */
export class TaskGroups {
  readonly #defaultDurations: Readonly<Record<string, number>>;
  /** Groups by function, including kept ones without tasks. */
  readonly #ofFunctions: Map<FunctionHash, TaskGroup> = new Map();
  readonly #ofNames: Map<string, TaskGroup> = new Map();
  /** Functions whose group has no tasks and is kept; the last used one is at the end. */
  readonly #empty: Set<FunctionHash> = new Set();

  /**
   * @param defaultDurations Seconds that a task is assumed to take before the first one has run, by the
   * function part of its key.
   */
  constructor(defaultDurations: Readonly<Record<string, number>>) {
    this.#defaultDurations = defaultDurations;
  }

  /** Number of groups that have tasks. */
  get size(): number {
    return this.#ofFunctions.size - this.#empty.size + this.#ofNames.size;
  }

  /** The groups that have tasks. */
  *values(): Generator<TaskGroup, void, undefined> {
    for (const [hash, group] of this.#ofFunctions) if (!this.#empty.has(hash)) yield group;
    yield* this.#ofNames.values();
  }

  /** Whether some task names the function. */
  hasFunction(hash: FunctionHash): boolean {
    return this.#ofFunctions.has(hash) && !this.#empty.has(hash);
  }

  /** Returns the group for a new task `key` with a function. */
  ofFunction(hash: FunctionHash, key: Key): TaskGroup { // hot: per task
    let group = this.#ofFunctions.get(hash);
    if (group === undefined) {
      this.#ofFunctions.set(hash, group = new TaskGroup(hash, this.#newPrefix(keySplit(key))));
    } else if (group.taskCount === 0) {
      this.#empty.delete(hash);
    }
    return group;
  }

  /**
   * Returns the group for a new task `key` without a function: all such tasks whose keys begin alike, as in
   * Dask.
   */
  ofName(key: Key): TaskGroup {
    const name = keySplit(key);
    let group = this.#ofNames.get(name);
    if (group === undefined) this.#ofNames.set(name, group = new TaskGroup(null, this.#newPrefix(name)));
    return group;
  }

  #newPrefix(name: string): TaskPrefix {
    const isPreset = Object.hasOwn(this.#defaultDurations, name);
    return new TaskPrefix(name, (isPreset ? this.#defaultDurations[name] : undefined) ?? -1);
  }

  /** The last task of a group was forgotten. */
  drop(group: TaskGroup): void {
    assert(group.prefix.processing === 0, () => `Workers are busy with forgotten tasks of ${group.name}`);
    group.reset();
    if (group.function === null) {
      this.#ofNames.delete(group.name);
      return;
    }
    if (group.prefix.hasLearned) this.#remember(group.function);
    else this.#ofFunctions.delete(group.function);
  }

  #remember(hash: FunctionHash): void {
    this.#empty.add(hash);
    if (this.#empty.size <= REMEMBERED) return;
    for (const oldest of this.#empty) {
      this.#empty.delete(oldest);
      this.#ofFunctions.delete(oldest);
      break;
    }
  }

  /**
   * Returns the number of tasks in each state, by the name of the tasks. Tasks of one function can have
   * different names, and functions can share a name.
   */
  countsByName(): Map<string, Record<string, number>> {
    const found = new Map<string, Record<string, number>>();
    for (const group of this.values()) {
      const counts = found.get(group.name) ?? {};
      STATE_NAMES.forEach((name, state) => {
        if (name === "none" || name === "forgotten") return;
        counts[name] = (counts[name] ?? 0) + (group.counts[state] ?? 0);
      });
      found.set(group.name, counts);
    }
    return found;
  }
}
