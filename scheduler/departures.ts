/**
 * How workers leave a scheduler: lost, silent for too long, or emptied first so that nothing is lost
 * (`distributed/scheduler.py`, `remove_worker`, `check_worker_ttl`, `retire_workers`).
 *
 * @module
 */

import type { BatchedSend } from "../rpc/batched.ts";
import { TIMER_MAX_MS } from "../internal/clock.ts";
import { DistributedError } from "../internal/errors.ts";
import { getLogger } from "../config/logging.ts";
import { orAborted } from "../internal/deadline.ts";
import type { Address, Key } from "../messages/common.ts";
import type { WorkerIdentity } from "../messages/facts.ts";
import type { WorkerLoss } from "./state/membership.ts";
import type { DownscaleOptions, Retirement, RetirementStep } from "./state/retire.ts";
import type { SchedulerState } from "./state/scheduler_state.ts";
import type { WorkerState } from "./state/worker_state.ts";

export type { DownscaleOptions };

const logger = getLogger("distributed.scheduler");

/** Milliseconds after which a receiver that went away is replaced, as in `retire_workers`. */
const RENEW_MS = 2000;
/** Looks at the time-to-live per time-to-live; Dask looks once, and so finds a silent worker later. */
const TTL_LOOKS = 10;
/** Keys that a log line names. */
const KEYS_LOGGED = 10;

/** Which workers to retire, and what to do with them when they are empty. */
export interface RetireOptions extends DownscaleOptions {
  /** Addresses. Exclusive with `names`; without both, the cheapest are chosen. */
  readonly workers?: readonly string[] | undefined;
  /** Names. */
  readonly names?: readonly string[] | undefined;
  /** Whether they are told to shut down; else somebody else has to end them. Default: false. */
  readonly closeWorkers?: boolean | undefined;
  /** Whether the scheduler forgets them at once. Default: true. */
  readonly remove?: boolean | undefined;
  /** What caused it. */
  readonly stimulusId?: string | undefined;
}

/** What {@linkcode Departures} need of their scheduler. */
export interface DepartureHost {
  /** Decides. */
  readonly state: SchedulerState;
  /** Runs a stimulus, and sends what came of it. */
  stimulate(stimulus: (now: number) => void): void;
  /** The stream of a worker, while it is open. */
  stream(address: Address): BatchedSend | undefined;
  /** Drops what this side dialled to reach a worker. */
  dropLinks(address: Address): void;
  /** What is told about a worker. */
  identityOf(worker: WorkerState): WorkerIdentity;
}

/** How a worker is removed. */
export interface RemoveOptions {
  /** What caused it. */
  readonly stimulusId: string;
  /** Whether its running tasks are not to blame. Default: false. */
  readonly expected?: boolean;
  /** Whether it is told to shut down. Default: true. */
  readonly close?: boolean;
}

/** The departures of one scheduler's workers. */
export class Departures {
  readonly #host: DepartureHost;
  readonly #closed = new AbortController();
  /** Workers that are being emptied; resolves to whether that worked. */
  readonly #retiring = new Map<Address, Promise<boolean>>();
  #ttlTimer: ReturnType<typeof setInterval> | undefined;

  /** `workerTtl`: milliseconds that a worker may be silent, or nothing for ever. */
  constructor(host: DepartureHost, workerTtl: number | null) {
    this.#host = host;
    if (workerTtl !== null) this.#watch(workerTtl);
  }

  /** Stops the timer and all retirements. */
  close(): void {
    clearInterval(this.#ttlTimer);
    this.#closed.abort(
      new DistributedError("SCHEDULER_CLOSING", "Cannot retire workers: the scheduler closes"),
    );
  }

