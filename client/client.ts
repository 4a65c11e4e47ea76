/**
 * The public `Client`. The implementation is in `session.ts`, the state of keys in `client/state/`.
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
  /**
   * Certificates and policy; needed for a `tls://` address. Default for each field:
   * `Security.fromConfig(config)`.
   */
  security?: Security;
  /** Shown in the scheduler's logs. */
  name?: string;
  /**
   * File with the scheduler's address, written by a scheduler; used instead of an address. Waits until the
   * file is there.
   */
  schedulerFile?: string;
  /** Configuration. Default: Dask's files and environment variables, as far as permissions allow. */
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

/** Registers a callback for when `client` is closed; for the cluster that it belongs to. */
export let onceClosed: (client: Client, callback: () => void) => void;

/**
 * Which workers {@linkcode Client.retireWorkers} retires: by address, by name, or the `n` workers that are
 * cheapest to lose.
 */
export type RetireWorkersOptions =
  | { readonly workers: readonly string[] }
  | { readonly names: readonly string[] }
  | { readonly n: number };

/**
 * A session with one scheduler. Source: https://distributed.dask.org/en/stable/client.html
 *
 * ```ts
 * import { Client } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect(); // or Client.connect("tls://10.0.0.5:8786", { security })
 * const squares = client.map((x: number) => x * x, [1, 2, 3]);
 * console.log(await client.gather(squares)); // [ 1, 4, 9 ]
 * ```
 */
export class Client implements Submitter, AsyncDisposable {
  #session: Session;
  #submitter: TaskSubmitter;
  #scatterer: Scatterer;
  #closing: Promise<void> | undefined;
  /** The cluster that was started for this client, if any. */
  #cluster: RoleCluster | undefined;
  /** Called when this client was closed. */
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
   * Connects to a scheduler and registers with it.
   *
   * @param address The scheduler's address, such as `"tls://10.0.0.5:8786"`. Default: the address in
   * `schedulerFile`, else the setting `scheduler-address`, else a new `LocalCluster`, which is closed with
   * this client.
   * @throws {CommAuthError} If one side refuses the other's certificate.
   * @throws {CommClosed} If no scheduler answers within `timeout` (default:
   * `distributed.comm.timeouts.connect`, `"30s"`).
   */
  static async connect(address?: string, options: ClientOptions = {}): Promise<Client> {
    checkOptions("Client.connect", options, KNOWN);
    const known = address ?? await configuredAddress(options);
    return known === undefined
      ? await Client.#connectToOwn(options)
      : new Client(await Session.open(known, options));
  }

  static async #connectToOwn(options: ClientOptions): Promise<Client> {
    // Most clients have an address and never need this, so it is loaded on demand.
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

  /** The name under which this client is registered with the scheduler. */
  get id(): ClientId {
    return this.#session.id;
  }

  /** Address of the scheduler, as it was given. */
  get schedulerAddress(): Address {
    return this.#session.schedulerAddress;
  }

  /**
   * Returns a submitter that applies these options to its tasks:
   * `client.with({ priority: 10, retries: 3 }).submit(f, x)`.
   *
   * @throws {TypeError} If an option is unknown or has a wrong value; the message names it.
   */
  with(options: TaskOptions): Submitter {
    return new TaskSubmitter(this.#session, options);
  }

  /**
   * Runs `fn(...args)` on a worker and returns a Future at once. All tasks that are submitted in one turn of
   * the event loop are sent as one message.
   *
   * `fn` is sent as source: it can use its arguments and globals, but no names from the scope around it.
   * `args` can contain Futures at any depth; the function gets their values. The same function with the same
   * arguments is one task, as long as a client holds a Future of it. For functions that are random or have
   * effects, use `client.with({ pure: false })`.
   *
   * @throws {TypeError} If `fn` uses a name from the scope around it, or can't be sent.
   * @throws {SerializationError} If an argument can't be serialized; the message has its path.
   * @throws {SchedulerClosed} If the scheduler is gone or this client is closed.
   */
  submit<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...args: TaskArgs<NoInfer<P>>
  ): Future<Awaited<R>> {
    return this.#submitter.submit(fn, ...args);
  }

