/**
 * Turns what a socket pushes into what a reader pulls.
 *
 * A dialled socket writes into buffers of ours (`onread`), which are used again once the reader is done with
 * them; an accepted one gives chunks of its own (`data`), because `node:tls` has no `onread` for it. Either
 * way the socket is told to stop when the reader is behind.
 *
 * @module
 */

/** A dialled socket's buffers. Larger ones gain nothing: a TLS record has at most 16 KiB. */
const BUFFER_BYTES = 64 * 1024;

/**
 * How many chunks wait for the reader before the socket is told to stop: one is read while the next is
 * filled.
 */
const QUEUE_LIMIT = 2;

/** Chunks between a socket and its one reader. */
export class Inbox {
  readonly #free: ArrayBufferLike[] = [];
  #chunks: Uint8Array[] = [];
  #waiting: PromiseWithResolvers<Uint8Array | null> | undefined;
  /** What the reader holds until its next call. */
  #lent: Uint8Array | undefined;
  #paused = false;
  #ended = false;
  #discarding = false;
  #error: Error | undefined;
  #flow: (on: boolean) => void = () => {};
  readonly #reuse: boolean;

  /** @param reuse Whether the chunks lie in buffers from {@linkcode buffer}. */
  constructor(reuse: boolean) {
    this.#reuse = reuse;
  }

  /** What the socket calls to get a buffer to fill: one that is not in use. */
  readonly buffer = (): Uint8Array => {
    const free = this.#free.pop();
    return free === undefined ? new Uint8Array(BUFFER_BYTES) : new Uint8Array(free);
  };

  /** Sets how the socket is told to stop and to go on. */
  onFlow(flow: (on: boolean) => void): void {
    this.#flow = flow;
  }

  /** Takes a chunk from the socket. Those that were under way when it was told to stop are taken as well. */
  push(chunk: Uint8Array): void {
    if (this.#discarding) return;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      this.#lent = chunk;
      waiting.resolve(chunk);
      return;
    }
    this.#chunks.push(chunk);
    if (this.#paused || this.#chunks.length < QUEUE_LIMIT) return;
    this.#paused = true;
    this.#flow(false);
  }

  /** Next chunk, valid until the next call; `null` at the end. */
  read(): Promise<Uint8Array | null> {
    if (this.#waiting !== undefined) {
      return Promise.reject(new TypeError("Two reads of a link at the same time"));
    }
    this.#release();
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#lent = chunk;
      if (this.#chunks.length < QUEUE_LIMIT) this.#wake();
      return Promise.resolve(chunk);
    }
    if (this.#ended) return Promise.resolve(null);
    if (this.#error !== undefined) return Promise.reject(this.#error);
    this.#waiting = Promise.withResolvers();
    this.#wake();
    return this.#waiting.promise;
  }

  /** The peer ended its side. */
  end(): void {
    if (this.#error === undefined) this.#ended = true;
    this.#settle((waiting) => waiting.resolve(null));
  }

  /** The link broke: what came before can still be read. The first reason stays. */
  fail(error: Error): void {
    if (this.#ended || this.#error !== undefined) return;
    this.#error = error;
    this.#settle((waiting) => waiting.reject(error));
  }

  /** Nobody will read any more: drops what is there, and what comes. */
  discard(error: Error): void {
    this.#discarding = true;
    this.#chunks = [];
    this.#ended = false;
    this.fail(error);
    this.#wake();
  }

  #release(): void {
    const lent = this.#lent;
    if (lent === undefined) return;
    this.#lent = undefined;
    if (this.#reuse && this.#free.length < QUEUE_LIMIT) this.#free.push(lent.buffer);
  }

  #wake(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#flow(true);
  }

  #settle(settle: (waiting: PromiseWithResolvers<Uint8Array | null>) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) settle(waiting);
  }
}
