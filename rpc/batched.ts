/**
 * A stream of messages, many per write. Source: `distributed/batched.py`. Dask waits some milliseconds
 * between writes; here a batch leaves at the end of the turn, and what comes while it is written is the next
 * one.
 *
 * While a peer is slow, messages wait as the bytes that they become, so that what waits can be counted.
 *
 * @module
 */

import { getLogger } from "../config/logging.ts";
import { addressHost } from "../comm/address.ts";
import { hostGroup } from "../comm/limits/admission.ts";
import type { Backlogs } from "./fairness/backlog.ts";
import type { Comm } from "../comm/comm.ts";
import { CommClosed } from "../comm/errors.ts";
import { messageOf } from "../internal/errors.ts";

const logger = getLogger("distributed.comm");

/**
 * Number of waiting messages, and of waiting bytes, from which on a peer counts as one that does not read.
 */
const QUEUED_MAX = 1 << 24;
const QUEUED_BYTES_MAX = 2 ** 30;
/** Messages that wait as they are while a batch is written; as many make a batch that waits as bytes. */
const BATCH_MESSAGES = 256;
/**
 * Messages in one message of the comm: what peers may send at once is bounded (`message-values`), and large
 * turns are not.
 */
const MOST_TOGETHER = 2000;

/** Bounds and notices of a {@linkcode BatchedSend}. */
export interface BatchedSendOptions {
  /**
   * Messages that may wait as they are, as on links within a process; with one more the comm is aborted.
   * Elsewhere they soon wait as bytes. Default 2^24.
   */
  readonly maxQueued?: number | undefined;
  /** Bytes that may wait behind the batch that is being sent; with more the comm is aborted. Default 2^30. */
  readonly maxQueuedBytes?: number | undefined;
  /** Counts what waits in place of `maxQueuedBytes`, and drops this stream if that is too much. */
  readonly backlogs?: Backlogs | undefined;
  /** The comm was aborted because a batch could not be sent. Called once. Must not throw. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The writing half of a stream of `Message`s. It owns its comm's writes; reading is up to others. */
export class BatchedSend<Message = unknown> implements AsyncDisposable {
  /** Where the messages go. */
  readonly comm: Comm;
  readonly #maxQueued: number;
  readonly #maxQueuedBytes: number;
  readonly #backlogs: Backlogs | undefined;
  readonly #host: string;
  readonly #onError: ((error: unknown) => void) | undefined;
  #queue: Message[] = [];
  #scheduled = false;
  /** Bytes of the batches that are being written, in order. */
  #writing: number[] = [];
  /** Bytes of all of them but the first. */
  #behind = 0;
  /** Resolved when nothing is written or waits. */
  #idle: PromiseWithResolvers<void> | undefined = undefined;
  #failure: unknown = undefined;
  #failed = false;
  #closing: Promise<void> | undefined = undefined;
  #batches = 0;

  /** Takes over the writing half of `comm`. */
  constructor(comm: Comm, options: BatchedSendOptions = {}) {
    this.comm = comm;
    this.#maxQueued = options.maxQueued ?? QUEUED_MAX;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? QUEUED_BYTES_MAX;
    this.#backlogs = options.backlogs;
    this.#host = hostGroup(addressHost(comm.peerAddress));
    this.#onError = options.onError;
  }

  /** Whether nothing can be sent any more. */
  get closed(): boolean {
    return this.#failed || this.#closing !== undefined || this.comm.closed;
  }

  /** Messages that wait and are no bytes yet. */
  get queuedMessages(): number {
    return this.#queue.length;
  }

  /** Whether so much waits for the peer to read on that what can be left out should be. */
  get isBehind(): boolean { // hot: per batch
    return this.#backlogs?.isMuch(this.#behind) ?? false;
  }

  /** Bytes that the transport has not taken. */
  get queuedBytes(): number {
    return this.comm.queuedBytes ?? 0;
  }

  /** Batches that were written, or are. */
  get batches(): number {
    return this.#batches;
  }

