/**
 * Results by way of the scheduler, for clients that can't reach the workers (`Scheduler.gather`).
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

/** Why a worker can't be asked, so that another holder is; an address in plain text may be forbidden. */
const UNREACHABLE = [CommClosed, CommAuthError, TimeoutError, SecurityError];
/** Keys that a log line names. */
const KEYS_LOGGED = 10;

/** What a {@linkcode Gatherer} needs of its scheduler. */
export interface GatherHost {
  /** Reaches workers. */
  readonly pool: Pick<ConnectionPool, "call">;
  /** Addresses of the workers that hold each key now; none for an unknown key. */
  holders(keys: readonly Key[]): ReadonlyMap<Key, readonly Address[]>;
  /** A worker was asked for keys that it should have, and has not. */
  onLacking(worker: Address, keys: readonly Key[]): void;
}

/** Collects results from their holders. */
export class Gatherer {
  readonly #host: GatherHost;
  readonly #platform: Pick<Platform, "clock" | "ids">;
  /** Workers that could not be reached: said once. */
  readonly #unreachable = new Set<Address>();

  /** Makes one that has asked nothing. */
  constructor(host: GatherHost, platform: Pick<Platform, "clock" | "ids"> = systemPlatform) {
    this.#host = host;
    this.#platform = platform;
  }

  /** A worker is gone. */
  forget(worker: Address): void {
    this.#unreachable.delete(worker);
  }

  /**
   * Collects `keys` from their holders, other holders if one can't be reached. Busy ones are asked until they
   * answer, or until `signal` is aborted.
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
    // Clients ask on: why a worker can't be reached was said.
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
