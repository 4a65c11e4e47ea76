/**
 * Stores values on workers. Source: `scatter_to_workers` in `distributed/utils_comm.py`.
 *
 * @module
 */

import type { Address, Key } from "../messages/common.ts";
import type { Serialized } from "../protocol/serialized.ts";

/** Values by key. */
export type Values = Readonly<Record<string, Serialized>>;

/** Returns the number of workers that get each value: all, or the requested number, at least one. */
export function copiesOf(broadcast: boolean | number, workers: number): number {
  if (broadcast === true) return workers;
  return Math.min(Math.max(Math.floor(Number(broadcast)) || 1, 1), workers);
}

/**
 * Stores each value on `copies` of `workers`. The first key begins with the worker at `turn`, the next key
 * with the next worker. If a worker does not take a value, the next one is tried.
 *
 * @param give Sends values to a worker; resolves to whether it took them. If it throws, scattering ends.
 * @returns The workers that took each value.
 */
export async function scatterToWorkers(
  values: Values,
  workers: readonly Address[],
  copies: number,
  turn: number,
  give: (worker: Address, values: Values) => Promise<boolean>,
): Promise<Map<Key, Address[]>> {
  const whoHas = new Map(Object.keys(values).map((key): [Key, Address[]] => [key as Key, []]));
  /** Number of workers that were tried for each key. */
  const tried = new Map<Key, number>();
  for (;;) {
    const byWorker = new Map<Address, Key[]>();
    let first = turn;
    for (const [key, holders] of whoHas) {
      const from = tried.get(key) ?? 0;
      const to = Math.min(from + copies - holders.length, workers.length);
      tried.set(key, to);
      for (let i = from; i < to; i++) {
        const worker = workers[(first + i) % workers.length] as Address;
        const keys = byWorker.get(worker);
        if (keys === undefined) byWorker.set(worker, [key]);
        else keys.push(key);
      }
      first++;
    }
    if (byWorker.size === 0) return whoHas;
    await Promise.all(Array.from(byWorker, async ([worker, keys]) => {
      const taken = await give(worker, pick(values, keys));
      if (taken) { for (const key of keys) whoHas.get(key)?.push(worker); }
    }));
  }
}

function pick(values: Values, keys: readonly Key[]): Values {
  return Object.fromEntries(keys.map((key) => [key, values[key] as Serialized]));
}
