/**
 * The data of the state machine. All modules of this folder work on it.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import { Recommendations } from "../../internal/recommendations.ts";
import { Story } from "../../internal/story.ts";
import type { Address, ClientId, Key, Priority } from "../../messages/common.ts";
import { type RunSpec, type Runtime, runtimeOf } from "../../messages/run_spec.ts";
import type { ClientState } from "./client_state.ts";
import type { Answer, SchedulerEvent } from "./effects.ts";
import { type Extension, Extensions } from "./extension.ts";
import { OutboxBuilder } from "./outbox.ts";
import { Pool } from "./pool.ts";
import type { Retirement, RetireRequest } from "./retirement.ts";
import type { TaskGroup } from "./task_group.ts";
import { TaskGroups } from "./task_groups.ts";
import { type ErrorPayload, type State, STATE_NAMES, type StateName, TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** Options; the names follow Dask's configuration. */
export interface SchedulerStateOptions {
  /** Whether each changed task is checked after each stimulus. Default: false. */
  readonly validate?: boolean;
  /**
   * Number of root-ish tasks per thread that a worker gets; the others stay queued (`worker-saturation`).
   * `Infinity` turns queuing off. Default: 1.1.
   */
  readonly workerSaturation?: number;
  /**
   * Seconds of work that a worker may hold beyond `workerSaturation`, if its tasks are known to be short. 0
   * turns it off. Default: 0.1. See `placement.ts`, `isWorkerFull`.
   */
  readonly workerQueueTime?: number;
  /** Seconds that a task is assumed to take before the first one has run, by the function part of its key. */
  readonly defaultTaskDurations?: Readonly<Record<string, number>>;
  /**
   * Number of workers that may die while they run a task, before the task fails (`allowed-failures`).
   * Default: 3.
   */
  readonly allowedFailures?: number;
  /**
   * Number of transitions after which the machine fails, to find endless loops in tests. Default: 0, never.
   */
  readonly transitionCounterMax?: number;
  /** Number of transitions that are kept for stories. Default: 16384. */
  readonly transitionLogLength?: number;
  /** Assumed bytes per second between workers, until it is measured. Default: 100 MB/s. */
  readonly bandwidth?: number;
  /** Seconds without a message after which a worker is removed (`worker-ttl`). Default: never. */
  readonly workerTtl?: number;
  /**
   * Seconds without a task that waits or runs, after which the scheduler is to end (`idle-timeout`). Default:
   * never.
   */
  readonly idleTimeout?: number;
  /** Encodes an error that the scheduler raises for a task. Default: its message. */
  readonly encodeError?: (error: Error) => ErrorPayload;
}

/** A request that waits for workers. */
export interface Wait {
  /** Number of workers that it waits for. */
  readonly count: number;
  /** Addresses, names or hosts that count; null: all workers do. */
  readonly among: ReadonlySet<string> | null;
  /** Deadline, in seconds since the epoch; `Infinity` for none. */
  deadline: number;
}

/** Work that is left for after the transitions that a stimulus recommended. */
export type Afterwards = (() => void) | void;

/** Maximum size of the pickle of a type's name, in bytes, and maximum number of names that are cached. */
const TYPE_BYTES = 4096;
const TYPES_MAX = 1000;

/** The scheduler's state. */
export class SchedulerMachine {
  /** See {@linkcode SchedulerStateOptions.validate}. */
  readonly validate: boolean;
  /** See {@linkcode SchedulerStateOptions.workerSaturation}. */
  readonly workerSaturation: number;
  /** See {@linkcode SchedulerStateOptions.workerQueueTime}. */
  readonly workerQueueTime: number;
  /** See {@linkcode SchedulerStateOptions.allowedFailures}. */
  readonly allowedFailures: number;
  /** See {@linkcode SchedulerStateOptions.transitionCounterMax}. */
  readonly transitionCounterMax: number;
  /** See {@linkcode SchedulerStateOptions.workerTtl}. */
  readonly workerTtl: number;
  /** See {@linkcode SchedulerStateOptions.idleTimeout}. */
  readonly idleTimeout: number;
  /** See {@linkcode SchedulerStateOptions.encodeError}. */
  readonly encodeError: (error: Error) => ErrorPayload;

  /** All known tasks. */
  readonly tasks: Map<Key, TaskState> = new Map();
  /** Registered workers. */
  readonly workers: Map<Address, WorkerState> = new Map();
  /** Registered clients. */
  readonly clients: Map<ClientId, ClientState> = new Map();
  /** Groups of tasks. */
  readonly groups: TaskGroups;
  /** Extensions of the machine. */
  readonly extensions: Extensions;

  /** Workers by address (with and without scheme), by name and by host, for restrictions. */
  readonly workersByName: Map<string, Set<WorkerState>> = new Map();
  /** All pools that have had workers or tasks. */
  readonly pools: Pool[] = [];
  readonly #types: Map<string, Uint8Array> = new Map();

  /** Bytes per second between workers. */
  bandwidth: number;
  /** Number of the last assignment. */
  runId = 0;
  /** Grows with every task made. */
  sequence = 0;
  /** Number of the last graph, or group of graphs. */
  generation = 0;
  /** Time of the last change of `generation`. */
  generationTime: number = -Infinity;
  /** Number of transitions so far. */
  transitionCounter = 0;