  /**
   * Sends `message` with this turn's batch. It may not be changed afterwards.
   *
   * @throws {CommClosed} If the stream has ended, or too much waits. What was sent shortly before may be
   * lost, too.
   */
  send(message: Message): void { // hot: per message
    if (this.closed) throw this.#closedError();
    if (this.#queue.length >= this.#maxQueued) {
      throw this.drop(`the peer does not read, and ${this.#queue.length} messages wait`);
    }
    this.#queue.push(message);
    if (this.#scheduled || (this.#writing.length > 0 && !this.#mayWriteOn)) return;
    this.#scheduled = true;
    queueMicrotask(this.#flush);
  }

  /** Whether a batch may be made although another one is being written. */
  get #mayWriteOn(): boolean {
    return this.#queue.length >= BATCH_MESSAGES && this.comm.queuedBytes !== undefined;
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#queue.length > 0 && !this.#failed) this.#writeBatch();
  };

  #writeBatch(): void {
    const { comm } = this;
    const before = comm.queuedBytes ?? 0;
    const queue = this.#takeQueue();
    const written = queue.length <= MOST_TOGETHER ? comm.write(queue) : writeInParts(comm, queue);
    const bytes = (comm.queuedBytes ?? 0) - before;
    if (this.#writing.push(bytes) > 1) this.#behind += bytes;
    this.#batches++;
    written.then(this.#onWritten, this.#fail);
    if (this.#failed) return;
    if (this.#backlogs !== undefined) {
      this.#backlogs.update(this.#host, this, this.queuedBytes, this.#behind);
    } else if (this.#behind > this.#maxQueuedBytes) {
      this.drop(`the peer does not read, and ${this.#behind} bytes wait`);
    }
  }

  #takeQueue(): Message[] {
    const queue = this.#queue;
    this.#queue = [];
    return queue;
  }

  readonly #onWritten = (): void => {
    this.#writing.shift();
    this.#behind -= this.#writing[0] ?? 0;
    if (this.#failed) return;
    if (this.#writing.length === 0 && this.#queue.length > 0) return this.#writeBatch();
    this.#backlogs?.update(this.#host, this, this.queuedBytes, this.#behind);
    if (this.#writing.length === 0) this.#idle?.resolve();
  };

  readonly #fail = (error: unknown): void => {
    if (this.#failed) return;
    this.#end(error);
    this.comm.abort();
    this.#onError?.(error);
  };

  #end(error: unknown): void {
    this.#failed = true;
    this.#failure = error;
    this.#queue = [];
    this.#backlogs?.update(this.#host, this, 0, 0);
    this.#idle?.resolve();
  }

  #closedError(): CommClosed {
    const { peerAddress } = this.comm;
    if (this.#failure instanceof CommClosed) return this.#failure;
    const reason = this.#failed ? `: ${messageOf(this.#failure)}` : "";
    return new CommClosed(peerAddress, `Stream to "${peerAddress}" is closed${reason}`, {
      cause: this.#failure,
    });
  }

  /** Ends the stream at once because of its peer, and says so in the log. */
  drop(reason: string): CommClosed {
    const { peerAddress } = this.comm;
    const error = new CommClosed(peerAddress, `Stream to "${peerAddress}" dropped: ${reason}`);
    logger.warning(error.message);
    this.#fail(error);
    return error;
  }

  /**
   * Writes what waits, then closes the comm. Idempotent. Does not reject: what could not be written went to
   * `onError`.
   *
   * @param signal Aborts the comm instead of waiting on, since a peer that does not read can delay the end
   * for ever.
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
    if (this.#writing.length === 0) this.#flush();
    if (this.#writing.length > 0 && !this.#failed) {
      this.#idle = Promise.withResolvers();
      await this.#idle.promise;
    }
    await this.comm.close();
  }

  /** Ends the stream at once; what waits is lost. Idempotent. */
  abort(): void {
    if (!this.#failed) {
      const { peerAddress } = this.comm;
      this.#end(new CommClosed(peerAddress, `Stream to "${peerAddress}" was aborted by this side`));
    }
    this.comm.abort();
  }

  /** As {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function writeInParts(comm: Comm, messages: readonly unknown[]): Promise<unknown> {
  const parts: Promise<void>[] = [];
  for (let i = 0; i < messages.length; i += MOST_TOGETHER) {
    parts.push(comm.write(messages.slice(i, i + MOST_TOGETHER)));
  }
  return Promise.all(parts);
}
