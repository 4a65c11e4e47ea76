/**
 * Collects results for clients that can't reach the workers (`Scheduler.gather`).
 *
 * @module
 */

import { type Platform, systemPlatform } from "../comm/platform.ts";
import { PeerLog } from "../comm/peer_log.ts";
import { gatherFromWorkers, type Results, untilFree } from "../rpc/gather_from_workers.ts";
import type { ConnectionPool } from "../rpc/pool.ts";
import { CommAuthError, CommClosed } from "../comm/errors.ts";
import { messageOf, TimeoutError } from "../internal/errors.ts";
import { getLogger } from "../config/logging.ts";
import type { Address, Key } from "../messages/common.ts";
import type { GatherReply } from "../messages/results.ts";
import { WORKER_OPERATIONS } from "../messages/worker_operations.ts";
import { SecurityError } from "../security/material/errors.ts";

const logger = getLogger("distributed.scheduler");
const unknown = new PeerLog((text) => logger.error(text));

/**
 * Errors after which another holder is asked. `SecurityError`: the address needs plain text, which is
 * forbidden.
 */
const UNREACHABLE = [CommClosed, CommAuthError, TimeoutError, SecurityError];
/** Maximum number of keys in a log line. */
const KEYS_LOGGED = 10;

/** What a {@linkcode Gatherer} needs from its scheduler. */
export interface GatherHost {
  /** Connections to workers. */
  readonly pool: Pick<ConnectionPool, "call">;
  /** Returns the addresses of the workers that hold each key now; an empty list for an unknown key. */
  holders(keys: readonly Key[]): ReadonlyMap<Key, readonly Address[]>;
  /** Called when a worker lacks keys that it should hold. */
  onLacking(worker: Address, keys: readonly Key[]): void;
}

/** Collects results from their holders. */
export class Gatherer {
  readonly #host: GatherHost;
  readonly #platform: Pick<Platform, "clock" | "ids">;
  /** Unreachable workers that were logged, so that each is logged once. */
  readonly #unreachable = new Set<Address>();

  constructor(host: GatherHost, platform: Pick<Platform, "clock" | "ids"> = systemPlatform) {
    this.#host = host;
    this.#platform = platform;
  }

  /** Forgets a worker that left. */
  forget(worker: Address): void {
    this.#unreachable.delete(worker);
  }

  /**
   * Collects `keys` from their holders. If a holder can't be reached, the next one is asked. A busy holder is
   * asked again until it answers or `signal` is aborted.
   */
  async gather(keys: readonly Key[], signal: AbortSignal): Promise<GatherReply> {
    let wasReached = true;
    const { data, missing } = await gatherFromWorkers(keys, {
      holders: (wanted) => this.#host.holders(wanted),
      ask: async (worker, wanted, given) => {
        const got = await this.#ask(worker, wanted, given);
        if (got === undefined) wasReached = false;
        return got;
      },
      onLacking: (worker, lacking) => this.#host.onLacking(worker, lacking),
    }, signal);
    if (missing.length === 0) return { status: "OK", data: Object.fromEntries(data) };
    const shown = missing.slice(0, KEYS_LOGGED).join(", ") + (missing.length > KEYS_LOGGED ? ", …" : "");
    // Clients repeat the request; the reason was logged the first time.
    if (wasReached) unknown.write("clients", `Couldn't gather keys: ${shown}`);
    else logger.debug(`Couldn't gather keys: ${shown}`);
    return { status: "error", keys: missing };
  }

  async #ask(worker: Address, keys: readonly Key[], signal: AbortSignal): Promise<Results | undefined> {
    try {
      const ask = () => this.#host.pool.call(worker, WORKER_OPERATIONS.get_data, { keys, who: null }, signal);
      const got = await untilFree(ask, this.#platform, signal);
      this.#unreachable.delete(worker);
      return got;
    } catch (error) {
      if (signal.aborted || !UNREACHABLE.some((kind) => error instanceof kind)) throw error;
      if (!this.#unreachable.has(worker)) {
        this.#unreachable.add(worker);
        logger.warning(`Cannot gather from ${worker}: ${messageOf(error)}`);
      }
      return undefined;
    }
  }
}
