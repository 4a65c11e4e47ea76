/**
 * Signs of life of a worker: requests to its scheduler, one after the other.
 *
 * @module
 */

import { getLogger } from "../config/logging.ts";
import { type Clock, TIMER_MAX_MS } from "../internal/clock.ts";
import { messageOf } from "../internal/errors.ts";
import type { Scope } from "../internal/scope.ts";
import type { HeartbeatWorkerReply } from "../messages/membership.ts";

const logger = getLogger("distributed.worker");

/** Seconds between heartbeats until the scheduler says otherwise. */
const FIRST_HEARTBEAT = 1;

/** What {@linkcode Heartbeats} are made with. */
export interface HeartbeatsParts {
  /** Time. */
  readonly clock: Clock;
  /** Owns the requests. */
  readonly scope: Scope;
  /** Sends one. */
  readonly send: (signal: AbortSignal) => Promise<HeartbeatWorkerReply>;
  /** The scheduler does not know the worker. */
  readonly onUnknown: () => void;
}

/** Sends a heartbeat when the time since the answer to the last one is over. */
export class Heartbeats {
  readonly #parts: HeartbeatsParts;
  #seconds = FIRST_HEARTBEAT;
  #cancelTimer: (() => void) | undefined;
  #isStopped = false;

  /** Sends none before {@linkcode Heartbeats.start}. */
  constructor(parts: HeartbeatsParts) {
    this.#parts = parts;
  }

  /** Begins. `seconds` between two, as the scheduler wants it. */
  start(seconds: number = FIRST_HEARTBEAT): void {
    this.#seconds = seconds;
    this.#schedule();
  }

  /** Sends no more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const { clock, scope } = this.#parts;
    this.#cancelTimer = clock.timer(Math.min(this.#seconds * 1000, TIMER_MAX_MS), () => {
      scope.add(async (signal) => {
        await this.#beat(signal);
        this.#schedule();
      });
    });
  }

  async #beat(signal: AbortSignal): Promise<void> {
    try {
      const reply = await this.#parts.send(signal);
      if (reply.status === "missing") this.#parts.onUnknown();
      else this.#seconds = reply["heartbeat-interval"] ?? this.#seconds;
    } catch (error) {
      if (signal.aborted) return;
      logger.warning(`Heartbeat failed: ${messageOf(error)}`); // the stream tells if the scheduler is gone
    }
  }
}
