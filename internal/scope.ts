/**
 * Owns promises: work that is not awaited is started here, so that it can be ended and waited for.
 *
 * @module
 */

/** How a {@linkcode Scope} behaves. */
export interface ScopeOptions {
  /** Told of every failure that is not the end of the group itself. Must not throw. */
  readonly onError?: (error: unknown) => void;
  /** Ends the group as {@linkcode Scope.abort} does. */
  readonly signal?: AbortSignal | undefined;
}

/** A set of running tasks with one end. */
export class Scope implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #parent: AbortSignal | undefined;
  readonly #onParentAbort: (() => void) | undefined;
  #failed = false;
  #firstFailure: unknown = undefined;

  /** An empty group. */
  constructor(options: ScopeOptions = {}) {
    this.#onError = options.onError;
    this.#parent = options.signal;
    if (options.signal === undefined) {
      this.#onParentAbort = undefined;
      return;
    }
    const { signal } = options;
    this.#onParentAbort = () => this.abort(signal.reason);
    if (signal.aborted) this.abort(signal.reason);
    else signal.addEventListener("abort", this.#onParentAbort, { once: true });
  }

  /** Aborted when the group ends; tasks must then return soon. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Number of tasks that still run. */
  get size(): number {
    return this.#tasks.size;
  }

  /** Whether some task has failed, other than by the end of the group. */
  get failed(): boolean {
    return this.#failed;
  }

  /** What the first failed task threw. */
  get firstFailure(): unknown {
    return this.#firstFailure;
  }

  /**
   * Starts `task` and owns its promise. A failure goes to `onError`; the others go on.
   *
   * @returns False if the group has ended: the task was not started.
   */
  add(task: (signal: AbortSignal) => Promise<unknown>): boolean {
    const { signal } = this.#controller;
    if (signal.aborted) return false;
    const running: Promise<void> = this.#run(task, signal).finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
    return true;
  }

  async #run(task: (signal: AbortSignal) => Promise<unknown>, signal: AbortSignal): Promise<void> {
    try {
      await task(signal);
    } catch (error) {
      if (signal.aborted) return; // what tasks throw because they were told to end
      if (!this.#failed) {
        this.#failed = true;
        this.#firstFailure = error;
      }
      this.#onError?.(error);
    }
  }

  /** Tells all tasks to end, and takes no more. Idempotent. */
  abort(reason?: unknown): void {
    if (this.#onParentAbort !== undefined) this.#parent?.removeEventListener("abort", this.#onParentAbort);
    this.#controller.abort(reason);
  }

  /** Waits until no task runs, also for those that are added meanwhile. */
  async idle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  /** Aborts, and waits for all tasks. Idempotent. */
  async close(reason?: unknown): Promise<void> {
    this.abort(reason);
    await this.idle();
  }

  /** As {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
