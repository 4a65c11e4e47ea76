/**
 * Finds peers that read nothing although data waits for them. Their data would stay in memory for ever,
 * because their kernels keep the connection alive.
 *
 * @module
 */

import type { Comm } from "../../comm/comm.ts";
import type { Clock } from "../../internal/clock.ts";

/** Number of checks per time-out. */
const LOOKS = 4;

/**
 * Progress of a comm that has stopped: bytes taken so far, and the time of the first check that saw it, in
 * milliseconds.
 */
interface Still {
  readonly sentBytes: number;
  readonly since: number;
}

/** Watches comms for peers that do not read. It has a timer only while there are comms. */
export class StallWatch {
  readonly #timeoutMs: number;
  readonly #onStalled: (comm: Comm, queuedBytes: number) => void;
  readonly #comms = new Map<Comm, Still | undefined>();
  readonly #clock: Clock;
  /** Stops the timer. */
  #stop: (() => void) | undefined;

  /**
   * @param timeoutMs Milliseconds for which a peer may read nothing.
   * @param onStalled Called with a comm whose peer read nothing for that time; the comm is no longer watched.
   * @param clock Time.
   */
  constructor(timeoutMs: number, onStalled: (comm: Comm, queuedBytes: number) => void, clock: Clock) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onStalled = onStalled;
  }

  /** Begins to watch a comm. */
  add(comm: Comm): void {
    if (comm.queuedBytes === undefined) return; // not a link between processes
    this.#comms.set(comm, undefined);
    this.#stop ??= this.#clock.every(this.#timeoutMs / LOOKS, () => this.look(this.#clock.now()));
  }

  /** Stops watching a comm, which has ended. */
  delete(comm: Comm): void {
    this.#comms.delete(comm);
    if (this.#comms.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Checks all comms at `now`, in milliseconds. */
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
