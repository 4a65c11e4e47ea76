/**
 * Stores values on workers (`Client.scatter` in distributed/client.py): directly, or through the scheduler if
 * no worker can be reached.
 *
 * @module
 */

import { CommClosed } from "../../comm/errors.ts";
import { messageOf, TimeoutError } from "../../internal/errors.ts";
import type { Platform } from "../../comm/platform.ts";
import { getLogger } from "../../config/logging.ts";
import { Deadline, type DeadlineOptions } from "../../internal/deadline.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../../messages/worker_operations.ts";
import { copiesOf, scatterToWorkers, type Values } from "../../rpc/scatter_to_workers.ts";
import type { ConnectionPool } from "../../rpc/pool.ts";
import type { KeyState } from "../state/key_state.ts";
import type { Serialized } from "../../protocol/serialized.ts";
import { serializeValue, typenameOf } from "../../protocol/values.ts";
import { type Future, stateOf, type WaitOptions } from "../futures/future.ts";
import { isolated } from "../submit/isolate.ts";
import { keyOf, randomToken, valueToken } from "../submit/token.ts";

const logger = getLogger("distributed.client");

/** Number of attempts to store a value when the workers that took it leave. */
const TRIES = 3;
/** Milliseconds to reach a worker; after that the scheduler does it. */
const CONNECT_MS = 2000;
/**
 * Milliseconds that a worker may take to store a value, plus more for each MB. A worker that takes longer is
 * skipped.
 */
const TAKE_MS = 10_000;
const TAKE_MS_PER_MB = 1000;

/** Options of {@linkcode Client.scatter}. */
export interface ScatterOptions extends WaitOptions {
  /** `true`: store the value on every worker. A number: on that many workers. Default: on one. */
  broadcast?: boolean | number;
  /** Addresses, names or hosts of the workers to choose from. Default: all. */
  workers?: readonly string[];
  /** Whether the key is made from the value, so that equal values are stored once. Default: true. */
  hash?: boolean;
}

/** What a {@linkcode Scatterer} needs from its client. */
export interface ScatterHost {
  /** The name under which the client is registered with the scheduler. */
  readonly id: ClientId;
  /** Scheduler that is told which worker was given which value. */
  readonly schedulerAddress: Address;
  /** Clock, and source of random keys. */
  readonly platform: Pick<Platform, "clock" | "ids">;
  /** Connections to workers and the scheduler. */
  readonly pool: Pick<ConnectionPool, "call">;
  /** @throws {SchedulerClosed} If the session has ended. */
  checkOpen(): void;
  /** Creates the deadline of a wait; `what` names it in errors. */
  deadline(options: DeadlineOptions | undefined, what: string): Deadline;
  /** Returns a Future of `state`. */
  future<T>(state: KeyState): Future<T>;
  /** Registers a Future of a key that may already be on the cluster. */
  desire(key: Key): KeyState;
  /** Registers a Future of a key that a request puts on the cluster. */
  expect(key: Key): KeyState;
  /** Registers a Future of a value that was stored on `workers`, and tells the scheduler. */
  announce(key: Key, workers: readonly Address[], nbytes: number): KeyState;
  /** Waits until `count` workers run, counting only `names` if given. Returns their addresses. */
  runningWorkers(
    count: number,
    names: readonly string[] | null,
    options: DeadlineOptions | undefined,
  ): Promise<readonly Address[]>;
  /** Resolves when all tasks have ended. */
  waitFor(states: readonly KeyState[], options: DeadlineOptions | undefined): Promise<void>;
  /** The error of a task that failed or was cancelled. */
  errorOf(state: KeyState): Error;
}

/** Stores values on workers in turn. */
export class Scatterer {
  #host: ScatterHost;
  #turn = 0;

  constructor(host: ScatterHost) {
    this.#host = host;
  }

