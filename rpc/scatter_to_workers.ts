/**
 * Values to the workers that are to hold them. Source: `scatter_to_workers` in `distributed/utils_comm.py`.
 *
 * @module
 */

import type { Address, Key } from "../messages/common.ts";
import type { Serialized } from "../protocol/serialized.ts";

/** Values by key. */
export type Values = Readonly<Record<string, Serialized>>;

/** Number of workers that get a value: all, or the number that is asked for, at least one. */
export function copiesOf(broadcast: boolean | number, workers: number): number {
  if (broadcast === true) return workers;
  return Math.min(Math.max(Math.floor(Number(broadcast)) || 1, 1), workers);
}

/**
 * Gives each value to `copies` of `workers`. The first key begins with the worker at `turn`, the next key
 * with the next worker. In the place of a worker that did not take a value the next one is tried.
 *
 * @param give Gives values to a worker; whether it took them. What it throws ends the scattering.
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
  /** How many workers have been tried for each key. */
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
