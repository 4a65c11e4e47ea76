/**
 * Peers that take nothing of what waits for them: each holds memory, and it may be for ever, as their kernels
 * go on saying that they are there.
 *
 * @module
 */

import type { Comm } from "../../comm/comm.ts";
import type { Clock } from "../../internal/clock.ts";

/** Looks per time-out. */
const LOOKS = 4;

/** What a comm had taken when it was first seen not to take more, and when that was, in milliseconds. */
interface Still {
  readonly sentBytes: number;
  readonly since: number;
}

/** Looks after comms that come and go. It has a timer only while there is one. */
export class StallWatch {
  readonly #timeoutMs: number;
  readonly #onStalled: (comm: Comm, queuedBytes: number) => void;
  readonly #comms = new Map<Comm, Still | undefined>();
  readonly #clock: Clock;
  /** Stops the looks. */
  #stop: (() => void) | undefined;

  /**
   * @param timeoutMs Milliseconds that a peer may take nothing.
   * @param onStalled Told of a comm whose peer took nothing for so long; it is looked after no more.
   * @param clock Time.
   */
  constructor(timeoutMs: number, onStalled: (comm: Comm, queuedBytes: number) => void, clock: Clock) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onStalled = onStalled;
  }

  /** Begins to look after a comm. */
  add(comm: Comm): void {
    if (comm.queuedBytes === undefined) return; // it is no link between processes
    this.#comms.set(comm, undefined);
    this.#stop ??= this.#clock.every(this.#timeoutMs / LOOKS, () => this.look(this.#clock.now()));
  }

  /** The comm ended. */
  delete(comm: Comm): void {
    this.#comms.delete(comm);
    if (this.#comms.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Looks at all comms at `now`, in milliseconds. */
  look(now: number): void {
    for (const [comm, still] of this.#comms) {
      const { queuedBytes = 0, sentBytes = 0 } = comm;
      if (queuedBytes === 0) {
        if (still !== undefined) this.#comms.set(comm, undefined);
      } else if (still?.sentBytes !== sentBytes) {
        this.#comms.set(comm, { sentBytes, since: now });
      } else if (now - still.since >= this.#timeoutMs) {
        this.delete(comm);
        this.#onStalled(comm, queuedBytes);
      }
    }
  }
}
