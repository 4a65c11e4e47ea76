/**
 * Real processes for tests: start one, wait for a line of its output, end it.
 *
 * @module
 */

/** How a process is started. */
export interface StartOptions {
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]];
  /** Working directory. */
  readonly cwd?: string | URL;
  /** Environment on top of the inherited one. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it starts with `env` alone. */
  readonly clearEnv?: boolean;
  /** What it is called in errors; by default the program. */
  readonly name?: string;
  /** `"piped"` if it is written to. Default: `"null"`. */
  readonly stdin?: "piped" | "null";
}

/** What is waited for, and for how long. */
export interface WaitForOutput {
  /** Default: `"stderr"`. */
  readonly stream?: "stdout" | "stderr";
  /** Seconds. Default: 30. */
  readonly deadline?: number;
  /** Gives up when aborted. */
  readonly signal?: AbortSignal;
}

/** One stream of output, kept whole, whose lines can be waited for. */
class Output {
  text = "";
  done = false;
  readonly #waiting = new Set<() => void>();

  async collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
        this.text += chunk;
        this.#wake();
      }
    } finally {
      this.done = true;
      this.#wake();
    }
  }

  /** Resolves at the next change; rejects when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = (): void => {
      this.#waiting.delete(wake);
      signal.removeEventListener("abort", stop);
    };
    const wake = (): void => {
      end();
      resolve();
    };
    const stop = (): void => {
      end();
      reject(signal.reason);
    };
    if (signal.aborted) return Promise.reject(signal.reason);
    this.#waiting.add(wake);
    signal.addEventListener("abort", stop);
    return promise;
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

/** A running process. Disposing of it kills it and waits until it is gone. */
export class TestProcess implements AsyncDisposable {
  /** What it is called. */
  readonly name: string;
  /** Process id. */
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #stdout = new Output();
  readonly #stderr = new Output();
  readonly #ended: Promise<Deno.CommandStatus>;
  #status: Deno.CommandStatus | undefined;

  /** Starts it. */
  constructor(options: StartOptions) {
    const [program, ...args] = options.command;
    this.name = options.name ?? program;
    this.#child = new Deno.Command(program, {
      args,
      stdin: options.stdin ?? "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...options.env },
      clearEnv: options.clearEnv ?? false,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    }).spawn();
    this.pid = this.#child.pid;
    this.#ended = this.#watch();
  }

  async #watch(): Promise<Deno.CommandStatus> {
    const [status] = await Promise.all([
      this.#child.status,
      this.#stdout.collect(this.#child.stdout),
      this.#stderr.collect(this.#child.stderr),
    ]);
    this.#status = status;
    return status;
  }

  /** What it wrote to stdout so far. */
  get stdout(): string {
    return this.#stdout.text;
  }

  /** What it wrote to stderr so far. */
  get stderr(): string {
    return this.#stderr.text;
  }

  /** Resolves when it ended and its output was read. */
  get ended(): Promise<Deno.CommandStatus> {
    return this.#ended;
  }

  /**
   * Waits for output that matches, and returns the match. Throws with all output if the process ends or the
   * deadline passes before.
   */
  async line(pattern: RegExp, options: WaitForOutput = {}): Promise<RegExpMatchArray> {
    return await this.find((text) => text.match(pattern) ?? undefined, String(pattern), options);
  }

  /** As {@linkcode TestProcess.line}, until `look` finds something in the output; `what` is for errors. */
  async find<T>(
    look: (text: string) => T | undefined,
    what: string,
    options: WaitForOutput = {},
  ): Promise<T> {
    const output = options.stream === "stdout" ? this.#stdout : this.#stderr;
    const seconds = options.deadline ?? 30;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), seconds * 1000);
    const given = options.signal;
    const waiting = given === undefined ? late.signal : AbortSignal.any([late.signal, given]);
    try {
      for (;;) {
        const found = look(output.text);
        if (found !== undefined) return found;
        if (output.done) throw this.#failure(`ended without printing ${what}`);
        await output.changed(waiting);
      }
    } catch (error) {
      if (!late.signal.aborted) throw error;
      throw this.#failure(`did not print ${what} within ${seconds} s`);
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(what: string): Error {
    return new Error(`${this.name} ${what}\n--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}`);
  }

  /** Writes `text` to its stdin, which must be `"piped"`. */
  async write(text: string): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    try {
      await writer.write(new TextEncoder().encode(text));
    } finally {
      writer.releaseLock();
    }
  }

  /** Sends a signal; nothing happens if the process ended before. */
  kill(signal: Deno.Signal = "SIGTERM"): void {
    if (this.#status !== undefined) return;
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It may have ended a moment ago.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Kills it and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#ended;
  }
}

/** Runs a process to its end; its output is in what is returned. */
export async function runToEnd(
  options: StartOptions,
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  await using process = new TestProcess(options);
  const { code } = await process.ended;
  return { code, stdout: process.stdout, stderr: process.stderr };
}

/** What a role is allowed, as a user would start it. */
export const rolePermissions: readonly string[] = ["--no-prompt", "--allow-net", "--allow-read"];

/** Starts a module of this checkout, such as `scheduler.ts`, with a role's permissions and nothing more. */
export function startRole(module: string, args: readonly string[]): TestProcess {
  const url = new URL(`../${module}`, import.meta.url);
  return new TestProcess({
    command: [Deno.execPath(), "run", ...rolePermissions, url.href, ...args],
    name: module,
  });
}
