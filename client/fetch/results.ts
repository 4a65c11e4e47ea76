/**
 * Brings results from the workers that hold them: one request per worker for all of its keys, and the
 * scheduler in between where a worker can't be reached.
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

/** To reach a worker. The scheduler can give its results, too, and knows others that hold them. */
const DIAL: DialLimits = { timeout: 2000, tries: 1 };
/** Milliseconds that a worker which could not be reached is not tried. */
const UNREACHABLE_MS = 60_000;
/** Keys that are looked up to see whether a worker still holds what it was asked for. */
const LOOKED_UP_MAX = 100;

/** Results that were brought here, still as frames. */
export type Fetched = Map<KeyState, Serialized>;

/** Fetches results as frames. */
export class ResultFetcher {
  #pool: Pick<ConnectionPool, "call">;
  #platform: Pick<Platform, "clock" | "ids">;
  #scheduler: Address;
  #sharesMemory: boolean;
  /** Workers that could not be reached, and until when they are not tried. */
  #unreachable = new Map<Address, number>();
  /** Why workers did not answer last time. */
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

  /** Brings the results of finished tasks into `fetched`; returns those that nobody gave. */
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
      // One is enough: the scheduler knows the others, and whether they can be reached.
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

  /** Why a worker did not answer last time. */
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
      // Certificates don't get better by themselves: until somebody does something, all results take the
      // detour.
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

  /** Why a worker need not be waited for, if so. */
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

  /** Takes at least one key out of `wanted`; returns those that nobody gave. */
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

/** Whether all results are here. */
export function areHere(states: readonly KeyState[], fetched: Fetched): boolean {
  return states.every((state) => state.result !== undefined || fetched.has(state));
}

/** Values of finished tasks whose results are here. Each is a new one, also of a task that is there twice. */
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
