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
import { type Address, isRecord } from "../messages/common.ts";
import type { RegisterWorker, RegisterWorkerReply } from "../messages/rpc.ts";
import {
  parseWorkerCommand,
  type WorkerCommand,
  type WorkerStreamMessage,
} from "../messages/worker_scheduler.ts";
import { BatchedSend } from "../rpc/batched.ts";
import { handleStream } from "../rpc/stream.ts";

/** Milliseconds between signs of life on the stream (`Worker._setup_logging`, `keep-alive`). */
const KEEP_ALIVE_MS = 60_000;

/** The stream of a registered worker. */
export class SchedulerStream {
  readonly #comm: Comm;
  readonly #stream: BatchedSend;
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
    registration: Omit<RegisterWorker, "op" | "reply">,
    signal: AbortSignal | undefined,
  ): Promise<Partial<RegisterWorkerReply>> {
    const comm = this.#comm;
    if (comm.peerInfo.javascript === undefined) {
      throw refused(comm, "it is a scheduler of Python, whose tasks this worker can't run");
    }
    await comm.write({ op: "register-worker", reply: false, ...registration });
    const answer = await orAborted(comm.read(), signal);
    const reply = (isRecord(answer) ? answer : {}) as Partial<RegisterWorkerReply>;
    if (reply.status !== "OK") {
      throw refused(comm, reply.message ?? "it is no scheduler, or does not take workers of this kind");
    }
    this.#stopKeepAlive = this.#clock.every(KEEP_ALIVE_MS, () => this.send({ op: "keep-alive" }));
    return reply;
  }

  /** Address of the scheduler, as it was dialled. */
  get address(): Address {
    return this.#comm.peerAddress;
  }

  /** The comm. */
  get comm(): Comm {
    return this.#comm;
  }

  /** Sends a message with this turn's batch. If the stream has ended it is dropped: the reading half tells of the end. */
  send(message: WorkerStreamMessage): void { // hot: per task
    assert(this.#stopKeepAlive !== undefined, "A worker speaks to its scheduler before it is registered");
    if (!this.#stream.closed) this.#stream.send(message);
  }

  /**
   * Reads until the stream ends.
   *
   * @throws What `onCommands` throws, and {@linkcode MessageError} for a message that can't be read: the comm was aborted.
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

function refused({ peerAddress }: Comm, why: string): DistributedError {
  return new DistributedError("REGISTER", `Cannot register with "${peerAddress}": ${why}`);
}
