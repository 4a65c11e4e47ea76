/**
 * A stream of messages, with many messages per write. Source: `distributed/batched.py`. Dask waits some
 * milliseconds between writes. Here a batch is sent at the end of the turn of the event loop, and messages
 * that arrive while it is written form the next batch.
 *
 * While a peer is slow, messages wait in encoded form, so that their bytes can be counted.
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

/** Maximum number of waiting messages, and of waiting bytes. A peer with more does not read. */
const QUEUED_MAX = 1 << 24;
const QUEUED_BYTES_MAX = 2 ** 30;
/**
 * Number of messages that wait unencoded while a batch is written; this many are encoded as the next batch.
 */
const BATCH_MESSAGES = 256;
/**
 * Maximum number of messages in one batch: receivers limit the size of a message (`message-values`), and a
 * turn can produce any number.
 */
const MOST_TOGETHER = 2000;

/** Options of a {@linkcode BatchedSend}. */
export interface BatchedSendOptions {
  /**
   * Maximum number of messages that wait unencoded; with one more the comm is aborted. Only links within a
   * process keep many messages unencoded. Default: 2^24.
   */
  readonly maxQueued?: number | undefined;
  /**
   * Maximum bytes that wait behind the batch that is being sent; with more the comm is aborted. Default:
   * 2^30.
   */
  readonly maxQueuedBytes?: number | undefined;
  /**
   * Counts the waiting bytes of several streams, and drops this stream if they are too many. Replaces
   * `maxQueuedBytes`.
   */
  readonly backlogs?: Backlogs | undefined;
  /** The comm was aborted because a batch could not be sent. Called once. Must not throw. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The writing half of a stream of `Message`s. Only this class writes to the comm; it does not read. */
export class BatchedSend<Message = unknown> implements AsyncDisposable {
  /** The comm that messages are sent to. */
  readonly comm: Comm;
  readonly #maxQueued: number;
  readonly #maxQueuedBytes: number;
  readonly #backlogs: Backlogs | undefined;
  readonly #host: string;
  readonly #onError: ((error: unknown) => void) | undefined;
  #queue: Message[] = [];
  #scheduled = false;
  /** Bytes of each batch that is being written, in order. */
  #writing: number[] = [];
  /** Sum of them without the first. */
  #behind = 0;
  /** Resolved when no message waits or is written. */
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

  /** Whether the stream has ended, so that nothing can be sent. */
  get closed(): boolean {
    return this.#failed || this.#closing !== undefined || this.comm.closed;
  }

  /** Number of messages that wait unencoded. */
  get queuedMessages(): number {
    return this.#queue.length;
  }

  /** Whether the backlog is so large that optional data should be left out. */
  get isBehind(): boolean { // hot: per batch
    return this.#backlogs?.isMuch(this.#behind) ?? false;
  }

  /** Bytes that the transport has not accepted yet. */
  get queuedBytes(): number {
    return this.comm.queuedBytes ?? 0;
  }

  /** Number of batches that were written or are being written. */
  get batches(): number {
    return this.#batches;
  }

  /**
   * Sends `message` with this turn's batch. The caller must not change it afterwards.
   *
   * @throws {CommClosed} If the stream has ended, or the backlog is too large. Messages that were sent
   * shortly before can be lost, too.
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

  /** Whether another batch can be encoded while one is being written. */
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

  /** Ends the stream at once because its peer does not read, and logs that. */
  drop(reason: string): CommClosed {
    const { peerAddress } = this.comm;
    const error = new CommClosed(peerAddress, `Stream to "${peerAddress}" dropped: ${reason}`);
    logger.warning(error.message);
    this.#fail(error);
    return error;
  }

  /**
   * Writes waiting messages, then closes the comm. Idempotent. Does not reject: a failed write is reported to
   * `onError`.
   *
   * @param signal Aborts the comm instead of waiting longer; a peer that does not read could delay the end
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

  /** Ends the stream at once; waiting messages are lost. Idempotent. */
  abort(): void {
    if (!this.#failed) {
      const { peerAddress } = this.comm;
      this.#end(new CommClosed(peerAddress, `Stream to "${peerAddress}" was aborted by this side`));
    }
    this.comm.abort();
  }

  /** Same as {@linkcode close}. */
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
