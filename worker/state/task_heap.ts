/**
 * Tasks by priority. Mirrors `HeapSet` of distributed/collections.py, which leaves removed tasks in the heap;
 * here they would keep memory.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import { Heap, type HeapItem } from "../../internal/heap.ts";
import type { Priority } from "../../messages/common.ts";
import type { TaskState } from "./task_state.ts";

/** What is ordered by priority. */
export interface Prioritized {
  /** Smaller runs first. */
  readonly priority: Priority;
  /** Breaks ties; smaller runs first. */
  readonly generation: number;
}

/**
 * A place in the heap: a task is in several heaps at a time. Keeps the priority of the time it was made, as
 * the task's own may change meanwhile.
 */
interface Entry extends HeapItem, Prioritized {
  readonly task: TaskState;
}

/** A set of tasks that gives its first by priority. */
export class TaskHeap {
  readonly #entries = new Heap<Entry>(isBefore);
  readonly #byTask = new Map<TaskState, Entry>();

  /** Negative if `a` runs before `b`, as Python compares tuples `(*priority, generation)`. */
  static compare(a: Prioritized, b: Prioritized): number {
    return compare(a, b);
  }

  /** Number of tasks in it. */
  get size(): number {
    return this.#entries.size;
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
    return [...this.#byTask.values()].sort(compare).map((entry) => entry.task);
  }

  /** Adds `task` with its present priority; no effect if it is in. */
  add(task: TaskState): void { // hot: per task
    if (this.#byTask.has(task)) return;
    const { priority, generation } = task;
    const entry: Entry = { task, priority, generation, heapIndex: -1 };
    this.#byTask.set(task, entry);
    this.#entries.push(entry);
  }

  /** The first task by priority. */
  peek(): TaskState | undefined {
    return this.#entries.peek()?.task;
  }

  /** Takes out the first task by priority. */
  pop(): TaskState | undefined { // hot: per task
    const task = this.#entries.pop()?.task;
    if (task !== undefined) this.#byTask.delete(task);
    return task;
  }

  /** Takes out `task`; returns whether it was in. */
  remove(task: TaskState): boolean {
    const entry = this.#byTask.get(task);
    if (entry === undefined) return false;
    this.#byTask.delete(task);
    const isRemoved = this.#entries.remove(entry);
    assert(isRemoved, () => `Task "${task.key}" has an entry, and is in no heap`);
    return true;
  }
}

/** One function for all heaps, so that it is compiled into them. */
function isBefore(left: Entry, right: Entry): boolean { // hot: per task
  const p = left.priority, q = right.priority;
  const shared = Math.min(p.length, q.length);
  for (let i = 0; i < shared; i++) {
    const a = p[i] as number, b = q[i] as number;
    if (a !== b) return a < b;
  }
  return p.length === q.length ? left.generation < right.generation : p.length < q.length;
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
