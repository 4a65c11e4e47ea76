/**
 * Counts the peers that are sent data at the moment.
 *
 * @module
 */

import type { Clock } from "../internal/clock.ts";

/** Milliseconds that a peer which was sent nothing big may take to say "OK". */
const TRANSFER_MS = 10_000;
/** Bytes per millisecond that the slowest peer takes. */
const SLOWEST_RATE = 50;

/** Transfers that are under way. One that takes too long is not counted any more: its peer fell silent. */
export class Transfers {
  readonly #clock: Clock;
  #count = 0;

  /** No transfer is under way. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Number of transfers that are under way. */
  get count(): number {
    return this.#count;
  }

  /** Counts a transfer of that many bytes until it is disposed, or takes too long. */
  begin(nbytes: number): Disposable {
    let isCounted = true;
    this.#count++;
    const end = () => {
      if (isCounted) this.#count--;
      isCounted = false;
    };
    const cancel = this.#clock.timer(TRANSFER_MS + nbytes / SLOWEST_RATE, end);
    return {
      [Symbol.dispose]: () => {
        cancel();
        end();
      },
    };
  }
}
