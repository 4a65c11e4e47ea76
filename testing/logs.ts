/**
 * What is logged while a test does something.
 *
 * @module
 */

/** The lines that `act` logs. */
export function captureLog(act: () => void): string[] {
  const { writeSync } = Deno.stderr;
  let text = "";
  const decoder = new TextDecoder();
  Deno.stderr.writeSync = (bytes: Uint8Array): number => {
    text += decoder.decode(bytes);
    return bytes.length;
  };
  try {
    act();
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
  return text.split("\n").filter((line) => line !== "");
}

/** Sees what is logged until it is disposed. Nothing of it reaches stderr. */
export class LogWatch implements Disposable {
  /** Lines so far. */
  readonly lines: string[] = [];
  readonly #writeSync: typeof Deno.stderr.writeSync = Deno.stderr.writeSync;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #wake: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  /** Begins. */
  constructor() {
    Deno.stderr.writeSync = (bytes) => {
      const lines = (this.#rest + this.#decoder.decode(bytes)).split("\n");
      this.#rest = lines.pop() ?? "";
      this.lines.push(...lines);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
      return bytes.length;
    };
  }

  /** The first line that matches, when it comes; or the `nth`. */
  async line(pattern: RegExp, nth = 1): Promise<string> {
    for (;;) {
      const found = this.lines.filter((line) => pattern.test(line))[nth - 1];
      if (found !== undefined) return found;
      await this.#wake.promise;
    }
  }

  /** Ends. */
  [Symbol.dispose](): void {
    Deno.stderr.writeSync = this.#writeSync;
  }
}
