/**
 * Results by way of the scheduler, for clients that can't reach the workers (`Scheduler.gather`).
 *
 * @module
 */

import { type Clock, systemClock } from "../internal/clock.ts";
import { PeerLog } from "../comm/peer_log.ts";
import type { ConnectionPool } from "../rpc/pool.ts";
import { CommAuthError, CommClosed } from "../comm/errors.ts";
import { messageOf, TimeoutError } from "../internal/errors.ts";
import { getLogger } from "../config/logging.ts";
import type { Address, Key } from "../messages/common.ts";
import type { GatherReply } from "../messages/results.ts";
import { WORKER_OPERATIONS } from "../messages/worker_operations.ts";
import { Serialized } from "../protocol/serialized.ts";
import { SecurityError } from "../security/material/errors.ts";

const logger = getLogger("distributed.scheduler");
const unknown = new PeerLog((text) => logger.error(text));

/** Why a worker can't be asked, so that another holder is; an address in plain text may be forbidden. */
const UNREACHABLE = [CommClosed, CommAuthError, TimeoutError, SecurityError];
/** Milliseconds before a busy worker is asked again, at first. */
const BUSY_PAUSE_MS = 150;
/** The same, after many tries. */
const BUSY_PAUSE_MAX_MS = 2000;
/** Keys that a log line names. */
const KEYS_LOGGED = 10;

/** What a {@linkcode Gatherer} needs of its scheduler. */
export interface GatherHost {
  /** Reaches workers. */
  readonly pool: Pick<ConnectionPool, "call">;
  /** Who holds which key now; nobody holds one that is unknown. */
  holders(keys: readonly Key[]): ReadonlyMap<Key, readonly Address[]>;
  /** A worker was asked for keys that it should have, and has not. */
  onLacking(worker: Address, keys: readonly Key[]): void;
}

/** What came of asking one worker. */
type Got = Readonly<Record<string, unknown>> | "busy" | "unreachable";

/** Collects results from their holders. */
export class Gatherer {
  readonly #host: GatherHost;
  readonly #clock: Clock;
  /** Workers that could not be reached: said once. */
  readonly #unreachable = new Set<Address>();

  /** Asks nobody yet. */
  constructor(host: GatherHost, clock: Clock = systemClock) {
    this.#host = host;
    this.#clock = clock;
  }

  /** A worker is gone. */
  forget(worker: Address): void {
    this.#unreachable.delete(worker);
  }

  /**
   * Collects `keys` from their holders, other holders if one can't be reached. Busy ones are asked until they answer,
   * or until `signal` is aborted.
   */
  async gather(keys: readonly Key[], signal: AbortSignal): Promise<GatherReply> {
    const data: Record<string, Serialized> = {};
    const tried = new Set<Address>();
    const failed: Key[] = [];
    let missing: readonly Key[] = keys;
    let pause = BUSY_PAUSE_MS;
    let wasReached = true;
    while (missing.length > 0) {
      const byWorker = this.#assign(missing, tried, failed);
      const left: Key[] = [];
      let isBusy = false;
      await Promise.all(Array.from(byWorker, async ([worker, wanted]) => {
        const got = await this.#ask(worker, wanted, signal);
        if (got === "busy") {
          isBusy = true;
          left.push(...wanted);
          return;
        }
        if (got === "unreachable") wasReached = false;
        const lacking = got === "unreachable" ? wanted : take(got, wanted, data);
        if (lacking.length === 0) return;
        // It is not asked again: another holder is, or nobody is left.
        tried.add(worker);
        left.push(...lacking);
        if (got !== "unreachable") this.#host.onLacking(worker, lacking);
      }));
      missing = left;
      if (!isBusy) continue;
      await this.#clock.sleep(pause, signal);
      pause = Math.min(2 * pause, BUSY_PAUSE_MAX_MS);
    }
    if (failed.length === 0) return { status: "OK", data };
    const shown = failed.slice(0, KEYS_LOGGED).join(", ") + (failed.length > KEYS_LOGGED ? ", …" : "");
    // Clients ask on: why a worker can't be reached was said.
    if (wasReached) unknown.write("clients", `Couldn't gather keys: ${shown}`);
    else logger.debug(`Couldn't gather keys: ${shown}`);
    return { status: "error", keys: failed };
  }

  /** Whom to ask for what; keys that nobody is left for are added to `failed`. */
  #assign(keys: readonly Key[], tried: ReadonlySet<Address>, failed: Key[]): Map<Address, Key[]> {
    const byWorker = new Map<Address, Key[]>();
    for (const [key, addresses] of this.#host.holders(keys)) {
      const worker = addresses.find((address) => !tried.has(address));
      if (worker === undefined) {
        failed.push(key);
        continue;
      }
      const wanted = byWorker.get(worker);
      if (wanted === undefined) byWorker.set(worker, [key]);
      else wanted.push(key);
    }
    return byWorker;
  }

  async #ask(worker: Address, keys: readonly Key[], signal: AbortSignal): Promise<Got> {
    try {
      const reply = await this.#host.pool.call(
        worker,
        WORKER_OPERATIONS.get_data,
        { keys, who: null },
        signal,
      );
      this.#unreachable.delete(worker);
      return reply.status === "OK" ? reply.data : "busy";
    } catch (error) {
      if (signal.aborted || !UNREACHABLE.some((kind) => error instanceof kind)) throw error;
      if (!this.#unreachable.has(worker)) {
        this.#unreachable.add(worker);
        logger.warning(`Cannot gather from ${worker}: ${messageOf(error)}`);
      }
      return "unreachable";
    }
  }
}

/** Moves what came to `data`; returns what did not. */
function take(
  got: Readonly<Record<string, unknown>>,
  wanted: readonly Key[],
  data: Record<string, Serialized>,
): Key[] {
  return wanted.filter((key) => {
    const value = Object.hasOwn(got, key) ? got[key] : undefined;
    if (!(value instanceof Serialized)) return true;
    data[key] = value;
    return false;
  });
}
