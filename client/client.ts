/**
 * The client's shell: one comm to the scheduler, a pool of comms to workers, and the timers. What it knows of
 * keys is in `client/state/`.
 *
 * @module
 */

import { BatchedSend } from "../comm/batched.ts";
import type { Comm } from "../comm/comm.ts";
import { connect } from "../comm/connect.ts";
import { linksOf } from "../comm/links.ts";
import type { LinkOptions } from "../comm/link_options.ts";
import { linkOptions } from "../comm/secure.ts";
import { DistributedError, messageOf, TimeoutError } from "../comm/errors.ts";
import { ConnectionPool } from "../comm/pool.ts";
import { handleStream } from "../comm/stream.ts";
import { getLogger } from "../config/logging.ts";
import { Deadline, type DeadlineOptions, orAborted } from "../internal/deadline.ts";
import { parseTimedelta } from "../internal/units.ts";
import { type GraphAnnotations, parseClientReport } from "../messages/client_scheduler.ts";
import type { Address, ClientId, Key, RawMessage } from "../messages/common.ts";
import type { LinkFacts, SchedulerIdentity } from "../messages/rpc.ts";
import { decodeError } from "../protocol/remote_error.ts";
import { serializeArguments } from "../protocol/values.ts";
import type { Security } from "../security/security.ts";
import { extractFutures } from "./arguments.ts";
import { CancelledError, SchedulerClosed, taskError } from "./errors.ts";
import { functionBody } from "./function_source.ts";
import { type Future, type FutureOwner, makeFuture, stateOf, type WaitOptions } from "./future.ts";
import { type Fetched, Gatherer, valueOf } from "./gather.ts";
import { isolated, sharesMemory } from "./isolate.ts";
import { type OwnCluster, startOwnCluster } from "./own_cluster.ts";
import { replaceFutures } from "./structure.ts";
import { ClientState, type FunctionBody, type KeyState } from "./state/client_state.ts";
import type { Resolved, Submitter, TaskArgs, Unresolved } from "./types.ts";

const logger = getLogger("distributed.client");

/** Milliseconds between heartbeats (`distributed.client.heartbeat`). */
const HEARTBEAT_MS = 5000;
/** Milliseconds that a goodbye to the scheduler may take. */
const GOODBYE_MS = 2000;

const NO_ANNOTATIONS: GraphAnnotations = {};

