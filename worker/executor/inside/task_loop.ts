/**
 * What an executor thread does: takes batches of tasks, runs them one after the other, and reports how they
 * ended.
 *
 * @module
 */

import type { FunctionHash, Key } from "../../../messages/common.ts";
import type { Reference } from "../../../messages/run_spec.ts";
import {
  deserializeArguments,
  deserializeFrame,
  deserializeValue,
  serializeValue,
  typenameOf,
} from "../../../protocol/values.ts";
import { FunctionLoadError, loadFunction, type TaskFunction } from "./load_function.ts";
import { OutcomeBatch } from "./outcome_batch.ts";
import {
  frameView,
  type PackedBytes,
  type PackedTask,
  type PackedTasks,
  type PackedValue,
  SlotState,
  type ThreadCommand,
  type ThreadReport,
  unpackPayload,
} from "./packing.ts";
import { placeAt } from "./references.ts";

/** Outcomes wait at most so long for others, and only before tasks that are expected to be shorter. */
const BATCH_MS = 1;
/** How fast the longest run of a function is forgotten. */
const LONGEST_DECAY = 0.9;

/** A body that came, compiled when the first task calls it. */
class LoadedFunction {
  #body: Uint8Array | undefined;
  #fn: TaskFunction | undefined = undefined;
  /** Milliseconds of its longest run of late. */
  longest = Infinity;

  constructor(body: Uint8Array) {
    this.#body = body;
  }

  /** Compiles at the first call. A body that can't be compiled fails each time. */
  get(): TaskFunction {
    if (this.#fn === undefined) {
      if (this.#body === undefined) throw new FunctionLoadError("Cannot load a function: its body is gone");
      this.#fn = loadFunction(this.#body);
      this.#body = undefined;
    }
    return this.#fn;
  }

  ran(milliseconds: number): void {
    const before = this.longest === Infinity ? 0 : this.longest * LONGEST_DECAY;
    this.longest = milliseconds > before ? milliseconds : before;
  }
}

/** What the tasks of one message share. */
interface Batch {
  readonly bytes: PackedBytes;
  readonly values: readonly PackedValue[];
}

class Job {
  readonly slot: number;
  readonly key: Key;
  readonly fn: LoadedFunction | undefined;
  readonly hash: FunctionHash;
  readonly task: PackedTask;
  readonly batch: Batch;
  /** `performance.now()` when it began. */
  start = 0;

  constructor(task: PackedTask, hash: FunctionHash, fn: LoadedFunction | undefined, batch: Batch) {
    this.slot = task[0];
    this.key = task[1];
    this.fn = fn;
    this.hash = hash;
    this.task = task;
    this.batch = batch;
  }
}

/** Runs tasks in the thread that it is made in. */
export class TaskLoop {
  readonly #flags: Int32Array;
  readonly #post: (report: ThreadReport, transfer: ArrayBuffer[]) => void;
  readonly #functions = new Map<FunctionHash, LoadedFunction>();
  readonly #outcomes = new OutcomeBatch();
  #queue: Job[] = [];
  #next = 0;
  /** A run is due or waits for a promise. */
  #isRunning = false;
  #flushTimer: ReturnType<typeof setTimeout> | undefined = undefined;
  readonly #onAwait: (isAwaiting: boolean) => void;

  /**
   * Shares `flags` with the main thread and reports to it by `post`; `onAwait` hears when a promise is waited
   * for.
   */
  constructor(
    flags: SharedArrayBuffer,
    post: (report: ThreadReport, transfer: ArrayBuffer[]) => void,
    onAwait: (isAwaiting: boolean) => void,
  ) {
    this.#flags = new Int32Array(flags);
    this.#post = post;
    this.#onAwait = onAwait;
  }

