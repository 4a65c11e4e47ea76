/**
 * Time, given from outside: roles can be tested, and simulated, without waiting.
 *
 * @module
 */

/** A clock that can wait. Times to wait are in milliseconds. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. For measuring how long something took. */
  now(): number;
  /** Seconds since the epoch, as in Dask's messages; may be set back. */
  time(): number;
  /** Resolves after that many milliseconds; rejects with the signal's reason if that is aborted first. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Calls `callback` after that many milliseconds, unless the returned function is called before. */
  timer(milliseconds: number, callback: () => void): () => void;
  /**
   * Calls `callback` again and again, that many milliseconds apart, until the returned function is called.
   */
  every(milliseconds: number, callback: () => void): () => void;
}

/** Most milliseconds that a timer takes; with more, even with infinitely many, it would run out at once. */
export const TIMER_MAX_MS: number = 2 ** 31 - 1;

/** The real one. */
export const systemClock: Clock = {
  now: () => performance.now(),
  time: () => Date.now() / 1000,
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, Math.min(milliseconds, TIMER_MAX_MS));
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise;
  },
  timer(milliseconds: number, callback: () => void): () => void {
    const timer = setTimeout(callback, Math.min(milliseconds, TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
  every(milliseconds: number, callback: () => void): () => void {
    const timer = setInterval(callback, Math.min(milliseconds, TIMER_MAX_MS));
    return () => clearInterval(timer);
  },
};