/** Options of {@linkcode Client.connect}. */
export interface ClientOptions extends WaitOptions {
  /** Certificates and policy; needed for a `tls://` address. */
  security?: Security;
  /** Shown in the scheduler's logs. */
  name?: string;
}

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
  /** Name that the scheduler knows this client by. */
  readonly id: ClientId;
  #comm: Comm;
  #stream: BatchedSend;
  #pool: ConnectionPool;
  #gatherer: Gatherer;
  #state = new ClientState();
  #owner: FutureOwner;
  #keySuffix: string;
  #keyCount = 0;
  #isFlushQueued = false;
  #closing: Promise<void> | undefined;
  #heartbeat: ReturnType<typeof setInterval>;
  #reading: Promise<void>;
  /** The cluster that was started for this client, if one was. */
  #cluster: OwnCluster | undefined;
  #sharesMemory: boolean;
  /** Why the scheduler is gone, if it is. */
  #lost: Error | undefined;

  private constructor(comm: Comm, id: ClientId, links: LinkOptions) {
    this.id = id;
    this.#comm = comm;
    this.#keySuffix = id.slice(-8);
    this.#stream = new BatchedSend(comm);
    this.#pool = new ConnectionPool(links);
    this.#sharesMemory = sharesMemory(comm.peerAddress);
    this.#gatherer = new Gatherer(this.#pool, comm.peerAddress);
    this.#owner = {
      waitFor: (states, options) => this.#waitFor(states, options),
      fetch: (states, options) => this.#fetch(states, options),
      errorOf: (state) => this.#errorOf(state),
      drop: (state) => this.#drop(state),
    };
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#reading = this.#read();
  }

  /**
   * Connects to a scheduler and registers.
   *
   * @param address Where it is, such as `"tls://10.0.0.5:8786"`. Without, a `LocalCluster` is started, and closed
   * with this client.
   * @throws {CommAuthError} If either side refuses the other's certificate.
   * @throws {CommClosed} If nobody answers within `timeout` (default `"30s"`).
   */
  static async connect(address?: string, options: ClientOptions = {}): Promise<Client> {
    if (address === undefined) return await Client.#connectToOwn(options);
    const { security, name } = options;
    const links = await linkOptions(security, "client");
    using deadline = new Deadline(
      { signal: options.signal },
      () => new TimeoutError(`Cannot register with "${address}" in time`),
    );
    const comm = await connect(address, {
      ...links,
      signal: deadline.signal,
      timeout: parseTimedelta(options.timeout ?? "30s", "ms") * 1000,
    });
    const id = `Client-${name === undefined ? "" : `${name}-`}${crypto.randomUUID()}` as ClientId;
    try {
      await register(comm, id, deadline.signal);
    } catch (error) {
      comm.abort();
      throw error;
    }
    return new Client(comm, id, links);
  }

  static async #connectToOwn(options: ClientOptions): Promise<Client> {
    const { security: _, ...others } = options;
    const cluster = await startOwnCluster(options);
    try {
      const { schedulerAddress, security } = cluster;
      const client = await Client.connect(schedulerAddress, { ...others, ...security && { security } });
      client.#cluster = cluster;
      return client;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Address of the scheduler, as it was dialled. */
  get schedulerAddress(): Address {
    return this.#comm.peerAddress;
  }

  /** Open links of this client, or of the role at `address`: who is at the other end, and how it proved it. */
  async links(address?: Address, options?: WaitOptions): Promise<LinkFacts[]> {
    if (address === undefined) return linksOf([], [this.#comm, ...this.#pool.openComms]);
    using deadline = this.#deadline(options, `links of ${address}`);
    return await this.#pool.call(address, { op: "links" }, deadline.signal);
  }

  /**
   * Runs `fn(...args)` on a worker. Returns at once; tasks of one turn leave as one message.
   *
   * `fn` is shipped as source: it may use its arguments and globals, nothing from the scope around it. Futures
   * may stand anywhere in `args`, and arrive as their values.
   *
   * @throws {TypeError} If `fn` uses a name of the scope around it, or can't be shipped.
   * @throws {SerializationError} If an argument can't be serialized; names the path to it.
   */
  submit<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...args: TaskArgs<NoInfer<P>>
  ): Future<Awaited<R>> {
    return this.#submit(functionBody(fn), args as readonly unknown[]) as Future<Awaited<R>>;
  }

  /**
   * Runs `fn` over iterables in step, as one graph and one message; ends with the shortest. As
   * {@linkcode Client.submit} otherwise.
   */
  map<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...iterables: { [I in keyof P]: Iterable<Unresolved<NoInfer<P>[I]>> }
  ): Future<Awaited<R>>[] {
    const body = functionBody(fn);
    return zip(iterables as readonly Iterable<unknown>[])
      .map((args) => this.#submit(body, args) as Future<Awaited<R>>);
  }

  /**
   * Replaces every Future in `value` by its result: waits for all, then asks each worker once for all it holds.
   *
   * @throws {TaskError} If a task failed; the first in order.
   * @throws {CancelledError} If a task was cancelled.
   * @throws {TimeoutError} If `timeout` passed first.
   */
  async gather<const T>(value: T, options?: WaitOptions): Promise<Resolved<T>> {
    const futures: Future<unknown>[] = [];
    replaceFutures(value, (future) => futures.push(future));
    const states = futures.map((future) => stateOf(future));
    using deadline = this.#deadline(options, "gather");
    await this.#waitFor(states, deadline);
    const values = await this.#fetch(states, deadline);
    let next = 0;
    return replaceFutures(value, () => values[next++]) as Resolved<T>;
  }

  /** What the scheduler says about itself and its workers. */
  async schedulerInfo(options?: WaitOptions): Promise<SchedulerIdentity> {
    using deadline = this.#deadline(options, "scheduler's identity");
    return await this.#identity(deadline.signal);
  }

  /** Addresses of the workers that hold the results of `futures`, by key. */
  async whoHas(
    futures: Iterable<Future<unknown>>,
    options?: WaitOptions,
  ): Promise<Record<Key, Address[]>> {
    const keys = [...futures].map((future) => future.key);
    using deadline = this.#deadline(options, "who_has");
    const reply = await this.#pool.call(this.schedulerAddress, { op: "who_has", keys }, deadline.signal);
    return reply as Record<Key, Address[]>;
  }

  /**
   * Waits until the scheduler has at least `count` workers.
   *
   * @throws {TimeoutError} If `timeout` passed first.
   */
  async waitForWorkers(count: number, options?: WaitOptions): Promise<void> {
    using deadline = this.#deadline(options, `${count} workers`);
    for (;;) {
      const info = await this.#identity(deadline.signal);
      const running = Object.values(info.workers).filter((worker) => worker.status === "running");
      if (running.length >= count) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 100); // polls, as Dask's client does
      try {
        await orAborted(promise, deadline.signal);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  /** Releases every Future, says goodbye, closes. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Same as {@linkcode Client.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #identity(signal: AbortSignal | undefined): Promise<SchedulerIdentity> {
    return await this.#pool.call(this.schedulerAddress, { op: "identity", n_workers: -1 }, signal);
  }

  #submit(fn: FunctionBody & { readonly name: string }, given: readonly unknown[]): Future<unknown> {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#closing !== undefined) {
      throw new SchedulerClosed(this.schedulerAddress, "This client is closed");
    }
    const { args, references } = extractFutures(given);
    const key = `${fn.name}-${this.#keySuffix}-${this.#keyCount++}` as Key;
    const packed = serializeArguments(args);
    const sent = this.#sharesMemory ? isolated(packed) : packed;
    const state = this.#state.submit(fn, [key, sent, references], NO_ANNOTATIONS);
    this.#state.acquire(state);
    this.#flushSoon();
    return makeFuture<unknown>(this.#owner, state);
  }

  #drop(state: KeyState): void {
    this.#state.drop(state);
    if (this.#state.hasMessages) this.#flushSoon();
  }

  /** Messages leave at the end of the turn, so that a loop of submits is one graph. */
  #flushSoon(): void {
    if (this.#isFlushQueued) return;
    this.#isFlushQueued = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushQueued = false;
    if (this.#lost !== undefined) return;
    for (const message of this.#state.takeMessages()) this.#stream.send(message);
  }

  #beat(): void {
    if (this.#lost !== undefined) return;
    this.#state.releaseIdleFunctions();
    this.#flush();
    this.#stream.send({ op: "heartbeat-client" });
  }

  async #read(): Promise<void> {
    try {
      const { error } = await handleStream(this.#comm, (messages) => {
        for (const message of messages) { // hot: per task
          const report = parseClientReport(message);
          if (report !== undefined) this.#state.handle(report);
        }
      });
      this.#onLost(error);
    } catch (error) {
      this.#onLost(error);
    }
  }

  #onLost(cause: unknown): void {
    clearInterval(this.#heartbeat);
    this.#comm.abort();
    if (this.#closing !== undefined) return;
    const reason = cause === undefined ? "it said goodbye" : messageOf(cause);
    this.#lost = new SchedulerClosed(
      this.schedulerAddress,
      `Lost the scheduler at "${this.schedulerAddress}": ${reason}`,
      { cause },
    );
    logger.error(this.#lost.message);
    this.#state.disconnect(this.#lost.message);
  }

  async #waitFor(states: readonly KeyState[], options: DeadlineOptions | undefined): Promise<void> {
    let pending = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const onEnd = () => {
      if (--pending === 0) resolve();
    };
    const watched = states.filter((state) => !state.ended);
    pending = watched.length;
    if (pending === 0) return;
    for (const state of watched) state.watch(onEnd);
    using deadline = this.#deadline(options, describe(watched));
    try {
      await orAborted(promise, deadline.signal);
    } catch (error) {
      for (const state of watched) state.unwatch(onEnd);
      throw error;
    }
  }

  /** Values of states that ended. A result that was lost on the way is waited for again. */
  async #fetch(states: readonly KeyState[], options: DeadlineOptions | undefined): Promise<unknown[]> {
    using deadline = this.#deadline(options, describe(states));
    const fetched: Fetched = new Map();
    for (;;) {
      for (const state of states) if (state.ended && state.status !== "finished") throw this.#errorOf(state);
      const missing = await this.#gatherer.fetch(states, fetched, deadline.signal);
      if (missing.length === 0) return states.map((state) => valueOf(state, fetched));
      for (const state of missing) this.#state.lose(state);
      this.#flushSoon();
      await this.#waitFor(states, deadline);
    }
  }

  #errorOf(state: KeyState): Error {
    if (state.status === "error") return taskError(state.key, decodeError(state.exception));
    return this.#lost ?? new CancelledError(state.key, state.reason);
  }

  #deadline(options: DeadlineOptions | undefined, what: string): Deadline {
    return new Deadline(options, (ms) => new TimeoutError(`Gave up waiting for ${what} after ${ms} ms`));
  }

  async #close(): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#flush();
    this.#state.disconnect("the client was closed");
    await this.#sayGoodbye();
    this.#comm.abort();
    await this.#reading;
    await this.#pool.close();
    await this.#cluster?.close();
  }

  async #sayGoodbye(): Promise<void> {
    if (this.#lost !== undefined || this.#comm.closed) return;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new TimeoutError("No answer to a goodbye")), GOODBYE_MS);
    try {
      this.#stream.send({ op: "close-client" });
      this.#stream.send({ op: "close-stream" });
      await orAborted(this.#stream.close(), controller.signal);
      await orAborted(this.#reading, controller.signal); // the scheduler hangs up
    } catch (error) {
      logger.debug(`Goodbye to ${this.schedulerAddress} failed: ${String(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function register(comm: Comm, client: ClientId, signal: AbortSignal | undefined): Promise<void> {
  await comm.write({
    op: "register-client",
    client,
    versions: { host: {}, packages: {} },
    reply: false,
  });
  const answer = await orAborted(comm.read(), signal);
  const [start] = Array.isArray(answer) ? answer as RawMessage[] : [];
  if (start?.["op"] !== "stream-start") {
    throw new DistributedError(
      "REGISTER",
      `Cannot register with "${comm.peerAddress}": it is no scheduler, or refuses clients (answer: ${
        JSON.stringify(answer)?.slice(0, 200)
      })`,
    );
  }
  if (typeof start["error"] === "string" && start["error"] !== "") {
    throw new DistributedError("REGISTER", `Cannot register with "${comm.peerAddress}": ${start["error"]}`);
  }
  if (typeof start["warning"] === "string" && start["warning"] !== "") logger.warning(start["warning"]);
}

function describe(states: readonly KeyState[]): string {
  return states.length === 1 ? `task "${states[0]?.key}"` : `${states.length} tasks`;
}

/** Argument lists from iterables in step, as many as the shortest has. */
function zip(iterables: readonly Iterable<unknown>[]): unknown[][] {
  const [first] = iterables;
  if (first === undefined) throw new TypeError("Cannot map over nothing: give an iterable per parameter");
  if (iterables.length === 1) return Array.from(first, (value) => [value]);
  const iterators = iterables.map((iterable) => iterable[Symbol.iterator]());
  const rows: unknown[][] = [];
  for (;;) {
    const row: unknown[] = [];
    for (const iterator of iterators) {
      const next = iterator.next();
      if (next.done === true) {
        for (const other of iterators) if (other !== iterator) other.return?.();
        return rows;
      }
      row.push(next.value);
    }
    rows.push(row);
  }
}
