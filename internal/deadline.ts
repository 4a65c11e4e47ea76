/**
 * One signal for "give up": the caller's signal, a time-out, or both. It is made once at a public door;
 * inside only signals travel.
 *
 * @module
 */

import { type Clock, systemClock, TIMER_MAX_MS } from "./clock.ts";
import { parseTimedelta } from "./units.ts";

/** How long, and by whose will, a wait may go on. */
export interface DeadlineOptions {
  /** Gives up at once when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Gives up after that long: milliseconds, or text such as `"30s"`. `Infinity` is no limit. */
  readonly timeout?: number | string | undefined;
}

/**
 * Milliseconds of a time-out; `Infinity` if there is none.
 *
 * @throws {RangeError} If it is negative, not a number, or a text that can't be read.
 */
export function timeoutMs(timeout: number | string | undefined): number {
  if (timeout === undefined) return Infinity;
  const milliseconds = parseTimedelta(timeout, "ms") * 1000;
  if (milliseconds >= 0) return milliseconds;
  throw new RangeError(
    `Cannot wait for a time-out of "${timeout}": give milliseconds from 0 up, a text such as "30s", or Infinity`,
  );
}

/** A signal with a timer that is cleared when the wait is over. */
export class Deadline implements Disposable {
  /** Aborted when the wait must end; absent if nothing limits it. */
  readonly signal: AbortSignal | undefined;
  readonly #clock: Clock;
  #cancelTimer: (() => void) | undefined;
  readonly #controller = new AbortController();

  /**
   * @param options What limits the wait.
   * @param onTimeout Makes the reason of the abort; gets the time-out in milliseconds.
   * @param clock Measures the time-out.
   * @throws {RangeError} If `timeout` is negative, not a number, or a text that can't be read.
   */
  constructor(
    options: DeadlineOptions | undefined,
    onTimeout: (milliseconds: number) => Error,
    clock: Clock = systemClock,
  ) {
    this.#clock = clock;
    const { signal, timeout } = options ?? {};
    const milliseconds = timeoutMs(timeout);
    if (milliseconds === Infinity) {
      this.signal = signal;
      return;
    }
    this.#arm(milliseconds, () => onTimeout(milliseconds));
    const mine = this.#controller.signal;
    this.signal = signal === undefined ? mine : AbortSignal.any([signal, mine]);
  }

  #arm(milliseconds: number, makeReason: () => Error): void {
    const part = Math.min(milliseconds, TIMER_MAX_MS);
    this.#cancelTimer = this.#clock.timer(part, () => {
      if (part < milliseconds) this.#arm(milliseconds - part, makeReason);
      else this.#controller.abort(makeReason());
    });
  }

  /** Clears the timer. */
  [Symbol.dispose](): void {
    this.#cancelTimer?.();
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
