/**
 * Workers of one runtime, and the tasks that wait for them.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import { Heap } from "../../internal/heap.ts";
import type { Runtime } from "../../messages/run_spec.ts";
import type { TaskPrefix } from "./task_prefix.ts";
import { runsBefore, type TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/**
 * The workers of one runtime. A task is placed within its pool, and workers are compared within their pool.
 */
export class Pool {
  /** Runtime of the workers. */
  readonly runtime: Runtime;
  /** Registered workers in the order of their addresses. */
  workers: readonly WorkerState[] = [];
  /** Workers that take tasks. */
  readonly running: Set<WorkerState> = new Set();
  /** Running workers with too little work. */
  readonly idle: Set<WorkerState> = new Set();
  /** Running workers that take another root-ish task (Dask's `idle_task_count`). */
  readonly notFull: Set<WorkerState> = new Set();
  /** Running workers with more than their share of work. */
  readonly saturated: Set<WorkerState> = new Set();
  /** Ready tasks for which all workers are full. */
  readonly queued: Heap<TaskState> = new Heap(runsBefore);
  /** Ready tasks that no worker may run. */
  readonly unrunnable: Set<TaskState> = new Set();
  /** Prefixes of the tasks that workers are processing. */
  readonly activePrefixes: Set<TaskPrefix> = new Set();
  /** Number of threads of the workers. */
  nthreads = 0;
  /** Bytes that the workers must fetch. */
  networkBytes = 0;
  /** Number of assignments of tasks to workers so far. */
  placements = 0;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** Adds a registered worker. */
  add(ws: WorkerState): void {
    assert(ws.pool === this, () => `Worker ${ws.address} is of another pool`);
    this.nthreads += ws.nthreads;
    this.workers = [...this.workers, ws].sort(byAddress);
  }

  /** Removes a worker, which gets no more tasks. */
  remove(ws: WorkerState): void {
    assert(!this.running.has(ws), () => `Worker ${ws.address} leaves its pool, and takes tasks`);
    this.nthreads -= ws.nthreads;
    this.workers = this.workers.filter((other) => other !== ws);
  }
}

function byAddress(left: WorkerState, right: WorkerState): number {
  return left.address < right.address ? -1 : 1;
}
