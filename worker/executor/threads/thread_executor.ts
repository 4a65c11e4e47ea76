/**
 * Runs tasks in threads of this process.
 *
 * @module
 */

import { getLogger } from "../../../config/logging.ts";
import type { FunctionHash, Key } from "../../../messages/common.ts";
import { encodeError, exceptionText, tracebackText } from "../../../protocol/remote_error.ts";
import type { ExecutionOutcome, ExecutionRequest, Executor, ExecutorOptions } from "../executor.ts";
import { Entry, ExecutorThread, type ThreadEnd, type ThreadListener, type ThreadOptions } from "./thread.ts";

const logger = getLogger("distributed.worker.executor");

/** JavaScript heap of a thread. V8's own default on large machines. */
const HEAP_MIB_DEFAULT = 4096;
/** A thread that does not end by itself within this time runs a synchronous call. */
const CLOSE_GRACE_MS_DEFAULT = 1000;
/**
 * Threads that end one after the other before they took a command: then no more are started in their place.
 */
const START_FAILURES_MAX = 3;

/** The thread that ran a task ended before the task did. */
export class ThreadEndedError extends Error {
  /** Class name. */
  override readonly name = "ThreadEndedError";
}

/** How {@linkcode ThreadExecutor} runs tasks. */
export interface ThreadExecutorOptions extends ExecutorOptions {
  /** Limit of each thread's JavaScript heap in MiB; typed arrays don't count. Default 4096. */
  readonly heapMib?: number;
  /** Time that `close` leaves each thread to end by itself. Default 1000. */
  readonly closeGraceMs?: number;
  /** URL of the module that threads run. Default: `inside/entry.ts`. */
  readonly entry?: string;
}

/**
 * Runs tasks in `node:worker_threads`. A thread takes one task at a time, and awaits it if it is
 * asynchronous. A thread that ends under a task fails that task alone and is replaced.
 */
export class ThreadExecutor implements Executor {
  /** Tasks that run at the same time. */
  readonly nthreads: number;
  readonly #onOutcomes: (outcomes: readonly ExecutionOutcome[]) => void;
  readonly #threadOptions: ThreadOptions;
  readonly #closeGraceMs: number;
  readonly #listener: ThreadListener;
  readonly #threads: ExecutorThread[] = [];
  readonly #bodies = new Map<FunctionHash, Uint8Array>();
  readonly #entries = new Map<Key, Entry>();
  /** Outcomes of requests that were taken back, to be told at the end of the turn. */
  #withdrawn: ExecutionOutcome[] = [];
  /** Requests that no thread has room for. */
  #backlog: Entry[] = [];
  #readyCount = 0;
  #startFailures = 0;
  #stuckThreads = 0;
  #lastEnd: ThreadEnd | undefined = undefined;
  readonly #started = Promise.withResolvers<void>();
  #closing: Promise<void> | undefined = undefined;

