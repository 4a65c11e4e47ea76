/**
 * Collects results from the workers that hold them. Source: `gather_from_workers` in
 * `distributed/utils_comm.py`, and `get_data_from_worker` in `distributed/worker.py`.
 *
 * @module
 */

import type { Platform } from "../comm/platform.ts";
import type { Address, Key } from "../messages/common.ts";
import type { GetDataReply } from "../messages/results.ts";
import { Serialized } from "../protocol/serialized.ts";

/** Milliseconds until a busy worker is asked again: the first and the longest wait. */
const BUSY_MS = 150;
const BUSY_MAX_MS = 2000;

/** Results of a worker, by key. */
export type Results = Readonly<Record<string, unknown>>;

/** What {@linkcode gatherFromWorkers} needs from its caller. */
export interface GatherSource {
  /**
   * Returns the workers that hold each key now, the best first; an empty list for an unknown key. Called
   * before each round.
   */
  holders(keys: readonly Key[]): ReadonlyMap<Key, readonly Address[]>;
  /**
   * Asks a worker for results; resolves to undefined if it can't be reached. If it throws, gathering ends.
   */
  ask(worker: Address, keys: readonly Key[], signal: AbortSignal): Promise<Results | undefined>;
  /** Called when a worker lacks keys that it should hold. */
  onLacking?(worker: Address, keys: readonly Key[]): void;
}

/** Result of {@linkcode gatherFromWorkers}. */
export interface Gathered {
  /** Results by key. */
  readonly data: ReadonlyMap<Key, Serialized>;
  /** Keys that no holder gave. */
  readonly missing: readonly Key[];
}

/**
 * Collects `keys` from their holders, with one request per worker for all of its keys. If a worker does not
 * give a key, the key's next holder is asked. A worker that failed is not asked again.
 */
export async function gatherFromWorkers(
  keys: readonly Key[],
  source: GatherSource,
  signal: AbortSignal | undefined,
): Promise<Gathered> {
  const data = new Map<Key, Serialized>();
  const missing: Key[] = [];
  const failed = new Set<Address>();
  let wanted = keys;
  while (wanted.length > 0) {
    const byWorker = assign(source.holders(wanted), failed, missing);
    const left = await allOrNone(byWorker, signal, async (worker, asked, given) => {
      const got = await source.ask(worker, asked, given);
      const lacking = got === undefined ? asked : take(got, asked, data);
      if (lacking.length === 0) return lacking;
      failed.add(worker);
      if (got !== undefined) source.onLacking?.(worker, lacking);
      return lacking;
    });
    wanted = left.flat();
  }
  return { data, missing };
}

/**
 * Returns a worker's results. A busy worker is asked again after growing waits, until `signal` is aborted.
 */
export async function untilFree(
  ask: () => Promise<GetDataReply>,
  { clock, ids }: Pick<Platform, "clock" | "ids">,
  signal: AbortSignal,
): Promise<Results> {
  for (let pause = BUSY_MS;; pause = Math.min(2 * pause, BUSY_MAX_MS)) {
    const reply = await ask();
    if (reply.status === "OK") return reply.data;
    await clock.sleep(pause * (0.75 + ids.random() / 2), signal);
  }
}

/**
 * Assigns keys to the workers that are asked for them. Keys without a remaining holder are added to
 * `missing`.
 */
function assign(
  holders: ReadonlyMap<Key, readonly Address[]>,
  failed: ReadonlySet<Address>,
  missing: Key[],
): Map<Address, Key[]> {
  const byWorker = new Map<Address, Key[]>();
  for (const [key, addresses] of holders) {
    const worker = addresses.find((address) => !failed.has(address));
    if (worker === undefined) {
      missing.push(key);
      continue;
    }
    const wanted = byWorker.get(worker);
    if (wanted === undefined) byWorker.set(worker, [key]);
    else wanted.push(key);
  }
  return byWorker;
}

/** Asks all workers at once. If one request throws, the others are cancelled, and awaited. */
async function allOrNone<T>(
  byWorker: ReadonlyMap<Address, readonly Key[]>,
  signal: AbortSignal | undefined,
  ask: (worker: Address, keys: readonly Key[], signal: AbortSignal) => Promise<T>,
): Promise<T[]> {
  const over = new AbortController();
  const given = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const asked = Array.from(byWorker, ([worker, keys]) => ask(worker, keys, given));
  try {
    return await Promise.all(asked);
  } catch (error) {
    over.abort(error);
    await Promise.allSettled(asked);
    throw error;
  }
}

/** Moves received results to `data`. Returns the keys that are missing. */
function take(got: Results, asked: readonly Key[], data: Map<Key, Serialized>): Key[] {
  return asked.filter((key) => {
    const value = Object.hasOwn(got, key) ? got[key] : undefined;
    if (!(value instanceof Serialized)) return true;
    data.set(key, value);
    return false;
  });
}
