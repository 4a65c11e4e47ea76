/**
 * A progress line: redrawn in place on a terminal, now and then a line elsewhere.
 *
 * @module
 */

import type { Future } from "../../mod.ts";

const encoder = new TextEncoder();
const WIDTH = 30;

/** Watches Futures and draws how many ended. */
export class Progress implements Disposable {
  /** Resolves when all ended; rejects with the reason of the signal. */
  readonly finished: Promise<void>;
  #total: number;
  #done = 0;
  #drawn = -1;
  #isTerminal = Deno.stdout.isTerminal();
  #timer: ReturnType<typeof setInterval>;

  constructor(futures: readonly Future<unknown>[], signal: AbortSignal) {
    this.#total = futures.length;
    this.#timer = setInterval(() => this.#draw(), this.#isTerminal ? 50 : 1000);
    this.finished = this.#watch(futures, signal);
  }

  async #watch(futures: readonly Future<unknown>[], signal: AbortSignal): Promise<void> {
    await Promise.all(futures.map(async (future) => {
      const error = await future.exception({ signal });
      if (error !== undefined) throw error;
      this.#done++;
    }));
    this.#draw();
  }

  #draw(): void {
    if (this.#drawn === this.#done) return;
    this.#drawn = this.#done;
    const filled = Math.round(WIDTH * this.#done / this.#total);
    const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
    const line = `${bar} ${this.#done}/${this.#total} tasks`;
    Deno.stdout.writeSync(encoder.encode(this.#isTerminal ? `\r${line}` : `${line}\n`));
  }

  /** Stops drawing. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
