/**
 * A worker's link to its scheduler: the registration, then a stream of messages both ways, then the goodbye.
 *
 * @module
 */

import type { Comm } from "../comm/comm.ts";
import { assert } from "../internal/assert.ts";
import type { Clock } from "../internal/clock.ts";
import { orAborted } from "../internal/deadline.ts";
import { DistributedError } from "../internal/errors.ts";
import { type Address, MessageError } from "../messages/common.ts";
import type { RegisterWorker, RegisterWorkerReply } from "../messages/membership.ts";
import type { FieldsOf } from "../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import {
  parseWorkerCommand,
  type WorkerCommand,
  type WorkerStreamMessage,
} from "../messages/worker_scheduler.ts";
import { BatchedSend } from "../rpc/batched.ts";
import { call } from "../rpc/call.ts";
import { RpcError } from "../rpc/errors.ts";
import { handleStream } from "../rpc/stream.ts";

/** Milliseconds between signs of life on the stream (`Worker._setup_logging`, `keep-alive`). */
const KEEP_ALIVE_MS = 60_000;

/** The stream of a registered worker. */
export class SchedulerStream {
  readonly #comm: Comm;
  readonly #stream: BatchedSend<WorkerStreamMessage>;
  readonly #clock: Clock;
  #stopKeepAlive: (() => void) | undefined;

  /** Takes over a comm on which nothing was said yet. */
  constructor(comm: Comm, clock: Clock) {
    this.#comm = comm;
    this.#stream = new BatchedSend(comm);
    this.#clock = clock;
  }

  /**
   * Registers a worker. Nothing may be sent before.
   *
   * @throws {DistributedError} If the scheduler refuses it.
   */
  async register(
    registration: FieldsOf<RegisterWorker>,
    signal: AbortSignal | undefined,
  ): Promise<RegisterWorkerReply> {
    const comm = this.#comm;
    if (comm.peerInfo.javascript === undefined) {
      throw refused(comm, "it is a scheduler of Python, whose tasks this worker can't run");
    }
    const reply = await askToRegister(comm, registration, signal);
    if (reply.status !== "OK") throw refused(comm, reply.message ?? "it does not say why");
    this.#stopKeepAlive = this.#clock.every(KEEP_ALIVE_MS, () => this.send({ op: "keep-alive" }));
    return reply;
  }

  /** Address of the scheduler, as it was given. */
  get address(): Address {
    return this.#comm.peerAddress;
  }

  /** The comm. */
  get comm(): Comm {
    return this.#comm;
  }

  /**
   * Sends a message with this turn's batch. If the stream has ended it is dropped: the reading half tells of
   * the end.
   */
  send(message: WorkerStreamMessage): void { // hot: per task
    assert(this.#stopKeepAlive !== undefined, "A worker speaks to its scheduler before it is registered");
    if (!this.#stream.closed) this.#stream.send(message);
  }

  /**
   * Reads until the stream ends.
   *
   * @throws What `onCommands` throws, and {@linkcode MessageError} for a message that can't be read: the comm
   * was aborted.
   */
  async read(onCommands: (batch: readonly WorkerCommand[]) => void): Promise<void> {
    await handleStream(this.#comm, (messages) => onCommands(messages.map(parseWorkerCommand)));
  }

  /** Says that nothing more comes, and waits until all is written. */
  async end(signal: AbortSignal): Promise<void> {
    this.send({ op: "close-stream" });
    await orAborted(this.#stream.close(), signal);
  }

  /** Ends the link. Idempotent. */
  abort(): void {
    this.#stopKeepAlive?.();
    this.#comm.abort();
  }
}

async function askToRegister(
  comm: Comm,
  registration: FieldsOf<RegisterWorker>,
  signal: AbortSignal | undefined,
): Promise<RegisterWorkerReply> {
  try {
    return await call(comm, SCHEDULER_OPERATIONS["register-worker"], registration, signal);
  } catch (cause) {
    if (!(cause instanceof MessageError || cause instanceof RpcError)) throw cause;
    const why = `it is no scheduler, or does not take workers of this kind (${cause.message})`;
    throw refused(comm, why, { cause });
  }
}

function refused({ peerAddress }: Comm, why: string, options?: ErrorOptions): DistributedError {
  return new DistributedError("REGISTER", `Cannot register with "${peerAddress}": ${why}`, options);
}
