/**
 * Requests to a worker that end when the scheduler has given the worker up. A machine that hangs or is
 * disconnected does not end its links; only the scheduler notices it.
 *
 * @module
 */

import type { Clock } from "../../internal/clock.ts";

/** Milliseconds between checks. */
const LOOK_MS = 2000;

/**
 * Settles like `call`. When `look` returns an error, the signal of `call` is aborted with it.
 *
 * @param call Sends a request to a worker.
 * @param look Asks the scheduler, from time to time. Returns why waiting is useless, or undefined.
 * @param signal Cancels the call.
 * @param clock Time.
 */
export async function whilePresent<T>(
  call: (signal: AbortSignal) => Promise<T>,
  look: (signal: AbortSignal) => Promise<Error | undefined>,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<T> {
  const over = new AbortController();
  const given = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const watching = watch(look, over, given, clock);
  try {
    return await call(given);
  } finally {
    over.abort();
    await watching;
  }
}

async function watch(
  look: (signal: AbortSignal) => Promise<Error | undefined>,
  over: AbortController,
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  try {
    let reason: Error | undefined;
    while (reason === undefined) {
      await clock.sleep(LOOK_MS, signal);
      reason = await look(signal);
    }
    over.abort(reason);
  } catch (error) {
    over.abort(error); // no effect if the call has ended
  }
}