  /** Workers that are being emptied. */
  readonly retirements: Map<WorkerState, Retirement> = new Map();
  /** Requests that wait for workers to be retired, by the number of the answer. */
  readonly retireRequests: Map<number, RetireRequest> = new Map();
  /** Whether copies or workers changed since the retirements were last checked. */
  hasReplicaNews = false;
  /** Whether workers began to run since the waits for them were looked at. */
  hasWorkerNews = false;
  /** Requests that wait for workers to run, by the number of the answer. */
  readonly waits: Map<number, Wait> = new Map();
  /** Time of the last look for silent workers; -1 if there was none. */
  lastSilenceLook = -1;
  /** Time since which no task waits or runs; null while one does. */
  idleSince: number | null = null;

  /** Recommended transitions. */
  readonly recommendations: Recommendations<State, TaskState> = new Recommendations();
  /** Messages to send. */
  readonly outbox: OutboxBuilder = new OutboxBuilder();
  /** The latest transitions. */
  readonly story: Story<StateName>;
  /** Tasks that are checked at the end of the stimulus. */
  readonly touched: Set<TaskState> = new Set();

  /** Time of the last call, in seconds since the epoch. */
  latest: number = -Infinity;
  /** Time of the current stimulus, in seconds since the epoch. */
  now = 0;
  /** Id of the current stimulus. */
  stimulusId = "";

  /** Makes an empty machine. */
  constructor(options: SchedulerStateOptions, extensions: readonly Extension[]) {
    this.extensions = new Extensions(extensions);
    this.groups = new TaskGroups(options.defaultTaskDurations ?? {});
    this.validate = options.validate ?? false;
    this.workerSaturation = options.workerSaturation ?? 1.1;
    this.workerQueueTime = options.workerQueueTime ?? 0.1;
    this.allowedFailures = options.allowedFailures ?? 3;
    this.transitionCounterMax = options.transitionCounterMax ?? 0;
    this.workerTtl = options.workerTtl ?? Infinity;
    this.idleTimeout = options.idleTimeout ?? Infinity;
    this.bandwidth = options.bandwidth ?? 100e6;
    this.encodeError = options.encodeError ?? ((error) => error.message);
    this.story = new Story(STATE_NAMES, options.transitionLogLength ?? 16384);
  }

  #answers: (readonly [ask: number, answer: Answer])[] = [];
  #events: SchedulerEvent[] = [];

  /** Number of ready tasks that wait for a worker. */
  get queuedCount(): number {
    let count = 0;
    for (const { queued, unrunnable } of this.pools) count += queued.size + unrunnable.size;
    return count;
  }

  /** Whether no task waits or runs. */
  get isIdle(): boolean {
    if (this.queuedCount > 0) return false;
    for (const ws of this.workers.values()) if (ws.processing.size > 0) return false;
    return true;
  }

  /** Answers the question with the number `ask`. */
  answer(ask: number, answer: Answer): void {
    assert(Number.isInteger(ask), () => `"${answer.op}" answers a question without a number`);
    this.#answers.push([ask, answer]);
  }

  /** Emits an event. */
  tell(event: SchedulerEvent): void {
    this.#events.push(event);
  }

  /** Returns the collected answers and events, and clears them. */
  takeAnswers(): {
    readonly answers: readonly (readonly [ask: number, answer: Answer])[];
    readonly events: readonly SchedulerEvent[];
  } {
    const [answers, events] = [this.#answers, this.#events];
    if (answers.length > 0) this.#answers = [];
    if (events.length > 0) this.#events = [];
    return { answers, events };
  }

  /** Begins to handle a stimulus. */
  begin(stimulusId: string, now: number): void {
    this.stimulusId = stimulusId;
    this.now = now;
  }

  /**
   * Returns one shared copy of a result's type for all results of that type. The argument is a view of a
   * whole message, which it would keep in memory.
   *
   * @param type Unchecked.
   */
  typeOf(typename: string, type: unknown): Uint8Array | null { // hot: per task
    if (!(type instanceof Uint8Array) || type.byteLength > TYPE_BYTES) return null;
    const known = this.#types.get(typename);
    if (known !== undefined && areEqual(known, type)) return known;
    const copy = type.slice();
    if (this.#types.size >= TYPES_MAX) this.#types.clear();
    this.#types.set(typename, copy);
    return copy;
  }

  /** Returns the pool of workers that run tasks of a runtime. */
  pool(runtime: Runtime): Pool { // hot: per task
    for (let i = 0; i < this.pools.length; i++) {
      const pool = this.pools[i];
      if (pool !== undefined && pool.runtime === runtime) return pool;
    }
    const pool = new Pool(runtime);
    this.pools.push(pool);
    return pool;
  }

  /** Creates a released task. A task without a run spec is a value, which never runs. */
  addTask( // hot: per task
    key: Key,
    runSpec: RunSpec | null,
    group: TaskGroup,
    priority: Priority,
    annotations: Readonly<Record<string, unknown>>,
  ): TaskState {
    assert(!this.tasks.has(key), () => `Task "${key}" is made twice`);
    const pool = runSpec === null ? null : this.pool(runtimeOf(runSpec));
    const ts = new TaskState(key, runSpec, pool, group, priority, this.sequence++, annotations);
    this.tasks.set(key, ts);
    return ts;
  }
}

function areEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.byteLength !== right.byteLength) return false;
  for (let i = 0; i < left.byteLength; i++) if (left[i] !== right[i]) return false;
  return true;
}
