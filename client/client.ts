/**
 * The client's face. What is behind it is in `session.ts`, and what it knows of keys in `client/state/`.
 *
 * @module
 */

import { TimeoutError } from "../internal/errors.ts";
import { linksOf } from "../rpc/links.ts";
import { readSchedulerFile } from "../comm/scheduler_file.ts";
import type { Config } from "../config/config.ts";
import { currentConfig } from "../config/load.ts";
import { checkOptions } from "../internal/options.ts";
import { Deadline } from "../internal/deadline.ts";
import type { Address, ClientId, Key } from "../messages/common.ts";
import type { LinkFacts, SchedulerIdentity } from "../messages/facts.ts";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import type { Security } from "../security/security.ts";
import {
  type CancelOptions,
  type Future,
  type FutureOwner,
  ownerOf,
  stateOf,
  type WaitOptions,
} from "./futures/future.ts";
import type { RoleCluster } from "../deploy/roles/role_cluster.ts";
import { Scatterer, type ScatterOptions } from "./fetch/scatter.ts";
import { Session } from "./session.ts";
import { replaceFutures } from "./submit/structure.ts";
import type { KeyState } from "./state/key_state.ts";
import { TaskSubmitter } from "./submit/submit.ts";
import type { TaskOptions } from "./submit/task_options.ts";
import type { Resolved, Submitter, TaskArgs, Unresolved } from "./submit/types.ts";

/** Options of {@linkcode Client.connect}. */
export interface ClientOptions extends WaitOptions {
  /** Certificates and policy; needed for a `tls://` address. Default, field by field: `Security.fromConfig(config)`. */
  security?: Security;
  /** Shown in the scheduler's logs. */
  name?: string;
  /** File that a scheduler wrote, in place of an address; it is waited for. */
  schedulerFile?: string;
  /** Configuration. Default: what Dask's files and variables say, as far as permissions go. */
  config?: Config;
}

const KNOWN: Record<keyof ClientOptions, true> = {
  security: true,
  name: true,
  schedulerFile: true,
  config: true,
  signal: true,
  timeout: true,
};

async function configuredAddress(
  { schedulerFile, signal, timeout, config }: ClientOptions,
): Promise<string | undefined> {
  if (schedulerFile === undefined) return (config ?? currentConfig()).text("scheduler-address");
  using deadline = new Deadline(
    { signal, timeout: timeout ?? "30s" },
    (ms) => new TimeoutError(`There was no scheduler file "${schedulerFile}" within ${ms / 1000} s`),
  );
  return await readSchedulerFile(schedulerFile, deadline.signal);
}

/** Has `callback` called when `client` was closed; for the cluster that it belongs to. */
export let onceClosed: (client: Client, callback: () => void) => void;

/** Which workers {@linkcode Client.retireWorkers} takes: by address, by name, or so many of the cheapest. */
export type RetireWorkersOptions =
  | { readonly workers: readonly string[] }
  | { readonly names: readonly string[] }
  | { readonly n: number };

/**
 * A session with one scheduler. Source: https://distributed.dask.org/en/stable/client.html
 *
 * ```ts ignore
 * await using client = await Client.connect("tls://127.0.0.1:8786", { security });
 * const squares = client.map((x: number) => x * x, [1, 2, 3]);
 * console.log(await client.gather(squares)); // [1, 4, 9]
 * ```
 */
export class Client implements Submitter, AsyncDisposable {
  #session: Session;
  #submitter: TaskSubmitter;
  #scatterer: Scatterer;
  #closing: Promise<void> | undefined;
  /** The cluster that was started for this client, if one was. */
  #cluster: RoleCluster | undefined;
  /** Told when this client was closed. */
  #onClosed: (() => void) | undefined;

  static {
    onceClosed = (client, callback) => {
      client.#onClosed = callback;
    };
  }

  private constructor(session: Session) {
    this.#session = session;
    this.#submitter = new TaskSubmitter(session, {});
    this.#scatterer = new Scatterer(session);
  }

  /**
   * Connects to a scheduler and registers.
   *
   * @param address Where it is, such as `"tls://10.0.0.5:8786"`. Without, it is the one in `schedulerFile`, else the
   * setting `scheduler-address`, else a `LocalCluster` is started, and closed with this client.
   * @throws {CommAuthError} If either side refuses the other's certificate.
   * @throws {CommClosed} If nobody answers within `timeout` (default: `distributed.comm.timeouts.connect`, `"30s"`).
   */
  static async connect(address?: string, options: ClientOptions = {}): Promise<Client> {
    checkOptions("Client.connect", options, KNOWN);
    const known = address ?? await configuredAddress(options);
    return known === undefined
      ? await Client.#connectToOwn(options)
      : new Client(await Session.open(known, options));
  }

