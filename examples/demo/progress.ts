/**
 * Progress bars, one per prefix of keys: redrawn in place on a terminal, now and then as lines elsewhere.
 *
 * @module
 */

import type { Future } from "../../mod.ts";

const encoder = new TextEncoder();
const WIDTH = 30;

interface Bar {
  readonly name: string;
  total: number;
  done: number;
}

/** Watches Futures and draws how many of each prefix ended. */
export class Progress implements Disposable {
  /** Resolves when all ended; rejects with the first error, or the reason of the signal. */
  readonly finished: Promise<void>;
  #bars = new Map<string, Bar>();
  #drawn = "";
  #isTerminal = Deno.stdout.isTerminal();
  #timer: ReturnType<typeof setInterval>;

  constructor(futures: readonly Future<unknown>[], signal: AbortSignal) {
    this.#timer = setInterval(() => this.#draw(), this.#isTerminal ? 50 : 1000);
    this.finished = this.#watch(futures, signal);
    this.#draw();
  }

  async #watch(futures: readonly Future<unknown>[], signal: AbortSignal): Promise<void> {
    await Promise.all(futures.map(async (future) => {
      const bar = this.#bar(prefix(future.key));
      bar.total++;
      const error = await future.exception({ signal });
      if (error !== undefined) throw error;
      bar.done++;
    }));
    this.#draw();
  }

  #bar(name: string): Bar {
    let bar = this.#bars.get(name);
    if (bar === undefined) this.#bars.set(name, bar = { name, total: 0, done: 0 });
    return bar;
  }

  #draw(): void {
    const bars = [...this.#bars.values()];
    const width = Math.max(...bars.map(({ name }) => name.length));
    const text = bars.map((bar) => `${line(bar, width)}\n`).join("");
    if (text === this.#drawn) return;
    const back = this.#isTerminal && this.#drawn !== "" ? `\x1b[${bars.length}A` : "";
    Deno.stdout.writeSync(encoder.encode(back + text));
    this.#drawn = text;
  }

  /** Stops drawing. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function line({ name, total, done }: Bar, width: number): string {
  const filled = Math.round(WIDTH * done / total);
  return `${name.padEnd(width)}  ${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ${done}/${total}`;
}

/** The name of the function in a key such as `countWords-1f0c…-12`. */
function prefix(key: string): string {
  return key.split("-", 1)[0] ?? key;
}