  /**
   * Calls `fn` once per element of the iterables, taking one element from each, until the shortest ends. All
   * tasks are sent as one message. Otherwise as {@linkcode Client.submit}.
   */
  map<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...iterables: { [I in keyof P]: Iterable<Unresolved<NoInfer<P>[I]>> }
  ): Future<Awaited<R>>[] {
    return this.#submitter.map(fn, ...iterables);
  }

  /**
   * Returns `value` with every Future replaced by its result. It waits for all tasks, then sends one request
   * to each worker that holds results. Futures can be in arrays, plain objects, Sets and the values of Maps;
   * an iterator of Futures becomes an array.
   *
   * @throws {TaskError} If a task failed; the first one in order.
   * @throws {CancelledError} If a task was cancelled.
   * @throws {TimeoutError} If `timeout` passes first.
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
   * Stores a value on workers. Tasks can take the Future as an argument, so that the value is not sent with
   * each of them. Equal values have the same key and are stored once.
   *
   * No task can compute the value again: when the last worker that holds it is lost, the Future and all tasks
   * that depend on it are cancelled.
   *
   * @throws {SerializationError} If the value can't be serialized; the message has the path.
   * @throws {TimeoutError} If no worker could store it before `timeout`.
   */
  async scatter<T>(value: T, options: ScatterOptions = {}): Promise<Future<T>> {
    return await this.#scatterer.scatter(value, options) as Future<T>;
  }

  /** Cancels the tasks of `futures` in one message; see {@linkcode Future.cancel}. */
  cancel(futures: Iterable<Future<unknown>>, options?: CancelOptions): Promise<void> {
    this.#session.cancel(Array.from(futures, (future) => this.#ownState(future)), options);
    return Promise.resolve();
  }

  /** Runs the failed tasks of `futures` again, with one request; see {@linkcode Future.retry}. */
  async retry(futures: Iterable<Future<unknown>>, options?: WaitOptions): Promise<void> {
    await this.#session.retry(Array.from(futures, (future) => this.#ownState(future)), options);
  }

  /**
   * Returns the open links of this client, or of the role at `address`: the peer's address, and for TLS its
   * certificate, version and cipher.
   */
  async links(address?: Address, options?: WaitOptions): Promise<LinkFacts[]> {
    if (address === undefined) return linksOf([], this.#session.openComms);
    this.#session.checkOpen();
    using deadline = this.#session.deadline(options, `links of ${address}`);
    return await this.#session.pool.call(address, SCHEDULER_OPERATIONS.links, {}, deadline.signal);
  }

  /** Returns what the scheduler tells about itself and its workers. */
  async schedulerInfo(options?: WaitOptions): Promise<SchedulerIdentity> {
    return await this.#session.ask(
      SCHEDULER_OPERATIONS.identity,
      { n_workers: -1 },
      options,
      "scheduler's identity",
    );
  }

  /** Returns the addresses of the workers that hold the results of `futures`, by key. */
  async whoHas(
    futures: Iterable<Future<unknown>>,
    options?: WaitOptions,
  ): Promise<Record<Key, Address[]>> {
    const keys = Array.from(futures, (future) => future.key);
    return await this.#session.ask(SCHEDULER_OPERATIONS.who_has, { keys }, options, "who_has");
  }

  /** Returns the keys of the results that each worker holds, by the worker's address. */
  async hasWhat(options?: WaitOptions): Promise<Record<Address, Key[]>> {
    return await this.#session.ask(SCHEDULER_OPERATIONS.has_what, { workers: null }, options, "has_what");
  }

  /** Returns the keys of the unfinished tasks that each worker was given, by the worker's address. */
  async processing(options?: WaitOptions): Promise<Record<Address, Key[]>> {
    return await this.#session.ask(SCHEDULER_OPERATIONS.processing, { workers: null }, options, "processing");
  }

  /** Returns the number of threads of each worker, by the worker's address. */
  async nthreads(options?: WaitOptions): Promise<Record<Address, number>> {
    return await this.#session.ask(SCHEDULER_OPERATIONS.ncores, { workers: null }, options, "ncores");
  }

  /**
   * Waits until at least `count` workers are running.
   *
   * @throws {TimeoutError} If `timeout` passes first.
   */
  async waitForWorkers(count: number, options?: WaitOptions): Promise<void> {
    await this.#session.runningWorkers(count, null, options);
  }

  /**
   * Copies workers' results to other workers, then closes the workers, so that no result is lost. Returns the
   * addresses of the workers that were closed. A worker whose results no other worker can hold keeps running.
   *
   * @throws {TimeoutError} If `timeout` passes first; the scheduler continues with it.
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
   * Reads certificates, keys and revocation lists again. New links use the new contents; links to peers that
   * are no longer trusted are closed. Changed files are also noticed without this call, within seconds.
   *
   * @param security Replaces the record that was given at the start. Default: that record, with its files as
   * they are now.
   * @throws {SecurityError} If a file can't be used; the old contents stay in use.
   */
  reloadSecurity(security?: Security): Promise<void> {
    return this.#session.credentials.reload(security);
  }

  /** Cancels all Futures, signs off from the scheduler and closes. Idempotent. */
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

/** Converts an iterator to an array; returns any other value unchanged. */
function listed(value: unknown): unknown {
  return value instanceof Iterator ? [...value] : value;
}

/** Fetches the results of `futures`, each by its own client. */
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