  static async #connectToOwn(options: ClientOptions): Promise<Client> {
    // Most clients have an address: they never load a scheduler and workers.
    const { RoleCluster } = await import("../deploy/roles/role_cluster.ts");
    const cluster = await RoleCluster.start({ ...options, security: options.security ?? true });
    try {
      const { schedulerAddress, security, config } = cluster;
      const certificates = security !== undefined && { security };
      const client = await Client.connect(schedulerAddress, { ...options, config, ...certificates });
      client.#cluster = cluster;
      return client;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Name that the scheduler knows this client by. */
  get id(): ClientId {
    return this.#session.id;
  }

  /** Address of the scheduler, as it was dialled. */
  get schedulerAddress(): Address {
    return this.#session.schedulerAddress;
  }

  /**
   * Takes tasks with these options: `client.with({ priority: 10, retries: 3 }).submit(f, x)`.
   *
   * @throws {TypeError} If an option is unknown or has a wrong value; names it.
   */
  with(options: TaskOptions): Submitter {
    return new TaskSubmitter(this.#session, options);
  }

  /**
   * Runs `fn(...args)` on a worker. Returns at once; tasks of one turn leave as one message.
   *
   * `fn` is shipped as source: it may use its arguments and globals, nothing from the scope around it. Futures
   * may stand anywhere in `args`, and arrive as their values. The same function with the same arguments is one task
   * as long as somebody wants it; `client.with({ pure: false })` for what is random, or has effects.
   *
   * @throws {TypeError} If `fn` uses a name of the scope around it, or can't be shipped.
   * @throws {SerializationError} If an argument can't be serialized; names the path to it.
   * @throws {SchedulerClosed} If the scheduler is gone, or this client closed.
   */
  submit<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...args: TaskArgs<NoInfer<P>>
  ): Future<Awaited<R>> {
    return this.#submitter.submit(fn, ...args);
  }

  /**
   * Runs `fn` over iterables in step, as one graph and one message; ends with the shortest. As
   * {@linkcode Client.submit} otherwise.
   */
  map<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...iterables: { [I in keyof P]: Iterable<Unresolved<NoInfer<P>[I]>> }
  ): Future<Awaited<R>>[] {
    return this.#submitter.map(fn, ...iterables);
  }

  /**
   * Replaces every Future in `value` by its result: waits for all, then asks each worker once for all it holds. Futures
   * may stand in arrays, plain objects, Sets and values of Maps; an iterator of them becomes an array.
   *
   * @throws {TaskError} If a task failed; the first in order.
   * @throws {CancelledError} If a task was cancelled.
   * @throws {TimeoutError} If `timeout` passed first.
   */
  async gather<const T>(value: T, options?: WaitOptions): Promise<Resolved<T>> {
    const given = listed(value);
    const futures: Future<unknown>[] = [];
    replaceFutures(given, (future) => futures.push(future));
    using deadline = this.#session.deadline(options, "gather");
    const values = await valuesOfAll(futures, deadline);
    let next = 0;
    return replaceFutures(given, () => values[next++]) as Resolved<T>;
  }

  /**
   * Puts a value on workers, for tasks to take as an argument without it being sent with each. An equal value has
   * the same key, and is there once.
   *
   * The value is nobody's result: when the last worker that holds it is lost, the Future is cancelled, and so is what
   * depends on it.
   *
   * @throws {SerializationError} If it can't be serialized; names the path.
   * @throws {TimeoutError} If no worker could take it before `timeout`.
   */
  async scatter<T>(value: T, options: ScatterOptions = {}): Promise<Future<T>> {
    return await this.#scatterer.scatter(value, options) as Future<T>;
  }

  /** Gives up the tasks of `futures`, see {@linkcode Future.cancel}, in one message. */
  cancel(futures: Iterable<Future<unknown>>, options?: CancelOptions): Promise<void> {
    this.#session.cancel(Array.from(futures, (future) => this.#ownState(future)), options);
    return Promise.resolve();
  }

  /** Runs those of `futures` that failed again, see {@linkcode Future.retry}, by one request. */
  async retry(futures: Iterable<Future<unknown>>, options?: WaitOptions): Promise<void> {
    await this.#session.retry(Array.from(futures, (future) => this.#ownState(future)), options);
  }

