/**
 * What is logged while a test does something.
 *
 * @module
 */

/** Passes every line that is logged to `take`, and not to stderr, until it is disposed. */
export function tapLog(take: (line: string) => void): Disposable {
  const { writeSync } = Deno.stderr;
  const decoder = new TextDecoder();
  let rest = "";
  Deno.stderr.writeSync = (bytes: Uint8Array): number => {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
    return bytes.length;
  };
  return {
    [Symbol.dispose]: () => {
      Deno.stderr.writeSync = writeSync;
    },
  };
}

/** The lines that `act` logs. */
export function captureLog(act: () => void): string[] {
  const lines: string[] = [];
  using _tap = tapLog((line) => {
    if (line !== "") lines.push(line);
  });
  act();
  return lines;
}

/** Sees what is logged until it is disposed. Nothing of it reaches stderr. */
export class LogWatch implements Disposable {
  /** Lines so far. */
  readonly lines: string[] = [];
  readonly #tap: Disposable;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  /** Begins. */
  constructor() {
    this.#tap = tapLog((line) => {
      this.lines.push(line);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    });
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
    this.#tap[Symbol.dispose]();
  }
}