  /** Takes a command other than `close`. */
  handle(command: ThreadCommand): void {
    if (command.op === "run") this.#take(command);
    else if (command.op === "forget") { for (const hash of command.functions) this.#functions.delete(hash); }
  }

  /** Sends what is known of ended tasks. */
  flush(): void {
    if (this.#flushTimer !== undefined) {
      clearTimeout(this.#flushTimer);
      this.#flushTimer = undefined;
    }
    if (this.#outcomes.size === 0) return;
    const { report, transfer } = this.#outcomes.take();
    this.#post(report, transfer);
  }

  #take(command: Extract<ThreadCommand, { op: "run" }>): void {
    for (let i = 0; i + 1 < command.bodies.length; i += 2) {
      const body = command.bodies[i + 1] as ArrayBuffer;
      this.#functions.set(command.bodies[i] as FunctionHash, new LoadedFunction(new Uint8Array(body)));
    }
    const { functions, values, tasks } = JSON.parse(command.text) as PackedTasks;
    const batch: Batch = { bytes: command.bytes, values };
    if (this.#next > 0) { // a thread that is never idle must not keep what it ran
      this.#queue = this.#queue.slice(this.#next);
      this.#next = 0;
    }
    const loaded = functions.map((hash) => this.#functions.get(hash));
    for (let i = 0; i < tasks.length; i++) { // hot: per task
      const task = tasks[i] as PackedTask;
      this.#queue.push(new Job(task, functions[task[2]] as FunctionHash, loaded[task[2]], batch));
    }
    if (!this.#isRunning) this.#runSoon();
  }

  /**
   * Tasks run in a turn of their own: Deno reports a heap that is full only there, and hangs the thread if it
   * happens under a message handler or in a microtask.
   */
  #runSoon(): void {
    this.#isRunning = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    for (; this.#next < this.#queue.length; this.#next++) { // hot: per task
      const job = this.#queue[this.#next] as Job;
      if (
        Atomics.compareExchange(this.#flags, job.slot, SlotState.queued, SlotState.begun) !== SlotState.queued
      ) {
        this.#outcomes.skip(job.slot);
        continue;
      }
      if (this.#outcomes.size > 0 && (job.fn === undefined || job.fn.longest > BATCH_MS)) this.flush();
      const promise = this.#begin(job);
      if (promise !== undefined) {
        this.#next++;
        this.#await(job, promise);
        return;
      }
      if (this.#outcomes.age(performance.now()) > BATCH_MS) this.flush();
    }
    this.#queue = [];
    this.#next = 0;
    this.#isRunning = false;
    this.flush();
  }

  /** Calls the function. Returns what it returned if that is a promise; else the task has ended. */
  #begin(job: Job): PromiseLike<unknown> | undefined {
    job.start = performance.now();
    try {
      const args = decodeArguments(job);
      const value = functionOf(job)(...args);
      if (isPromiseLike(value)) return value;
      this.#succeed(job, value);
    } catch (error) {
      this.#fail(job, error);
    }
    return undefined;
  }

  #await(job: Job, promise: PromiseLike<unknown>): void {
    if (this.#outcomes.size > 0) this.#flushTimer ??= setTimeout(() => this.flush(), BATCH_MS);
    this.#onAwait(true);
    const onValue = (value: unknown) => {
      try {
        this.#succeed(job, value);
      } catch (error) {
        this.#fail(job, error);
      }
    };
    // A rejected `then` of a foreign promise goes the same way.
    Promise.resolve(promise).then(onValue, (error) => this.#fail(job, error)).finally(() => {
      this.#onAwait(false);
      this.#runSoon();
    });
  }

  #succeed(job: Job, value: unknown): void {
    const result = serializeValue(value, "result");
    const stop = performance.now();
    job.fn?.ran(stop - job.start);
    this.#outcomes.success(job.slot, job.start, stop, typenameOf(value), result);
    Atomics.store(this.#flags, job.slot, SlotState.finished);
  }

  #fail(job: Job, error: unknown): void {
    const stop = performance.now();
    job.fn?.ran(stop - job.start);
    this.#outcomes.failure(job.slot, job.start, stop, error);
    Atomics.store(this.#flags, job.slot, SlotState.finished);
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

function functionOf(job: Job): TaskFunction {
  if (job.fn !== undefined) return job.fn.get();
  throw new FunctionLoadError(
    `Cannot run task "${job.key}": this worker was not given its function ${job.hash}`,
  );
}

/** The arguments of a task, with the results of other tasks in their places. */
function decodeArguments(job: Job): unknown[] { // hot: per task
  const [, , , place, length, references, dependencies] = job.task;
  const { bytes } = job.batch;
  const args = length < 0
    ? deserializeArguments(unpackValue(job.batch, place))
    : deserializeArguments(frameView(bytes, place, length));
  if (references.length === 0) return args;
  const results = new Map<Key, unknown>();
  for (let i = 0; i + 1 < dependencies.length; i += 2) {
    results.set(dependencies[i] as Key, decodeDependency(job.batch, dependencies[i + 1] as number));
  }
  for (let i = 0; i < references.length; i++) {
    const [key, ...path] = references[i] as Reference;
    if (!results.has(key)) {
      throw new ReferenceError(`Cannot run task "${job.key}": the result of task "${key}" was not given`);
    }
    placeAt(args, path, results.get(key));
  }
  return args;
}

/**
 * Tasks may change what they are given, so that no two share memory: all but the last user of a payload copy
 * it.
 */
function unpackValue(batch: Batch, index: number): ReturnType<typeof unpackPayload> {
  const row = batch.values[index];
  if (row === undefined) throw new RangeError(`A batch has no value ${index}`);
  return unpackPayload(batch.bytes, row[0], row, 2, --row[1] > 0);
}

function decodeDependency(batch: Batch, index: number): unknown {
  const row = batch.values[index];
  if (row !== undefined && row[0] < 0) { // plain data: decoding copies
    return deserializeFrame(frameView(batch.bytes, row[2] as number, row[3] as number));
  }
  return deserializeValue(unpackValue(batch, index));
}
