/**
 * The data of the state machine, which the modules of this folder work on.
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

/** What can be set; the names follow Dask's configuration. */
export interface SchedulerStateOptions {
  /** Whether every task that changed is checked after each stimulus. Default false. */
  readonly validate?: boolean;
  /**
   * Root-ish tasks that a worker gets per thread, the others stay queued (`worker-saturation`). `Infinity`
   * turns queuing off. Default 1.1.
   */
  readonly workerSaturation?: number;
  /**
   * Seconds of work that a worker may hold beyond `workerSaturation` if its tasks are known to be short. 0
   * turns it off. Default 0.1. See `placement.ts`, `isWorkerFull`.
   */
  readonly workerQueueTime?: number;
  /** Seconds that a task takes while no one has run, by the function part of its key. */
  readonly defaultTaskDurations?: Readonly<Record<string, number>>;
  /** Workers that may die while running a task before it is given up (`allowed-failures`). Default 3. */
  readonly allowedFailures?: number;
  /**
   * Number of transitions after which the machine fails, for tests that look for endless loops. Default 0:
   * never.
   */
  readonly transitionCounterMax?: number;
  /** Transitions that are remembered for stories. Default 16384. */
  readonly transitionLogLength?: number;
  /** Bytes per second between workers, until measured. Default 100 MB/s. */
  readonly bandwidth?: number;
  /** Seconds that a worker may say nothing before it is removed (`worker-ttl`). Default: any number. */
  readonly workerTtl?: number;
  /**
   * Seconds without a task that waits or runs, after which the scheduler is to end (`idle-timeout`). Default:
   * never.
   */
  readonly idleTimeout?: number;
  /** Encodes an error that the scheduler gives to a task. Default: its message. */
  readonly encodeError?: (error: Error) => ErrorPayload;
}

/** One that waits. */
export interface Wait {
  /** Number of workers that it waits for. */
  readonly count: number;
  /** Addresses, names or hosts that count; null: all workers do. */
  readonly among: ReadonlySet<string> | null;
  /** When it gives up, in seconds since the epoch; `Infinity`: never. */
  deadline: number;
}

/** What a stimulus leaves to be done once the transitions that it recommended were made. */
export type Afterwards = (() => void) | void;

/** Bytes of the pickle of a type's name, at most, and how many are remembered. */
const TYPE_BYTES = 4096;
const TYPES_MAX = 1000;

/** All that the scheduler knows. */
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

  /** Tasks that are not forgotten. */
  readonly tasks: Map<Key, TaskState> = new Map();
  /** Registered workers. */
  readonly workers: Map<Address, WorkerState> = new Map();
  /** Registered clients. */
  readonly clients: Map<ClientId, ClientState> = new Map();
  /** Groups of tasks. */
  readonly groups: TaskGroups;
  /** What was added to the machine. */
  readonly extensions: Extensions;

  /** Workers by address, with and without scheme, by name and by host: what a restriction may say. */
  readonly workersByName: Map<string, Set<WorkerState>> = new Map();
  /** Pools that have, or had, workers or tasks. */
  readonly pools: Pool[] = [];
  readonly #types: Map<string, Uint8Array> = new Map();

  /** Bytes per second between workers. */
  bandwidth: number;
  /** Number of the last assignment. */
  runId = 0;
  /** Grows with every task made. */
  sequence = 0;
  /** Number of the last graph, or bunch of graphs. */
  generation = 0;
  /** When `generation` grew last. */
  generationTime: number = -Infinity;
  /** Transitions so far. */
  transitionCounter = 0;

  /** Workers that are being emptied. */
  readonly retirements: Map<WorkerState, Retirement> = new Map();
  /** Who waits for workers to be retired, by the number of the answer. */
  readonly retireRequests: Map<number, RetireRequest> = new Map();
  /** Whether copies or workers came or went since the retirements were looked at. */
  hasReplicaNews = false;
  /** Whether workers began to run since the waits for them were looked at. */
  hasWorkerNews = false;
  /** Who waits for workers to run, by the number of the answer. */
  readonly waits: Map<number, Wait> = new Map();
  /** When silent workers were looked for, and when they are to be looked for again; -1: not yet. */
  lastSilenceLook = -1;
  /** Since when no task waits or runs; null while one does. */
  idleSince: number | null = null;

  /** Transitions to be made. */
  readonly recommendations: Recommendations<State, TaskState> = new Recommendations();
  /** Messages to be sent. */
  readonly outbox: OutboxBuilder = new OutboxBuilder();
  /** Transitions that were made. */
  readonly story: Story<StateName>;
  /** Tasks to be checked at the end of the stimulus. */
  readonly touched: Set<TaskState> = new Set();

  /** Time of the last call, in seconds since the epoch. */
  latest: number = -Infinity;
  /** Time of the stimulus that is being handled, in seconds since the epoch. */
  now = 0;
  /** What the stimulus is called. */
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

  /** Answers what was asked under a number. */
  answer(ask: number, answer: Answer): void {
    assert(Number.isInteger(ask), () => `"${answer.op}" answers a question without a number`);
    this.#answers.push([ask, answer]);
  }

  /** Tells what happened. */
  tell(event: SchedulerEvent): void {
    this.#events.push(event);
  }

  /** Hands over answers and events, and begins anew. */
  takeAnswers(): {
    readonly answers: readonly (readonly [ask: number, answer: Answer])[];
    readonly events: readonly SchedulerEvent[];
  } {
    const [answers, events] = [this.#answers, this.#events];
    if (answers.length > 0) this.#answers = [];
    if (events.length > 0) this.#events = [];
    return { answers, events };
  }

  /** Notes what is about to be handled. */
  begin(stimulusId: string, now: number): void {
    this.stimulusId = stimulusId;
    this.now = now;
  }

  /**
   * The type of a result, as one copy for all results of the type: what comes is a part of a message with
   * many results.
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

  /** The workers that run tasks of a kind. */
  pool(runtime: Runtime): Pool { // hot: per task
    for (let i = 0; i < this.pools.length; i++) {
      const pool = this.pools[i];
      if (pool !== undefined && pool.runtime === runtime) return pool;
    }
    const pool = new Pool(runtime);
    this.pools.push(pool);
    return pool;
  }

  /** Makes a released task; one without a run spec is a value, and runs nowhere. */
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
