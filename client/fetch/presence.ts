/**
 * Calls to a worker that end when the worker is given up: a machine that hangs or is cut off ends no link,
 * and only the scheduler finds out.
 *
 * @module
 */

import type { Clock } from "../../internal/clock.ts";

/** Milliseconds between looks. */
const LOOK_MS = 2000;

/**
 * Settles as `call` does, whose signal is aborted with what `look` answers as soon as that is an error.
 *
 * @param call Asks a worker.
 * @param look Asks the scheduler, now and then: why waiting on makes no sense, or nothing.
 * @param signal Gives up.
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
    over.abort(error); // no effect if the call is over
  }
}
