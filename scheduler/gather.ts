/**
 * Results by way of the scheduler, for clients that can't reach the workers (`Scheduler.gather`).
 *
 * @module
 */

import type { ConnectionPool } from "../comm/pool.ts";
import { CommAuthError, CommClosed, messageOf, TimeoutError } from "../comm/errors.ts";
import { getLogger } from "../config/logging.ts";
import type { Address, Key } from "../messages/common.ts";
import type { GatherReply } from "../messages/rpc.ts";
import { Serialized } from "../protocol/serialized.ts";
import { SecurityError } from "../security/errors.ts";

const logger = getLogger("distributed.scheduler");

/** Why a worker can't be asked, so that another holder is; an address in plain text may be forbidden. */
const UNREACHABLE = [CommClosed, CommAuthError, TimeoutError, SecurityError];

/**
 * Collects `keys` from their holders, other holders if one can't be reached.
 *
 * @param holders Who holds which key now; nobody holds one that is unknown.
 */
export async function gatherFromWorkers(
  keys: readonly Key[],
  holders: (keys: readonly Key[]) => ReadonlyMap<Key, readonly Address[]>,
  pool: ConnectionPool,
): Promise<GatherReply> {
  const data: Record<string, Serialized> = {};
  const unreachable = new Set<Address>();
  const failed: Key[] = [];
  let missing = new Set(keys);
  while (missing.size > 0) {
    const byWorker = new Map<Address, Key[]>();
    for (const [key, addresses] of holders([...missing])) {
      const worker = addresses.find((address) => !unreachable.has(address));
      if (worker === undefined) failed.push(key);
      else byWorker.set(worker, [...byWorker.get(worker) ?? [], key]);
    }
    missing = new Set();
    await Promise.all(Array.from(byWorker, async ([worker, wanted]) => {
      const got = await getData(worker, wanted, pool);
      for (const key of wanted) {
        const value = Object.hasOwn(got, key) ? got[key] : undefined;
        if (value instanceof Serialized) data[key] = value;
        else missing.add(key);
      }
      // Who lacks one key is not asked again: another holder is, or nobody is left.
      if (wanted.some((key) => missing.has(key))) unreachable.add(worker);
    }));
  }
  if (failed.length === 0) return { status: "OK", data };
  logger.error(`Couldn't gather keys: ${failed.slice(0, 10).join(", ")}${failed.length > 10 ? ", …" : ""}`);
  return { status: "error", keys: failed };
}

async function getData(
  worker: Address,
  keys: readonly Key[],
  pool: ConnectionPool,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    const reply = await pool.call(worker, { op: "get_data", keys, who: null });
    return reply.status === "OK" ? reply.data : {};
  } catch (error) {
    if (UNREACHABLE.some((kind) => error instanceof kind)) {
      logger.warning(`Cannot gather from ${worker}: ${messageOf(error)}`);
      return {};
    }
    throw error;
  }
}
