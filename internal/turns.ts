/**
 * Turns of the event loop. What awaits things that are always there, such as the bytes of a peer that never
 * stops sending, keeps everything else in the process waiting: timers, and all other links.
 *
 * A pause is a millisecond in which this process does nothing else, for that alone makes Deno look at its
 * sockets: with `setImmediate` or a timer of 0 it goes on with what is known to be ready, and looks once in
 * 61 turns.
 *
 * @module
 */

/** Milliseconds that all who ask here may go on together without a pause. */
const BUSY_MS = 10;
const PAUSE_MS = 1;
/** Whoever replaces the global one, as tests of tasks do, must not stop all links. */
const later = globalThis.setTimeout;

let pause: Promise<void> | undefined;
/** Whether a timer was set to see whether timers have their turn. */
let isProbing = false;
let since = -Infinity;

/**
 * A pause, if nothing else had its turn for long; else nothing, and there is nothing to wait for. Ask again
 * behind it: others may have waited for the same one.
 */
export function pauseIfBusy(): Promise<void> | undefined { // hot: per message
  if (pause !== undefined) return pause;
  const now = performance.now();
  if (now - since < BUSY_MS) return undefined;
  if (!isProbing) {
    isProbing = true;
    since = now;
    later(() => isProbing = false, PAUSE_MS);
    return undefined;
  }
  pause = new Promise((resolve) => later(resolve, PAUSE_MS)).then(() => {
    pause = undefined;
    since = performance.now();
  });
  return pause;
}
