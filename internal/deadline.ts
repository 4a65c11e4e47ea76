/**
 * One signal for "give up": the caller's signal, a time-out, or both. It is made once at a public door; inside only
 * signals travel.
 *
 * @module
 */

import { parseTimedelta } from "./units.ts";

/** How long, and by whose will, a wait may go on. */
export interface DeadlineOptions {
  /** Gives up at once when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Gives up after that long: milliseconds, or text such as `"30s"`. */
  readonly timeout?: number | string | undefined;
}

/** A signal with a timer that is cleared when the wait is over. */
export class Deadline implements Disposable {
  /** Aborted when the wait must end; absent if nothing limits it. */
  readonly signal: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param options What limits the wait.
   * @param onTimeout Makes the reason of the abort; gets the time-out in milliseconds.
   * @throws {RangeError} If `timeout` is a text that can't be read.
   */
  constructor(options: DeadlineOptions | undefined, onTimeout: (milliseconds: number) => Error) {
    const { signal, timeout } = options ?? {};
    if (timeout === undefined) {
      this.signal = signal;
      return;
    }
    const milliseconds = parseTimedelta(timeout, "ms") * 1000;
    const controller = new AbortController();
    this.#timer = setTimeout(() => controller.abort(onTimeout(milliseconds)), milliseconds);
    this.signal = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
  }

  /** Clears the timer. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** Settles as `promise` does, or rejects with the reason of `signal` if that is aborted first. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
