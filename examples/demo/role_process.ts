/**
 * A role as a process whose log can be waited for.
 *
 * @module
 */

/** One running role. Disposing it asks it to end, and waits. */
export class RoleProcess implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #lines: string[] = [];
  #reading: Promise<void>;
  #waiting = new Set<() => void>();
  #ended = false;

  /** Runs `entry` of this package under `--allow-net --allow-read`. */
  constructor(entry: string, args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--allow-net",
        "--allow-read",
        new URL(`../../${entry}`, import.meta.url).href,
        ...args,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#reading = this.#read();
  }

  /** First line of the log that matches, and its groups. Rejects if the process ends before. */
  async waitForLine(pattern: RegExp, signal: AbortSignal): Promise<RegExpExecArray> {
    for (;;) {
      signal.throwIfAborted();
      for (const line of this.#lines) {
        const match = pattern.exec(line);
        if (match !== null) return Object.assign(match, { 0: line });
      }
      if (this.#ended) throw new Error(`A role ended early:\n${this.#lines.join("\n")}`);
      await this.#nextLine(signal);
    }
  }

  async #nextLine(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#waiting.delete(resolve);
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      for (const wake of this.#waiting) wake();
    }
    this.#ended = true;
    for (const wake of this.#waiting) wake();
  }

  /** Ends the process, and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill(Deno.build.os === "windows" ? "SIGKILL" : "SIGTERM");
    } catch {
      // It is gone already.
    }
    await this.#child.status;
    await this.#reading;
  }
}
