/**
 * A stream of messages, many per write. Source: `distributed/batched.py`. Dask waits some milliseconds between
 * writes; here a batch leaves at the end of the turn, and what comes while it is written is the next one.
 *
 * @module
 */

import { getLogger } from "../config/logging.ts";
import { Pickled, Serialized } from "../protocol/serialized.ts";
import type { Comm } from "./comm.ts";
import { CommClosed, messageOf } from "./errors.ts";

const logger = getLogger("distributed.comm");

/** Bytes that a message takes besides what its fields hold, roughly. */
const MESSAGE_BYTES = 100;
/** A peer that lets so many messages pile up does not read at all. */
const QUEUED_MAX = 1 << 24;

/** Bounds and notices of a {@linkcode BatchedSend}. */
export interface BatchedSendOptions {
  /** Messages that may wait; with one more the comm is aborted. Default 2^24. */
  readonly maxQueued?: number | undefined;
  /** Bytes, roughly, that may wait while a batch is written; with more the comm is aborted. Default: no limit. */
  readonly maxQueuedBytes?: number | undefined;
  /** The comm was aborted because a batch could not be sent. Called once. Must not throw. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The writing half of a stream. It owns its comm's writes; reading is up to others. */
export class BatchedSend implements AsyncDisposable {
  /** Where the messages go. */
  readonly comm: Comm;
  readonly #maxQueued: number;
  readonly #maxQueuedBytes: number;
  readonly #onError: ((error: unknown) => void) | undefined;
  /** Of what came since the batch that is being written, if there is a limit. */
  #waitingBytes = 0;
  #queue: unknown[] = [];
  #scheduled = false;
  /** The loop that writes; it ends when the queue is empty. */
  #flushing: Promise<void> | undefined = undefined;
  #failure: unknown = undefined;
  #failed = false;
  #closing: Promise<void> | undefined = undefined;
  #batches = 0;

  /** Takes over the writing half of `comm`. */
  constructor(comm: Comm, options: BatchedSendOptions = {}) {
    this.comm = comm;
    this.#maxQueued = options.maxQueued ?? QUEUED_MAX;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? Infinity;
    this.#onError = options.onError;
  }

  /** Whether nothing can be sent any more. */
  get closed(): boolean {
    return this.#failed || this.#closing !== undefined || this.comm.closed;
  }

  /** Messages that wait for their write to begin. */
  get queuedMessages(): number {
    return this.#queue.length;
  }

  /** Batches that were written. */
  get batches(): number {
    return this.#batches;
  }

  /** Bytes of strings, binaries and payloads in what waits: a lower bound, counted when asked. */
  queuedBytes(): number {
    let bytes = 0;
    for (let i = 0; i < this.#queue.length; i++) bytes += weight(this.#queue[i]);
    return bytes;
  }

  /**
   * Sends `message` with this turn's batch. It may not be changed afterwards.
   *
   * @throws {CommClosed} If the stream has ended, or too much waits. What was sent shortly before may be lost, too.
   */
  send(message: unknown): void { // hot: per message
    if (this.closed) throw this.#closedError();
    if (this.#queue.length >= this.#maxQueued) throw this.#overflow();
    this.#queue.push(message);
    if (this.#flushing !== undefined) return this.#addWaiting(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#flush);
  }

  #addWaiting(message: unknown): void {
    if (this.#maxQueuedBytes === Infinity) return;
    this.#waitingBytes += MESSAGE_BYTES + weight(message);
    if (this.#waitingBytes > this.#maxQueuedBytes) throw this.#overflow();
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#queue.length > 0 && this.#flushing === undefined && !this.#failed) {
      this.#flushing = this.#writeAll();
    }
  };

  async #writeAll(): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#failed) {
        const batch = this.#queue;
        this.#queue = [];
        this.#waitingBytes = 0;
        this.#batches++;
        await this.comm.write(batch);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#flushing = undefined;
    }
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = error;
    this.#queue = [];
    this.comm.abort();
    this.#onError?.(error);
  }

  #closedError(): CommClosed {
    const { peerAddress } = this.comm;
    if (this.#failure instanceof CommClosed) return this.#failure;
    const reason = this.#failed ? `: ${messageOf(this.#failure)}` : "";
    return new CommClosed(peerAddress, `Stream to "${peerAddress}" is closed${reason}`, {
      cause: this.#failure,
    });
  }

  #overflow(): CommClosed {
    const { peerAddress } = this.comm;
    const error = new CommClosed(
      peerAddress,
      `Stream to "${peerAddress}" dropped: the peer does not read, and ${this.#queue.length} messages wait`,
    );
    logger.warning(error.message);
    this.#fail(error);
    return error;
  }

  /**
   * Writes what waits, then closes the comm. Idempotent. Does not reject: what could not be written went to `onError`.
   *
   * @param signal Aborts the comm instead of waiting on, since a peer that does not read can delay the end for ever.
   */
  close(signal?: AbortSignal): Promise<void> {
    this.#closing ??= this.#close();
    return signal === undefined ? this.#closing : this.#closeBefore(signal, this.#closing);
  }

  async #closeBefore(signal: AbortSignal, closing: Promise<void>): Promise<void> {
    const onAbort = () => this.abort();
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await closing;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #close(): Promise<void> {
    this.#flush();
    await this.#flushing;
    await this.comm.close();
  }

  /** Ends the stream at once; what waits is lost. Idempotent. */
  abort(): void {
    if (!this.#failed) {
      const { peerAddress } = this.comm;
      this.#failed = true;
      this.#failure = new CommClosed(peerAddress, `Stream to "${peerAddress}" was aborted by this side`);
      this.#queue = [];
    }
    this.comm.abort();
  }

  /** As {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function weight(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 0;
  if (value instanceof Uint8Array) return value.byteLength;
  if (value instanceof Serialized) return value.nbytes;
  let bytes = 0;
  if (value instanceof Pickled || Array.isArray(value)) {
    const items: readonly unknown[] = value instanceof Pickled ? value.frames : value;
    for (let i = 0; i < items.length; i++) bytes += weight(items[i]);
    return bytes;
  }
  const record = value as Readonly<Record<string, unknown>>;
  for (const field in record) bytes += weight(record[field]);
  return bytes;
}
