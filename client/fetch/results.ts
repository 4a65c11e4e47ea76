/**
 * Fetches results from the workers that hold them, with one request per worker for all of its keys. If a
 * worker can't be reached, the scheduler fetches its results.
 *
 * @module
 */

import type { Platform } from "../../comm/platform.ts";
import { CommClosed, CommTimeoutError } from "../../comm/errors.ts";
import { gatherFromWorkers, type Results, untilFree } from "../../rpc/gather_from_workers.ts";
import type { ConnectionPool, DialLimits } from "../../rpc/pool.ts";
import { looksRefused } from "../../comm/retry.ts";
import { getLogger } from "../../config/logging.ts";
import type { Address, Key } from "../../messages/common.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../../messages/worker_operations.ts";
import type { GetDataReply } from "../../messages/results.ts";
import { Serialized } from "../../protocol/serialized.ts";
import { deserializeFrame, deserializeValue } from "../../protocol/values.ts";
import { isolated, sharesMemory } from "../submit/isolate.ts";
import { whilePresent } from "./presence.ts";
import type { KeyState } from "../state/key_state.ts";

const logger = getLogger("distributed.client");

/**
 * Limits for dialling a worker. They are low, because the scheduler can fetch the results instead, and knows
 * other holders.
 */
const DIAL: DialLimits = { timeout: 2000, tries: 1 };
/** Milliseconds for which an unreachable worker is not tried again. */
const UNREACHABLE_MS = 60_000;
/** Maximum number of keys in a check whether a worker still holds results. */
const LOOKED_UP_MAX = 100;

/** Fetched results, still serialized. */
export type Fetched = Map<KeyState, Serialized>;

/** Fetches results in serialized form. */
export class ResultFetcher {
  #pool: Pick<ConnectionPool, "call">;
  #platform: Pick<Platform, "clock" | "ids">;
  #scheduler: Address;
  #sharesMemory: boolean;
  /** Unreachable workers, with the time until which they are not tried again. */
  #unreachable = new Map<Address, number>();
  /** Why workers did not answer the last time, by address. */
  #failures = new Map<Address, string>();

  constructor(
    pool: Pick<ConnectionPool, "call">,
    scheduler: Address,
    platform: Pick<Platform, "clock" | "ids">,
  ) {
    this.#platform = platform;
    this.#pool = pool;
    this.#scheduler = scheduler;
    this.#sharesMemory = sharesMemory(scheduler);
  }

  /** Adds the results of finished tasks to `fetched`. Returns the tasks whose results no holder gave. */
  async fetch(
    states: readonly KeyState[],
    fetched: Fetched,
    signal: AbortSignal | undefined,
  ): Promise<KeyState[]> {
    const wanted = new Map<Key, KeyState>();
    const holders = new Map<Key, Address[]>();
    for (const state of states) {
      if (state.result !== undefined || wanted.has(state.key)) continue; // hot: came along
      if (fetched.has(state)) continue;
      wanted.set(state.key, state);
      // One holder is enough: the scheduler knows the others, and whether they can be reached.
      const worker = state.workers.find((address) => !this.#isUnreachable(address));
      if (worker !== undefined) holders.set(state.key, [worker]);
    }
    if (wanted.size === 0) return [];
    const { data } = await gatherFromWorkers([...holders.keys()], {
      holders: (keys) => new Map(keys.map((key) => [key, holders.get(key) ?? []])),
      ask: (worker, keys, given) => this.#fromWorker(worker, keys, given),
    }, signal);
    this.#keep(data, wanted, fetched);
    const missing: KeyState[] = [];
    while (wanted.size > 0) missing.push(...await this.#fromScheduler(wanted, fetched, signal));
    return missing;
  }

  /** Why a worker did not answer the last time. */
  failureOf(worker: Address): string | undefined {
    return this.#failures.get(worker);
  }

  #isUnreachable(worker: Address): boolean {
    const until = this.#unreachable.get(worker);
    if (until === undefined) return false;
    if (this.#platform.clock.now() < until) return true;
    this.#unreachable.delete(worker);
    return false;
  }

  async #fromWorker(
    worker: Address,
    keys: readonly Key[],
    signal: AbortSignal,
  ): Promise<Results | undefined> {
    try {
      const results = await whilePresent(
        (given) => untilFree(() => this.#ask(worker, keys, given), this.#platform, given),
        (given) => this.#look(worker, keys, given),
        signal,
        this.#platform.clock,
      );
      this.#failures.delete(worker);
      return results;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof CommTimeoutError) {
        this.#unreachable.set(worker, this.#platform.clock.now() + UNREACHABLE_MS);
      } else if (!(error instanceof CommClosed)) {
        throw error;
      }
      // A refused certificate stays refused until it is replaced, so all results take the detour until then.
      const isNews = looksRefused(error) && this.#failures.get(worker) !== error.message;
      this.#failures.set(worker, error.message);
      logger[isNews ? "warning" : "debug"](
        `Cannot fetch from ${worker}, asking the scheduler: ${error.message}`,
      );
      return undefined;
    }
  }

  #ask(worker: Address, keys: readonly Key[], signal: AbortSignal): Promise<GetDataReply> {
    return this.#pool.call(worker, WORKER_OPERATIONS.get_data, { keys, who: null }, signal, DIAL);
  }

  /** Returns why waiting for a worker is useless; undefined if it is not. */
  async #look(worker: Address, keys: readonly Key[], signal: AbortSignal): Promise<Error | undefined> {
    const some = keys.slice(0, LOOKED_UP_MAX);
    const holders = await this.#pool.call(
      this.#scheduler,
      SCHEDULER_OPERATIONS.who_has,
      { keys: some },
      signal,
    );
    if (some.some((key) => holders[key]?.includes(worker) === true)) return undefined;
    return new CommClosed(worker, `"${worker}" no longer holds "${some[0]}"`);
  }

  /** Takes at least one key out of `wanted`. Returns the tasks whose results no holder gave. */
  async #fromScheduler(
    wanted: Map<Key, KeyState>,
    fetched: Fetched,
    signal: AbortSignal | undefined,
  ): Promise<KeyState[]> {
    const keys = [...wanted.keys()];
    const reply = await this.#pool.call(this.#scheduler, SCHEDULER_OPERATIONS.gather, { keys }, signal);
    if (reply.status === "OK") this.#keep(Object.entries(reply.data) as [Key, unknown][], wanted, fetched);
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

  #keep(results: Iterable<[Key, unknown]>, wanted: Map<Key, KeyState>, fetched: Fetched): void {
    for (const [key, value] of results) {
      const state = wanted.get(key);
      if (state === undefined || !(value instanceof Serialized)) continue;
      fetched.set(state, this.#sharesMemory ? isolated(value) : value);
      wanted.delete(key);
    }
  }
}

/** Whether all results were fetched. */
export function areHere(states: readonly KeyState[], fetched: Fetched): boolean {
  return states.every((state) => state.result !== undefined || fetched.has(state));
}

/** Deserializes the fetched results of tasks. A task that occurs twice gets two separate values. */
export function valuesOf(states: readonly KeyState[], fetched: Fetched): unknown[] {
  const lastUse = new Map<KeyState, number>();
  for (let i = 0; i < states.length; i++) lastUse.set(states[i] as KeyState, i);
  return states.map((state, i) => {
    if (state.result !== undefined) return deserializeFrame(state.result);
    const serialized = fetched.get(state);
    if (serialized === undefined) throw new Error(`The result of "${state.key}" is not here`);
    return deserializeValue(lastUse.get(state) === i ? serialized : isolated(serialized));
  });
}
