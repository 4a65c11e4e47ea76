/**
 * Values by way of the scheduler, for clients that can't reach the workers (`Scheduler.scatter`).
 *
 * @module
 */

import type { ConnectionPool } from "../rpc/pool.ts";
import type { Address, ClientId, Key } from "../messages/common.ts";
import type { Scatter } from "../messages/results.ts";
import { WORKER_OPERATIONS } from "../messages/worker_operations.ts";
import type { Serialized } from "../protocol/serialized.ts";

/** Values that are on workers now. */
export interface Scattered {
  /** Who wants them. */
  readonly client: ClientId;
  /** Holders by key. */
  readonly whoHas: Record<Key, Address[]>;
  /** Bytes by key. */
  readonly nbytes: Record<Key, number>;
}

/**
 * Gives the values of a request to `workers`, in turn beginning with `turn`, or to several of them. Gives up when `signal`
 * is aborted.
 *
 * @param workers At least one.
 */
export async function scatterToWorkers(
  request: Scatter,
  workers: readonly Address[],
  pool: ConnectionPool,
  turn: number,
  signal: AbortSignal,
): Promise<Scattered> {
  const { client } = request;
  const copies = copiesOf(request.broadcast, workers.length);
  const whoHas: Record<Key, Address[]> = Object.create(null);
  const nbytes: Record<Key, number> = Object.create(null);
  const byWorker = new Map<Address, Record<string, Serialized>>();
  Object.entries(request.data).forEach(([name, value], i) => {
    const key = name as Key;
    nbytes[key] = value.nbytes;
    whoHas[key] = [];
    for (let copy = 0; copy < copies; copy++) {
      const worker = workers[(turn + i + copy) % workers.length] as Address;
      whoHas[key].push(worker);
      const values = byWorker.get(worker) ?? Object.create(null) as Record<string, Serialized>;
      values[key] = value;
      byWorker.set(worker, values);
    }
  });
  await Promise.all(
    Array.from(
      byWorker,
      ([worker, values]) => pool.call(worker, WORKER_OPERATIONS.update_data, { data: values }, signal),
    ),
  );
  return { client, whoHas, nbytes };
}

function copiesOf(broadcast: boolean | number, workers: number): number {
  if (broadcast === true) return workers;
  return broadcast !== false && broadcast >= 1 ? Math.min(Math.floor(broadcast), workers) : 1;
}
