/**
 * Waiting for many Futures: all of them, the first, or one after the other.
 *
 * @module
 */

import { type Clock, systemClock } from "../../internal/clock.ts";
import { TimeoutError } from "../../internal/errors.ts";
import { Deadline, orAborted, timeoutMs } from "../../internal/deadline.ts";
import { type Future, ownerOf, stateOf, type WaitOptions } from "./future.ts";

/** Options of {@linkcode wait}. */
export interface WaitForManyOptions extends WaitOptions {
  /** When to return: after all tasks have ended, or as soon as one has. Default: `"all-completed"`. */
  returnWhen?: "all-completed" | "first-completed";
}

/** Answer of {@linkcode wait}. */
export interface DoneAndNotDone<T> {
  /** Futures whose tasks have ended, in success or failure, in the given order. */
  done: Future<T>[];
  /** The other Futures, in the given order. */
  notDone: Future<T>[];
}

/**
 * Waits until all of `futures` have ended, or one of them. A task that fails has ended, too. Results stay on
 * the cluster. Source: https://distributed.dask.org/en/stable/api.html#distributed.wait
 *
 * ```ts
 * import { Client, wait } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * const futures = client.map((x: number) => x * x, [1, 2, 3]);
 * const { done, notDone } = await wait(futures);
 * console.log(done.length, notDone.length); // 3 0
 * ```
 *
 * @throws {CancelledError} If one of the tasks that ended was cancelled, as in Dask.
 * @throws {TimeoutError} If `timeout` passes first.
 */
export async function wait<T>(
  futures: Iterable<Future<T>>,
  options: WaitForManyOptions = {},
): Promise<DoneAndNotDone<T>> {
  const all = [...futures];
  using deadline = new Deadline(options, (ms) => gaveUp(all.length, ms), clockOf(all));
  const enough = options.returnWhen === "first-completed" ? Math.min(1, all.length) : all.length;
  using ends = new Ends(all);
  while (ends.count < enough) await ends.next(deadline.signal);
  const done = all.filter((future) => future.done());
  for (const future of done) {
    if (future.status === "cancelled") throw ownerOf(future).errorOf(stateOf(future));
  }
  return { done, notDone: all.filter((future) => !future.done()) };
}

/**
 * Yields `futures` in the order in which their tasks end, including tasks that fail or are cancelled. Leaving
 * the loop does not stop the tasks. Source:
 * https://distributed.dask.org/en/stable/api.html#distributed.as_completed
 *
 * ```ts
 * import { asCompleted, Client } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * const futures = client.map((x: number) => x * x, [1, 2, 3]);
 * let sum = 0;
 * for await (const future of asCompleted(futures)) sum += await future.result();
 * console.log(sum); // 14
 * ```
 *
 * @throws {TimeoutError} If `timeout` has passed since the call and the next task has not ended.
 */
export function asCompleted<T>(
  futures: Iterable<Future<T>>,
  options: WaitOptions = {},
): AsyncIterableIterator<Future<T>> {
  const all = [...futures];
  const until = clockOf(all).now() + timeoutMs(options.timeout);
  const ends = new Ends(all);
  const steps = yieldEnded(all, ends, options.signal, until);
  return {
    next: () => steps.next(),
    return(): Promise<IteratorResult<Future<T>>> {
      ends[Symbol.dispose](); // a generator that never started would not
      return steps.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* yieldEnded<T>(
  all: readonly Future<T>[],
  ends: Ends<T>,
  signal: AbortSignal | undefined,
  until: number,
): AsyncGenerator<Future<T>, undefined> {
  using watched = ends;
  const clock = clockOf(all);
  for (let i = 0; i < all.length; i++) {
    let future = watched.take();
    while (future === undefined) {
      const timeout = Math.max(until - clock.now(), 0);
      using deadline = new Deadline({ signal, timeout }, () => gaveUp(all.length - i, undefined), clock);
      await watched.next(deadline.signal);
      future = watched.take();
    }
    yield future;
  }
  return undefined;
}

/** Futures that ended, in the order of their ends. */
class Ends<T> implements Disposable {
  /** Number of Futures that have ended. */
  count = 0;
  #queue: Future<T>[] = [];
  #taken = 0;
  #change: PromiseWithResolvers<void> | undefined;
  #watchers = new Map<Future<T>, () => void>();

  constructor(futures: readonly Future<T>[]) {
    const pending = new Map<Future<T>, number>();
    for (const future of futures) {
      if (future.done()) this.#end(future);
      else pending.set(future, (pending.get(future) ?? 0) + 1);
    }
    for (const [future, times] of pending) {
      const watcher = () => {
        this.#watchers.delete(future);
        for (let i = 0; i < times; i++) this.#end(future);
      };
      this.#watchers.set(future, watcher);
      ownerOf(future).watch(stateOf(future), watcher);
    }
  }

  /** Returns the next one that ended, if there is one. */
  take(): Future<T> | undefined {
    const future = this.#queue[this.#taken];
    if (future !== undefined) this.#taken++;
    return future;
  }

  /** Waits until another one has ended. */
  async next(signal: AbortSignal | undefined): Promise<void> {
    this.#change ??= Promise.withResolvers();
    await orAborted(this.#change.promise, signal);
  }

  [Symbol.dispose](): void {
    for (const [future, watcher] of this.#watchers) {
      ownerOf(future).unwatch(stateOf(future), watcher);
    }
    this.#watchers.clear();
  }

  #end(future: Future<T>): void {
    this.count++;
    this.#queue.push(future);
    this.#change?.resolve();
    this.#change = undefined;
  }
}

/** Returns the clock of the client that the Futures came from. */
function clockOf(futures: readonly Future<unknown>[]): Clock {
  const [first] = futures;
  return first === undefined ? systemClock : ownerOf(first).platform.clock;
}

function gaveUp(count: number, ms: number | undefined): TimeoutError {
  const tasks = count === 1 ? "a task" : `${count} tasks`;
  return new TimeoutError(
    `Gave up waiting for ${tasks}${ms === undefined ? ": the time is up" : ` after ${ms} ms`}`,
  );
}
