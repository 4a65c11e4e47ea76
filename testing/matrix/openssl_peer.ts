/**
 * `openssl s_client` and `s_server` at an end of a link.
 *
 * @module
 */

import { type Dialled, type EndOptions, type Listening, PATIENCE, type Seen } from "./ends.ts";
import { answerOf, requestOf } from "./speech.ts";

function opensslArgs({ ca, cert, key, version }: EndOptions): readonly string[] {
  return [
    ...["-CAfile", ca, "-verify_return_error", `-tls${version.replace(".", "_")}`],
    ...cert === undefined ? [] : ["-cert_chain", cert, "-cert", cert],
    ...key === undefined ? [] : ["-key", key],
  ];
}

/** `openssl` with an open stdin: it passes on what is said there, and prints what it receives. */
class OpensslProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ended: Promise<unknown>;
  #text = "";
  #isOver = false;
  readonly #waiting = new Set<() => void>();

  constructor(...args: readonly string[]) {
    this.#child = new Deno.Command("openssl", {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    })
      .spawn();
    this.#input = this.#child.stdin.getWriter();
    const { status, stdout, stderr } = this.#child;
    this.#ended = Promise.all([status, this.#collect(stdout), this.#collect(stderr)]).then(() => {
      this.#isOver = true;
      this.#wake();
    });
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#text += text;
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Whether it ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Everything that it printed. */
  get text(): string {
    return this.#text;
  }

  /** Waits for output that matches; nothing if it ends or is silent for too long. */
  async until(pattern: RegExp, seconds = PATIENCE): Promise<RegExpMatchArray | undefined> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const found = this.#text.match(pattern);
      const left = end - performance.now();
      if (found !== null) return found;
      if (this.#isOver || left <= 0) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      const timer = left === Infinity ? undefined : setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    }
  }

  say(bytes: Uint8Array): void {
    // It may have ended.
    this.#input.write(bytes).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#input.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await this.#ended;
  }
}

/** A server that answers as a role of Dask's would. */
export async function opensslListens(end: EndOptions): Promise<Listening> {
  const process = new OpensslProcess(
    "s_server",
    "-accept",
    "127.0.0.1:0",
    "-Verify",
    "9",
    ...opensslArgs(end),
  );
  const close = (): Promise<void> => process[Symbol.asyncDispose]();
  const port = (await process.until(/^ACCEPT .*:(\d+)$/m))?.[1];
  if (port === undefined) {
    return { seen: () => Promise.resolve({ how: "start", text: process.text }), close };
  }
  const { bytes, heard } = answerOf(end.whom, end.role, end.value);
  const outcome = new RegExp(`(?<request>${heard.source})|:error:|^CONNECTION CLOSED$|^ERROR$`, "m");
  const seen = async (): Promise<Seen> => {
    const found = await process.until(outcome);
    if (found?.groups?.["request"] !== undefined) return { how: "linked", text: "openssl" };
    // Writing to a link that is closed ends it.
    if (found === undefined) {
      return process.isOver
        ? { how: "refused", text: `${process.text}\nCONNECTION CLOSED` }
        : { how: "silent", text: process.text };
    }
    // The reason comes by another stream; there is none if the link was cut.
    if (found[0] === "ERROR") await process.until(/:error:/, 0.5);
    return { how: "refused", text: process.text };
  };
  // Our roles say the same first, and ask once they were greeted; some dial again.
  const answer = async (): Promise<void> => {
    for (let count = 1;; count++) {
      const greetings = new RegExp(`(?:[^]*?pickle-protocol){${count}}`);
      if (await process.until(greetings, Infinity) === undefined) return;
      process.say(bytes);
    }
  };
  void answer();
  return { port: Number(port), seen, close };
}

/** A client that asks as a role of Dask's would. */
export async function opensslDials(end: EndOptions, port: number): Promise<Dialled> {
  const where = ["-connect", `127.0.0.1:${port}`];
  const process = new OpensslProcess("s_client", "-verify", "9", ...where, ...opensslArgs(end));
  const { bytes, heard } = requestOf(end.role, end.whom, end.value);
  process.say(bytes);
  const found = await process.until(heard);
  return {
    seen: found === undefined ? { how: "refused", text: process.text } : { how: "linked", text: "openssl" },
    close: () => process[Symbol.asyncDispose](),
  };
}