  /** See `Client.scatter`. */
  async scatter(value: unknown, options: ScatterOptions): Promise<Future<unknown>> {
    checkBroadcast(options.broadcast);
    this.#host.checkOpen();
    const sent = isolated(serializeValue(value)); // a copy, because the program may change its memory meanwhile
    const token = options.hash ?? true ? valueToken(sent) : randomToken(this.#host.platform.ids);
    const key = keyOf(typenameOf(value), token);
    using deadline = this.#host.deadline(options, `workers to take "${key}"`);
    const isAnywhere = options.workers === undefined && (options.broadcast ?? false) === false;
    if (isAnywhere && (options.hash ?? true)) {
      const known = await this.#find(key, deadline.signal);
      if (known !== undefined) return known;
    }
    for (let tries = 1;; tries++) {
      const future = await this.#give(key, sent, options, deadline.signal);
      await this.#ended(future, deadline.signal);
      if (future.status !== "cancelled") return future;
      future.release();
      if (tries === TRIES) throw this.#host.errorOf(stateOf(future));
      logger.debug(`Holders of "${key}" left before the scheduler knew of it; giving it to others`);
    }
  }

  /** Returns the Future of a value that is already on the cluster, if it is. */
  async #find(key: Key, signal: AbortSignal | undefined): Promise<Future<unknown> | undefined> {
    const future = this.#host.future(this.#host.desire(key));
    await this.#ended(future, signal);
    if (future.status === "finished") return future;
    future.release();
    return undefined;
  }

  /** Waits for the scheduler's report. */
  async #ended(future: Future<unknown>, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#host.waitFor([stateOf(future)], { signal });
    } catch (error) {
      future.release();
      throw error;
    }
  }

  /** Stores the payload on workers, and tells the scheduler. */
  async #give(
    key: Key,
    payload: Serialized,
    options: ScatterOptions,
    signal: AbortSignal | undefined,
  ): Promise<Future<unknown>> {
    const { broadcast = false } = options;
    const candidates = await this.#host.runningWorkers(1, options.workers ?? null, { signal });
    const copies = copiesOf(broadcast, candidates.length);
    const give = (worker: Address, values: Values) => this.#sendTo(worker, key, values, signal);
    const whoHas = await scatterToWorkers({ [key]: payload }, candidates, copies, this.#turn++, give);
    const holders = whoHas.get(key) ?? [];
    if (holders.length > 0) {
      return this.#host.future(this.#host.announce(key, holders, payload.nbytes));
    }
    const { id: client, schedulerAddress } = this.#host;
    const future = this.#host.future(this.#host.expect(key));
    try {
      await this.#host.pool.call(schedulerAddress, SCHEDULER_OPERATIONS.scatter, {
        data: { [key]: payload },
        workers: candidates,
        client,
        broadcast,
        timeout: 2,
      }, signal);
      return future;
    } catch (error) {
      future.release();
      throw error;
    }
  }

  async #sendTo(
    worker: Address,
    key: Key,
    data: Values,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    using limit = new Deadline(
      { signal, timeout: TAKE_MS + TAKE_MS_PER_MB * (data[key]?.nbytes ?? 0) / 1e6 },
      (ms) => new TimeoutError(`"${worker}" did not take "${key}" within ${ms} ms`),
      this.#host.platform.clock,
    );
    try {
      await this.#host.pool.call(
        worker,
        WORKER_OPERATIONS.update_data,
        {
          data,
          stimulus_id: `scatter-${key}`,
        },
        limit.signal,
        { timeout: CONNECT_MS },
      );
      return true;
    } catch (error) {
      if (!(error instanceof CommClosed || error instanceof TimeoutError) || signal?.aborted) throw error;
      logger.debug(`Cannot give "${key}" to ${worker}: ${messageOf(error)}`);
      return false;
    }
  }
}

function checkBroadcast(broadcast: boolean | number | undefined): void {
  if (typeof broadcast !== "number" || (Number.isInteger(broadcast) && broadcast > 0)) return;
  throw new RangeError(`Cannot give a value to ${broadcast} workers: "broadcast" is a boolean or at least 1`);
}
