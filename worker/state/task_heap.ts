/**
 * Tasks by priority, where any task can be taken out again in logarithmic time. Mirrors `HeapSet` of
 * distributed/collections.py, which leaves removed tasks in the heap; here they would keep memory.
 *
 * @module
 */

import type { Priority } from "../../messages/common.ts";
import type { TaskState } from "./task_state.ts";

/** What is ordered by priority. */
export interface Prioritized {
  /** Smaller runs first. */
  readonly priority: Priority;
  /** Breaks ties; smaller runs first. */
  readonly generation: number;
}

/** A place in the heap. Keeps the priority of the time it was made: the task's own may change meanwhile. */
interface Entry {
  readonly task: TaskState;
  readonly priority: Priority;
  readonly generation: number;
  index: number;
}

/** A set of tasks that gives its first by priority. */
export class TaskHeap {
  readonly #entries: Entry[] = [];
  readonly #byTask = new Map<TaskState, Entry>();

  /** Negative if `a` runs before `b`, as Python compares tuples `(*priority, generation)`. */
  static compare(a: Prioritized, b: Prioritized): number {
    return compare(a, b);
  }

  /** How many tasks are in it. */
  get size(): number {
    return this.#entries.length;
  }

  /** Whether `task` is in it. */
  has(task: TaskState): boolean {
    return this.#byTask.has(task);
  }

  /** The tasks, in no order. */
  tasks(): IterableIterator<TaskState> {
    return this.#byTask.keys();
  }

  /** The tasks, first by priority first. */
  sorted(): TaskState[] {
    return this.#entries.toSorted(compare).map((entry) => entry.task);
  }

  /** Adds `task` with its present priority; no effect if it is in. */
  add(task: TaskState): void {
    if (this.#byTask.has(task)) return;
    const { priority, generation } = task;
    const entry: Entry = { task, priority, generation, index: this.#entries.length };
    this.#byTask.set(task, entry);
    this.#entries.push(entry);
    this.#up(entry);
  }

  /** The first task by priority. */
  peek(): TaskState | undefined {
    return this.#entries[0]?.task;
  }

  /** Takes out the first task by priority. */
  pop(): TaskState | undefined {
    const task = this.#entries[0]?.task;
    if (task !== undefined) this.remove(task);
    return task;
  }

  /** Takes out `task`; returns whether it was in. */
  remove(task: TaskState): boolean {
    const entry = this.#byTask.get(task);
    if (entry === undefined) return false;
    this.#byTask.delete(task);
    const last = this.#entries.pop();
    if (last !== undefined && last !== entry) {
      last.index = entry.index;
      this.#entries[last.index] = last;
      this.#up(last);
      this.#down(last);
    }
    return true;
  }

  #up(entry: Entry): void {
    const entries = this.#entries;
    let index = entry.index;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = entries[parentIndex] as Entry;
      if (compare(entry, parent) >= 0) break;
      entries[index] = parent;
      parent.index = index;
      index = parentIndex;
    }
    entries[index] = entry;
    entry.index = index;
  }

  #down(entry: Entry): void {
    const entries = this.#entries;
    const { length } = entries;
    let index = entry.index;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= length) break;
      let child = entries[childIndex] as Entry;
      const right = entries[childIndex + 1];
      if (right !== undefined && compare(right, child) < 0) {
        child = right;
        childIndex++;
      }
      if (compare(child, entry) >= 0) break;
      entries[index] = child;
      child.index = index;
      index = childIndex;
    }
    entries[index] = entry;
    entry.index = index;
  }
}

function compare(a: Prioritized, b: Prioritized): number {
  const p = a.priority, q = b.priority;
  const shared = Math.min(p.length, q.length);
  for (let i = 0; i < shared; i++) {
    const difference = (p[i] as number) - (q[i] as number);
    if (difference !== 0) return difference;
  }
  if (p.length !== q.length) return p.length - q.length;
  return a.generation < b.generation ? -1 : a.generation > b.generation ? 1 : 0;
}
