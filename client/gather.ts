/**
 * Brings results from the workers that hold them: one request per worker for all of its keys, and the scheduler
 * in between where a worker can't be reached.
 *
 * @module
 */

import type { ConnectionPool, DialLimits } from "../comm/pool.ts";
import { CommClosed, CommTimeoutError } from "../comm/errors.ts";
import { getLogger } from "../config/logging.ts";
import type { Address, Key } from "../messages/common.ts";
import { Serialized } from "../protocol/serialized.ts";
import { deserializeFrame, deserializeValue } from "../protocol/values.ts";
import { isolated, sharesMemory } from "./isolate.ts";
import type { KeyState } from "./state/client_state.ts";

const logger = getLogger("distributed.client");

/** To reach a worker. The scheduler can give its results, too, and knows others that hold them. */
const DIAL: DialLimits = { timeout: 2000, tries: 1 };
/** Milliseconds that a worker which could not be reached is not tried. */
const UNREACHABLE_MS = 60_000;

/** Results that were brought here, still as frames. */
export type Fetched = Map<KeyState, Serialized>;

/** Fetches results as frames. */
export class Gatherer {
  #pool: ConnectionPool;
  #scheduler: Address;
  #sharesMemory: boolean;
  /** Workers that could not be reached, and until when they are not tried. */
  #unreachable = new Map<Address, number>();

  constructor(pool: ConnectionPool, scheduler: Address) {
    this.#pool = pool;
    this.#scheduler = scheduler;
    this.#sharesMemory = sharesMemory(scheduler);
  }

  /** Brings the results of finished tasks into `fetched`; returns those that nobody gave. */
  async fetch(
    states: readonly KeyState[],
    fetched: Fetched,
    signal: AbortSignal | undefined,
  ): Promise<KeyState[]> {
    const wanted = new Map<Key, KeyState>();
    const byWorker = new Map<Address, Key[]>();
    for (const state of states) {
      if (state.result !== undefined || wanted.has(state.key)) continue; // hot: came along
      if (fetched.has(state)) continue;
      wanted.set(state.key, state);
      const worker = state.workers[0];
      if (worker === undefined || this.#isUnreachable(worker)) continue;
      const keys = byWorker.get(worker);
      if (keys === undefined) byWorker.set(worker, [state.key]);
      else keys.push(state.key);
    }
    if (wanted.size === 0) return [];
    await Promise.all(
      Array.from(byWorker, ([worker, keys]) => this.#fromWorker(worker, keys, wanted, fetched, signal)),
    );
    const missing: KeyState[] = [];
    while (wanted.size > 0) missing.push(...await this.#fromScheduler(wanted, fetched, signal));
    return missing;
  }

  #isUnreachable(worker: Address): boolean {
    const until = this.#unreachable.get(worker);
    if (until === undefined) return false;
    if (performance.now() < until) return true;
    this.#unreachable.delete(worker);
    return false;
  }

  async #fromWorker(
    worker: Address,
    keys: readonly Key[],
    wanted: Map<Key, KeyState>,
    fetched: Fetched,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      const reply = await this.#pool.call(worker, { op: "get_data", keys, who: null }, signal, DIAL);
      if (reply.status === "OK") this.#keep(reply.data, wanted, fetched);
    } catch (error) {
      if (error instanceof CommTimeoutError) {
        this.#unreachable.set(worker, performance.now() + UNREACHABLE_MS);
      } else if (!(error instanceof CommClosed)) {
        throw error;
      }
      logger.debug(`Cannot fetch from ${worker}, asking the scheduler: ${error.message}`);
    }
  }

  /** Takes at least one key out of `wanted`; returns those that nobody gave. */
  async #fromScheduler(
    wanted: Map<Key, KeyState>,
    fetched: Fetched,
    signal: AbortSignal | undefined,
  ): Promise<KeyState[]> {
    const keys = [...wanted.keys()];
    const reply = await this.#pool.call(this.#scheduler, { op: "gather", keys }, signal);
    if (reply.status === "OK") this.#keep(reply.data, wanted, fetched);
    const failed = reply.status === "OK" ? keys : reply.keys;
    const missing: KeyState[] = [];
    for (const key of failed.some((name) => wanted.has(name)) ? failed : keys) {
      const state = wanted.get(key);
      if (state === undefined) continue;
      wanted.delete(key);
      missing.push(state);
    }
    return missing;
  }

  #keep(
    data: Readonly<Record<string, Serialized>>,
    wanted: Map<Key, KeyState>,
    fetched: Fetched,
  ): void {
    for (const key of Object.keys(data) as Key[]) {
      const state = wanted.get(key);
      const value = data[key];
      if (state === undefined || !(value instanceof Serialized)) continue;
      fetched.set(state, this.#sharesMemory ? isolated(value) : value);
      wanted.delete(key);
    }
  }
}

/** The value of a finished task whose result is here. Each call makes a new one. */
export function valueOf(state: KeyState, fetched: Fetched): unknown {
  if (state.result !== undefined) return deserializeFrame(state.result);
  const serialized = fetched.get(state);
  if (serialized === undefined) throw new Error(`The result of "${state.key}" is not here`);
  return deserializeValue(serialized);
}
