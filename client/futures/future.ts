/**
 * Handles on results that live on the cluster.
 *
 * @module
 */

import type { Platform } from "../../comm/platform.ts";
import { getLogger } from "../../config/logging.ts";
import type { DeadlineOptions } from "../../internal/deadline.ts";
import type { Address, Key } from "../../messages/common.ts";
import type { FutureStatus, KeyState } from "../state/key_state.ts";

const logger = getLogger("distributed.client");

/** Options of all methods that wait. */
export interface WaitOptions {
  /** When it is aborted, the wait ends. The task itself continues. */
  signal?: AbortSignal;
  /** Longest time to wait: milliseconds, or a text such as `"30s"`. Default: no limit. */
  timeout?: number | string;
}

/** Options of {@linkcode Future.cancel}. */
export interface CancelOptions {
  /** Cancel it even if other clients need the task. Default: false. */
  force?: boolean;
  /** Shown to the clients that need the task. */
  reason?: string;
}

/** What a Future needs from its client. */
export interface FutureOwner {
  /** Clock for waits. */
  readonly platform: Pick<Platform, "clock">;
  /** Scheduler that knows the tasks. */
  readonly schedulerAddress: Address;
  /** Resolves when the tasks have ended; rejects if the wait is cancelled or times out. */
  waitFor(states: readonly KeyState[], options: WaitOptions | undefined): Promise<void>;
  /** Returns the values of tasks, in order, when all have ended. */
  fetch(states: readonly KeyState[], options: DeadlineOptions | undefined): Promise<unknown[]>;
  /** Cancels the tasks. */
  cancel(states: readonly KeyState[], options: CancelOptions | undefined): void;
  /** Runs failed tasks again. */
  retry(states: readonly KeyState[], options: WaitOptions | undefined): Promise<void>;
  /** The error of a task that failed or was cancelled. */
  errorOf(state: KeyState): Error;
  /** Drops a Future. */
  drop(state: KeyState): void;
  /** Calls `watcher` once, when the task ends. The task must not have ended yet. */
  watch(state: KeyState, watcher: () => void): void;
  /** Removes a watcher. */
  unwatch(state: KeyState, watcher: () => void): void;
}

/** Creates a Future. Not public: users get Futures from a client. */
export let makeFuture: <T>(owner: FutureOwner, state: KeyState) => Future<T>;

/** The shared state behind a Future. */
export let stateOf: (future: Future<unknown>) => KeyState;

/** The client that a Future came from. */
export let ownerOf: (future: Future<unknown>) => FutureOwner;

/** Whether a Future was released. */
export let isReleased: (future: Future<unknown>) => boolean;

interface Held {
  readonly owner: FutureOwner;
  readonly state: KeyState;
}

/** Releases Futures that were garbage collected. */
const forgotten = new FinalizationRegistry<Held>(({ owner, state }) => owner.drop(state));

/**
 * A handle for the result of a task on the cluster. Source:
 * https://distributed.dask.org/en/stable/api.html#distributed.Future
 *
 * A Future is not a thenable, so an async function can return one without fetching its result. When a Future
 * is disposed of or garbage collected, the scheduler learns that this program no longer needs the key. The
 * result is freed when no client needs it.
 *
 * ```ts
 * import { Client } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * using future = client.submit((x: number) => x + 1, 41);
 * console.log(await future.result(), future.status); // 42 finished
 * ```
 */
export class Future<out T> implements Disposable {
  #owner: FutureOwner;
  #state: KeyState;
  #isReleased = false;

  private constructor(owner: FutureOwner, state: KeyState) {
    this.#owner = owner;
    this.#state = state;
    forgotten.register(this, { owner, state }, this);
  }

  static {
    makeFuture = <R>(owner: FutureOwner, state: KeyState) => new Future<R>(owner, state);
    stateOf = (future) => future.#state;
    ownerOf = (future) => future.#owner;
    isReleased = (future) => future.#isReleased;
  }

  /** Name of the task, unique in the cluster. */
  get key(): Key {
    return this.#state.key;
  }

  /** The state that the scheduler reported last; `"cancelled"` after a release. Never blocks. */
  get status(): FutureStatus {
    return this.#isReleased ? "cancelled" : this.#state.status;
  }

  /** Whether the task has ended, in success or failure. Never blocks. */
  done(): boolean {
    return this.#isReleased || this.#state.ended;
  }

  /**
   * Waits for the task and fetches its value.
   *
   * @throws {TaskError} If the task failed. It is also an instance of the remote error's class, if this
   * program has that class.
   * @throws {CancelledError} If the task was cancelled, or this Future was released.
   * @throws {TimeoutError} If `timeout` passes first.
   */
  async result(options?: WaitOptions): Promise<T> {
    this.#checkHeld();
    const [value] = await this.#owner.fetch([this.#state], options);
    return value as T;
  }

  /**
   * Waits for the task and returns its error, or `undefined` if it finished.
   *
   * @throws {TimeoutError} If `timeout` passes first.
   */
  async exception(options?: WaitOptions): Promise<Error | undefined> {
    this.#checkHeld();
    await this.#owner.waitFor([this.#state], options);
    return this.#state.status === "finished" ? undefined : this.#owner.errorOf(this.#state);
  }

  /**
   * Cancels the task and all tasks that depend on it. If other clients need the task, it continues for them.
   * All Futures of this client with the same key are cancelled; submitting the task again starts it again. A
   * task that is already running in a thread is not interrupted; its result is dropped.
   *
   * @param options `force` cancels it for all clients; `reason` is given to the clients that wait.
   */
  async cancel(options?: CancelOptions): Promise<void> {
    if (!this.#isReleased) await this.#owner.cancel([this.#state], options);
  }

  /**
   * Runs a failed task again, and the failed tasks that it depends on. Does nothing if the task has not
   * failed.
   *
   * @throws {CancelledError} If this Future was released.
   */
  async retry(options?: WaitOptions): Promise<void> {
    this.#checkHeld();
    await this.#owner.retry([this.#state], options);
  }

  /**
   * Calls `callback` with this Future when the task has ended, in success or failure; soon if it already has.
   * Errors that `callback` throws or rejects with are logged.
   */
  addDoneCallback(callback: (future: Future<T>) => unknown): void {
    const call = () => queueMicrotask(() => void runCallback(callback, this));
    if (this.done()) call();
    else this.#owner.watch(this.#state, call);
  }

  /** Tells the scheduler that this program no longer needs the result. Idempotent. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    forgotten.unregister(this);
    this.#owner.drop(this.#state);
  }

  /** Same as {@linkcode Future.release}. */
  [Symbol.dispose](): void {
    this.release();
  }

  #checkHeld(): void {
    if (this.#isReleased) throw this.#owner.errorOf(this.#state);
  }
}

async function runCallback<T>(callback: (future: Future<T>) => unknown, future: Future<T>): Promise<void> {
  try {
    await callback(future);
  } catch (error) {
    logger.error(
      `Callback of task "${future.key}" failed: ${error instanceof Error ? error.stack : String(error)}`,
    );
  }
}
