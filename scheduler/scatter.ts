/**
 * Stores values on workers for clients that can't reach them (`Scheduler.scatter`).
 *
 * @module
 */

import type { Address, ClientId, Key } from "../messages/common.ts";
import type { Scatter } from "../messages/results.ts";
import { WORKER_OPERATIONS } from "../messages/worker_operations.ts";
import type { ConnectionPool } from "../rpc/pool.ts";
import { copiesOf, scatterToWorkers, type Values } from "../rpc/scatter_to_workers.ts";

/** Values that were stored on workers. */
export interface Scattered {
  /** The client that wants them. */
  readonly client: ClientId;
  /** Holders by key. */
  readonly whoHas: Record<Key, Address[]>;
  /** Bytes by key. */
  readonly nbytes: Record<Key, number>;
}

/**
 * Stores the values of a request on `workers`, beginning with the worker at `turn`, each value on one or
 * several. Fails if a worker can't be reached. Gives up when `signal` is aborted.
 *
 * @param workers At least one.
 */
export async function scatter(
  { client, data, broadcast }: Scatter,
  workers: readonly Address[],
  pool: ConnectionPool,
  turn: number,
  signal: AbortSignal,
): Promise<Scattered> {
  const give = async (worker: Address, values: Values) => {
    await pool.call(worker, WORKER_OPERATIONS.update_data, { data: values }, signal);
    return true;
  };
  const whoHas = await scatterToWorkers(data, workers, copiesOf(broadcast, workers.length), turn, give);
  const nbytes = Object.entries(data).map(([key, value]) => [key, value.nbytes]);
  return { client, whoHas: Object.fromEntries(whoHas), nbytes: Object.fromEntries(nbytes) };
}