  /** Forgets a worker; its tasks go elsewhere. Does nothing if it is not known. */
  remove(address: Address, options: RemoveOptions): void {
    const { state } = this.#host;
    const ws = state.workers.get(address);
    if (ws === undefined) return;
    const { stimulusId } = options;
    logger.info(`Remove worker addr: ${address} name: ${ws.name} (stimulus_id='${stimulusId}')`);
    this.#host.dropLinks(address);
    this.#host.stimulate((now) => {
      const loss = state.removeWorker(address, { ...options, now });
      if (loss !== null) logLoss(address, loss, stimulusId);
    });
  }

  #watch(workerTtl: number): void {
    if (workerTtl === Infinity) return;
    const interval = Math.min(workerTtl / TTL_LOOKS, TIMER_MAX_MS);
    let last = Date.now();
    this.#ttlTimer = setInterval(() => {
      const since = Date.now() - last;
      last = Date.now();
      // This process itself stood still, and could hear nobody.
      if (since < 2 * interval) this.#removeSilent(workerTtl / 1000);
    }, interval);
  }

  #removeSilent(ttl: number): void {
    const now = Date.now() / 1000;
    for (const [address, seconds] of this.#host.state.silentWorkers(ttl, now)) {
      logger.warning(`Worker failed to heartbeat for ${seconds.toFixed(0)}s; removing: ${address}`);
      this.remove(address, { stimulusId: `check-worker-ttl-${now}` });
      this.#host.stream(address)?.abort();
    }
  }

  /**
   * Empties workers, then removes them. Returns those that worked; a worker whose results nobody can take goes on.
   *
   * @throws {TypeError} If workers are named in more than one way.
   */
  async retire(options: RetireOptions): Promise<Record<Address, WorkerIdentity>> {
    const stimulusId = options.stimulusId ?? `retire-workers-${Date.now() / 1000}`;
    const chosen = this.#choose(options);
    logger.info(
      `Retire worker addresses (stimulus_id='${stimulusId}') ${
        chosen.map(({ address }) => address).join(", ")
      }`,
    );
    // All of them stop taking tasks and copies before the first is emptied.
    const begun = chosen.map((ws) => this.#begin(ws.address, stimulusId));
    const retired: Record<Address, WorkerIdentity> = {};
    await Promise.all(chosen.map(async (ws, i) => {
      if (!await begun[i]) return;
      retired[ws.address] = this.#host.identityOf(ws);
      this.#finish(ws.address, options, stimulusId);
    }));
    return retired;
  }

  /**
   * Addresses of the workers that {@linkcode Departures.retire} would empty.
   *
   * @throws {TypeError} If workers are named in more than one way.
   */
  choose(options: RetireOptions): Address[] {
    return this.#choose(options).map(({ address }) => address);
  }

  #choose(options: RetireOptions): WorkerState[] {
    const { workers, names, n, target, minimum, memoryRatio } = options;
    if (workers !== undefined && names !== undefined) {
      throw new TypeError("Cannot retire workers by address and by name at once: give one of them");
    }
    if ((workers ?? names) !== undefined && (n ?? target ?? minimum ?? memoryRatio) !== undefined) {
      throw new TypeError("Cannot retire workers: those that are named can't be chosen by number, too");
    }
    const { state } = this.#host;
    if (names !== undefined) {
      const wanted = new Set(names);
      return [...state.workers.values()].filter((ws) => wanted.has(ws.name));
    }
    const addresses = workers ?? state.workersToClose(options);
    return [...new Set(addresses)].flatMap((address) => state.workers.get(address as Address) ?? []);
  }

  #begin(address: Address, stimulusId: string): Promise<boolean> {
    const running = this.#retiring.get(address);
    if (running !== undefined) return running;
    const begun: { retirement?: Retirement | null } = {};
    this.#host.stimulate((now) => {
      begun.retirement = this.#host.state.retire(address, stimulusId, now);
    });
    const { retirement } = begun;
    if (retirement === undefined || retirement === null) return Promise.resolve(false);
    const emptied = this.#empty(address, retirement, stimulusId)
      .finally(() => this.#retiring.delete(address));
    this.#retiring.set(address, emptied);
    return emptied;
  }

  /** Returns false if somebody has to stay. */
  async #empty(address: Address, retirement: Retirement, stimulusId: string): Promise<boolean> {
    await Promise.resolve(); // the others of this call stop taking copies first
    for (let isFirst = true;; isFirst = false) {
      this.#closed.signal.throwIfAborted();
      const { unsafe, stuck } = this.#step(retirement);
      if (stuck > 0) {
        logger.warning(
          `Tried retiring worker ${address}, but ${stuck} tasks could not be moved as there are no suitable ` +
            `workers to receive them. The worker will not be retired (stimulus_id='${stimulusId}')`,
        );
        this.#host.stimulate((now) => retirement.abort(now));
        return false;
      }
      if (isFirst || unsafe === 0) logger.info(`Retiring worker ${address}; ${progress(unsafe)}`);
      if (unsafe === 0 || await this.#waitUntilSafe(retirement, unsafe)) return true;
    }
  }

  #step(retirement: Retirement): RetirementStep {
    const done: { step: RetirementStep } = { step: { unsafe: 0, stuck: 0 } };
    this.#host.stimulate((now) => {
      done.step = retirement.step(now);
    });
    return done.step;
  }

  /** Looks every so often, as Dask does; false if it is time to look at the receivers. */
  async #waitUntilSafe(retirement: Retirement, count: number): Promise<boolean> {
    const interval = Math.max(10, Math.min(500, count * 2.5));
    for (let waited = 0; waited < RENEW_MS; waited += interval) {
      await pause(interval, this.#closed.signal);
      if (retirement.countUnsafe() === 0) return true;
    }
    return false;
  }

  /** In the same turn as the last look: what is computed from now on is computed again elsewhere. */
  #finish(address: Address, options: RetireOptions, stimulusId: string): void {
    const { closeWorkers = false, remove = true } = options;
    if (remove) {
      this.remove(address, { stimulusId, expected: true, close: closeWorkers });
    } else if (closeWorkers) {
      logger.info(`Closing worker ${address}`);
      const stream = this.#host.stream(address);
      if (stream !== undefined && !stream.closed) {
        stream.send({ op: "close", reason: "scheduler-close-worker" });
      }
    }
    logger.info(`Retired worker ${address} (stimulus_id='${stimulusId}')`);
  }
}

function progress(unsafe: number): string {
  return unsafe === 0 ? "no unique keys need to be moved away." : `${unsafe} keys are being moved away.`;
}

function logLoss(address: Address, loss: WorkerLoss, stimulusId: string): void {
  for (const { key, deaths } of loss.givenUp) {
    logger.error(`Task ${key} marked as failed because ${deaths} workers died while trying to run it`);
  }
  if (loss.recomputed.length > 0) {
    logger.warning(
      `Removing worker '${address}' caused the cluster to lose already computed task(s), which will be ` +
        `recomputed elsewhere: ${listed(loss.recomputed)} (stimulus_id='${stimulusId}')`,
    );
  }
  if (loss.lost.length > 0) {
    logger.error(
      `Removing worker '${address}' caused the cluster to lose scattered data, which can't be recovered: ` +
        `${listed(loss.lost)} (stimulus_id='${stimulusId}')`,
    );
  }
}

/** The first few keys, and how many there are. */
function listed(keys: readonly Key[]): string {
  const shown = keys.slice(0, KEYS_LOGGED).join(", ");
  return keys.length <= KEYS_LOGGED ? `{${shown}}` : `{${shown}, … ${keys.length} in all}`;
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  try {
    await orAborted(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}