  private constructor(options: ThreadExecutorOptions) {
    this.nthreads = options.nthreads;
    this.#onOutcomes = options.onOutcomes;
    this.#closeGraceMs = options.closeGraceMs ?? CLOSE_GRACE_MS_DEFAULT;
    this.#threadOptions = {
      entry: options.entry ?? import.meta.resolve("../inside/entry.ts"),
      heapMib: options.heapMib ?? HEAP_MIB_DEFAULT,
    };
    this.#listener = {
      onReady: () => this.#onReady(),
      onOutcomes: (thread, outcomes) => this.#onThreadOutcomes(thread, outcomes),
      onStray: (thread, text) =>
        logger.warning(`Something that a task left behind in thread ${thread.number} failed: ${text}`),
      onEnd: (thread, end) => this.#onEnd(thread, end),
    };
    for (let i = 1; i <= options.nthreads; i++) this.#threads.push(this.#startThread(i));
  }

  /**
   * Starts the threads and waits until all of them run.
   *
   * @throws {RangeError} If `nthreads` is no positive integer.
   * @throws {ThreadEndedError} If a thread can't start.
   */
  static async start(options: ThreadExecutorOptions): Promise<ThreadExecutor> {
    if (!Number.isInteger(options.nthreads) || options.nthreads < 1) {
      throw new RangeError(
        `Cannot start an executor with ${options.nthreads} threads: it needs at least one`,
      );
    }
    const executor = new ThreadExecutor(options);
    try {
      await executor.#started.promise;
    } catch (error) {
      await executor.close();
      throw error;
    }
    return executor;
  }

  /** Threads that ran a synchronous call when they were closed, and may still run it. */
  get stuckThreads(): number {
    return this.#stuckThreads;
  }

  /** See {@linkcode Executor.execute}. */
  execute(batch: readonly ExecutionRequest[]): void {
    if (this.#closing !== undefined) return;
    if (this.#threads.length === 0) this.#startAgain();
    for (let i = 0; i < batch.length; i++) { // hot: per task
      const request = batch[i] as ExecutionRequest;
      const entry = new Entry(request, this.#bodies.get(request.functionHash));
      this.#entries.set(request.key, entry);
      this.#assign(entry);
    }
    this.#post();
  }

  /** See {@linkcode Executor.withdraw}. */
  withdraw(keys: readonly Key[]): void {
    for (const key of keys) {
      const entry = this.#entries.get(key);
      if (entry === undefined || !this.#takeBack(entry)) continue;
      this.#entries.delete(key);
      if (this.#withdrawn.length === 0) queueMicrotask(() => this.#tellWithdrawn());
      this.#withdrawn.push({ kind: "withdrawn", key, runId: entry.request.runId });
    }
  }

  /** Returns whether the request had not begun, and never will. */
  #takeBack(entry: Entry): boolean {
    if (entry.thread !== undefined) return entry.thread.withdraw(entry);
    this.#backlog = this.#backlog.filter((other) => other !== entry);
    return true;
  }

  #tellWithdrawn(): void {
    const withdrawn = this.#withdrawn;
    this.#withdrawn = [];
    if (this.#closing === undefined) this.#onOutcomes(withdrawn);
  }

  /** See {@linkcode Executor.addFunction}. */
  addFunction(hash: FunctionHash, body: Uint8Array): void {
    this.#bodies.set(hash, body);
  }

  /** See {@linkcode Executor.removeFunction}. */
  removeFunction(hash: FunctionHash): void {
    this.#bodies.delete(hash);
    for (const thread of this.#threads) thread.forget(hash);
  }

  /** See {@linkcode Executor.close}. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Same as {@linkcode ThreadExecutor.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #startThread(number: number): ExecutorThread {
    return new ExecutorThread(number, this.#threadOptions, this.#listener);
  }

  /**
   * Every thread failed to start in the end; perhaps what was missing is there now. If not, the tasks fail.
   */
  #startAgain(): void {
    this.#startFailures = 0;
    for (let i = 1; i <= this.nthreads; i++) this.#threads.push(this.#startThread(i));
  }

  /** Gives a request to the thread that has the fewest; {@linkcode #post} sends it. */
  #assign(entry: Entry): void { // hot: per task
    let best: ExecutorThread | undefined;
    for (let i = 0; i < this.#threads.length; i++) {
      const thread = this.#threads[i] as ExecutorThread;
      if (thread.hasRoom && (best === undefined || thread.load < best.load)) best = thread;
    }
    if (best === undefined) this.#backlog.push(entry);
    else best.add(entry);
  }

  #post(): void {
    for (let i = 0; i < this.#threads.length; i++) this.#threads[i]?.post();
  }

  #onReady(): void {
    this.#startFailures = 0;
    if (++this.#readyCount >= this.nthreads) this.#started.resolve();
  }

  #onThreadOutcomes(thread: ExecutorThread, outcomes: readonly ExecutionOutcome[]): void {
    if (this.#closing !== undefined) return;
    for (let i = 0; i < outcomes.length; i++) this.#entries.delete((outcomes[i] as ExecutionOutcome).key);
    if (outcomes.length > 0) this.#onOutcomes(outcomes);
    if (this.#backlog.length > 0) this.#assignBacklog();
    if (thread.load === 0) this.#fill(thread);
  }

  #assignBacklog(): void {
    const backlog = this.#backlog;
    this.#backlog = [];
    for (let i = 0; i < backlog.length; i++) this.#assign(backlog[i] as Entry);
    this.#post();
  }

  /**
   * An idle thread takes half of what the busiest one has not begun: a long task must not hold up short ones.
   */
  #fill(idle: ExecutorThread): void {
    let busiest = idle;
    for (let i = 0; i < this.#threads.length; i++) {
      const thread = this.#threads[i] as ExecutorThread;
      if (thread.load > busiest.load) busiest = thread;
    }
    if (busiest.load < 2) return;
    for (const entry of busiest.withdrawLast(busiest.load >> 1)) {
      if (idle.hasRoom) idle.add(entry);
      else this.#backlog.push(entry);
    }
    idle.post();
  }

  #onEnd(thread: ExecutorThread, end: ThreadEnd): void {
    if (this.#closing !== undefined) return;
    const at = this.#threads.indexOf(thread);
    const { begun, others } = thread.takeEntries();
    this.#lastEnd = end;
    if (end.wasReady) this.#readyCount--;
    else this.#startFailures++;
    if (this.#startFailures < START_FAILURES_MAX) {
      this.#threads[at] = this.#startThread(thread.number);
    } else {
      this.#threads.splice(at, 1);
      this.#started.reject(threadError("Cannot start an executor thread", end));
    }
    const reason = describeEnd(end, this.#threadOptions.heapMib);
    logger.error(`Executor thread ${thread.number} ended: ${reason}`);
    const failures = begun.map((entry) => this.#failure(entry, thread.number, reason, end));
    if (this.#threads.length === 0) {
      const left = [...others, ...this.#backlog];
      this.#backlog = [];
      for (const entry of left) failures.push(this.#failure(entry, thread.number, reason, end));
    } else {
      // What had ended without a report runs again, as Dask has it when a worker is lost.
      for (const entry of others) this.#assign(entry);
      this.#post();
    }
    if (failures.length > 0) this.#onOutcomes(failures);
  }

  #failure(entry: Entry, thread: number, reason: string, end: ThreadEnd): ExecutionOutcome {
    const { key, runId } = entry.request;
    this.#entries.delete(key);
    const error = new ThreadEndedError(`Cannot finish task "${key}": ${reason}`, { cause: end.error });
    const now = (performance.timeOrigin + performance.now()) / 1000;
    return {
      kind: "failure",
      key,
      runId,
      error: encodeError(error),
      exceptionText: exceptionText(error),
      tracebackText: tracebackText(error),
      start: now,
      stop: now,
      thread,
    };
  }

  async #close(): Promise<void> {
    this.#entries.clear();
    this.#backlog = [];
    this.#started.promise.catch(() => {}); // Callers that wait see it; there may be none.
    this.#started.reject(threadError("Cannot start an executor", this.#lastEnd));
    await Promise.all(this.#threads.map((thread) => this.#closeThread(thread)));
  }

  async #closeThread(thread: ExecutorThread): Promise<void> {
    thread.close();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const grace = new Promise<"stuck">((resolve) => {
      timer = setTimeout(() => resolve("stuck"), this.#closeGraceMs);
    });
    const end = await Promise.race([thread.ended, grace]);
    clearTimeout(timer);
    if (end !== "stuck") return;
    this.#stuckThreads++;
    logger.warning(
      `Executor thread ${thread.number} did not end within ${this.#closeGraceMs} ms: it runs a synchronous call, ` +
        `which Deno can't stop, and keeps a core busy until that returns`,
    );
    await thread.abandon();
  }
}

function threadError(what: string, end: ThreadEnd | undefined): ThreadEndedError {
  if (end === undefined) return new ThreadEndedError(`${what}: it was closed`);
  const text = end.error instanceof Error ? end.error.message : `it ended with code ${end.code}`;
  return new ThreadEndedError(`${what}: ${text}`, { cause: end.error });
}

function describeEnd(end: ThreadEnd, heapMib: number): string {
  if (end.isOutOfMemory) {
    return `its thread ran out of memory (JavaScript heap of ${heapMib} MiB); make the task smaller, or raise the worker's limit`;
  }
  if (end.error instanceof Error) return `its thread failed: ${end.error.message}`;
  return `its thread ended (code ${end.code}): a task must not call Deno.exit, process.exit or close`;
}