  /** Open links of this client, or of the role at `address`: who is at the other end, and how it proved it. */
  async links(address?: Address, options?: WaitOptions): Promise<LinkFacts[]> {
    if (address === undefined) return linksOf([], this.#session.openComms);
    this.#session.checkOpen();
    using deadline = this.#session.deadline(options, `links of ${address}`);
    return await this.#session.pool.call(address, SCHEDULER_OPERATIONS.links, {}, deadline.signal);
  }

  /** What the scheduler says about itself and its workers. */
  async schedulerInfo(options?: WaitOptions): Promise<SchedulerIdentity> {
    return await this.#session.ask(
      SCHEDULER_OPERATIONS.identity,
      { n_workers: -1 },
      options,
      "scheduler's identity",
    );
  }

  /** Addresses of the workers that hold the results of `futures`, by key. */
  async whoHas(
    futures: Iterable<Future<unknown>>,
    options?: WaitOptions,
  ): Promise<Record<Key, Address[]>> {
    const keys = Array.from(futures, (future) => future.key);
    return await this.#session.ask(SCHEDULER_OPERATIONS.who_has, { keys }, options, "who_has");
  }

  /** Keys of the results that each worker holds, by its address. */
  async hasWhat(options?: WaitOptions): Promise<Record<Address, Key[]>> {
    return await this.#session.ask(SCHEDULER_OPERATIONS.has_what, { workers: null }, options, "has_what");
  }

  /** Keys of the tasks that each worker was given and has not finished, by its address. */
  async processing(options?: WaitOptions): Promise<Record<Address, Key[]>> {
    return await this.#session.ask(SCHEDULER_OPERATIONS.processing, { workers: null }, options, "processing");
  }

  /** Number of threads of each worker, by its address. */
  async nthreads(options?: WaitOptions): Promise<Record<Address, number>> {
    return await this.#session.ask(SCHEDULER_OPERATIONS.ncores, { workers: null }, options, "ncores");
  }

  /**
   * Waits until the scheduler has at least `count` workers.
   *
   * @throws {TimeoutError} If `timeout` passed first.
   */
  async waitForWorkers(count: number, options?: WaitOptions): Promise<void> {
    await this.#session.runningWorkers(count, null, options);
  }

  /**
   * Has workers' results copied to others, then ends the workers: nothing is lost. Returns the addresses of those that
   * ended; a worker whose results nobody else can take goes on.
   *
   * @throws {TimeoutError} If `timeout` passed first; the scheduler goes on with it.
   */
  async retireWorkers(which: RetireWorkersOptions, options?: WaitOptions): Promise<Address[]> {
    const retired = await this.#session.ask(
      SCHEDULER_OPERATIONS.retire_workers,
      { ...which, close_workers: true },
      options,
      "retire_workers",
    );
    return Object.keys(retired) as Address[];
  }

  /**
   * Reads certificates, keys and revocation lists again. New links use them; links whose peer is not trusted any more
   * are ended. Changed files are noticed without it, too, within seconds.
   *
   * @param security Takes the place of the record that was given at the start. Default: that one, with its files as
   * they are now.
   * @throws {SecurityError} If a file can't be used: the old ones stay in use.
   */
  reloadSecurity(security?: Security): Promise<void> {
    return this.#session.credentials.reload(security);
  }

  /** Cancels every Future, says goodbye, closes. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Same as {@linkcode Client.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#session.close();
    this.#onClosed?.();
    await this.#cluster?.close();
  }

  #ownState(future: Future<unknown>): KeyState {
    if (ownerOf(future) === this.#session) return stateOf(future);
    throw new TypeError(`Cannot use "${future.key}" here: the Future belongs to another client`);
  }
}

/** An array of what an iterator gives; anything else as it is. */
function listed(value: unknown): unknown {
  return value instanceof Iterator ? [...value] : value;
}

/** Results of `futures`, each from the client it came from. */
async function valuesOfAll(futures: readonly Future<unknown>[], deadline: Deadline): Promise<unknown[]> {
  const byOwner = Map.groupBy(futures, (future) => ownerOf(future));
  const [only] = byOwner.keys();
  if (only === undefined) return [];
  if (byOwner.size === 1) return await only.fetch(futures.map((future) => stateOf(future)), deadline);
  const values = new Map<FutureOwner, unknown[]>();
  for (const [owner, own] of byOwner) {
    values.set(owner, (await owner.fetch(own.map((future) => stateOf(future)), deadline)).toReversed());
  }
  return futures.map((future) => values.get(ownerOf(future))?.pop());
}
