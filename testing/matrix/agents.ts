/**
 * Processes that take orders and tell what happens, both as lines of JSON.
 *
 * @module
 */

/** What a process told. */
export interface Told {
  /** Of the order. */
  readonly id: number;
  /** It did not start, and why. */
  readonly start?: string;
  /** Port. */
  readonly listening?: number;
  /** A message arrived; TLS version if it is known. */
  readonly linked?: string;
  /** The link that is there when it is asked for: TLS version. */
  readonly found?: string;
  /** There is no link, and why. */
  readonly refused?: string;
}

/** A process that takes orders. */
export class Agent implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #encoder = new TextEncoder();
  readonly #told = new Map<number, Told[]>();
  readonly #waiting = new Map<number, () => void>();
  readonly #reading: Promise<void>;
  #rest = "";

  /** Starts it. */
  constructor(command: readonly [string, ...string[]]) {
    const [program, ...args] = command;
    this.#child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "null" })
      .spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (this.#rest + chunk).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.#take(JSON.parse(line) as Told);
    }
  }

  #take(told: Told): void {
    const list = this.#told.get(told.id);
    if (list === undefined) return; // of an order that is over
    list.push(told);
    this.#waiting.get(told.id)?.();
  }

  /** Sends an order, and begins to keep what is told of it. */
  async order(order: { readonly id: number } & Readonly<Record<string, unknown>>): Promise<void> {
    if (!this.#told.has(order.id)) this.#told.set(order.id, []);
    await this.#input.write(this.#encoder.encode(`${JSON.stringify(order)}\n`));
  }

  /** The first thing told of an order that `wanted` takes; nothing if there is none within `seconds`. */
  async wait(id: number, wanted: (told: Told) => boolean, seconds: number): Promise<Told | undefined> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const found = this.#told.get(id)?.find(wanted);
      const left = end - performance.now();
      if (found !== undefined || left <= 0) return found;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, left);
      this.#waiting.set(id, resolve);
      await promise;
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Keeps nothing more of an order. */
  forget(id: number): void {
    this.#told.delete(id);
  }

  /** Ends it, and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#input.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await Promise.all([this.#child.status, this.#reading]);
  }
}
