/**
 * The implementation of a client: the comm to the scheduler, its stream and heartbeats, the pool of comms to
 * workers, waits, and the shared states of Futures. The state of keys is in `client/state/`.
 *
 * @module
 */

import { assert } from "../internal/assert.ts";
import { normalizeAddress } from "../comm/address.ts";
import { BatchedSend } from "../rpc/batched.ts";
import type { Comm } from "../comm/comm.ts";
import { CONNECT_TIMEOUT } from "../comm/connect.ts";
import { type Platform, systemPlatform } from "../comm/platform.ts";
import { CommClosed } from "../comm/errors.ts";
import { DistributedError, messageOf, TimeoutError } from "../internal/errors.ts";
import type { LinkOptions } from "../comm/link_options.ts";
import { call } from "../rpc/call.ts";
import { RpcError } from "../rpc/errors.ts";
import { sayGoodbye } from "../rpc/goodbye.ts";
import { ConnectionPool } from "../rpc/pool.ts";
import { linkOptions } from "../comm/secure.ts";
import { defaultScheme } from "../comm/settings.ts";
import { handleStream } from "../rpc/stream.ts";
import type { Config } from "../config/config.ts";
import { announceConfig, currentConfig } from "../config/load.ts";
import { getLogger } from "../config/logging.ts";
import { TIMER_MAX_MS } from "../internal/clock.ts";
import { Deadline, type DeadlineOptions, orAborted, timeoutMs } from "../internal/deadline.ts";
import {
  type ClientStreamMessage,
  type GraphAnnotations,
  parseClientReport,
  type TaskRow,
} from "../messages/client_scheduler.ts";
import { type Address, type ClientId, type Key, MessageError } from "../messages/common.ts";
import type { FieldsOf, Operation } from "../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import { decodeError } from "../protocol/remote_error.ts";
import { Credentials } from "../security/live/credentials.ts";
import type { Security } from "../security/security.ts";
import { CancelledError, SchedulerClosed, taskError } from "./futures/errors.ts";
import {
  type CancelOptions,
  type Future,
  type FutureOwner,
  makeFuture,
  type WaitOptions,
} from "./futures/future.ts";
import { areHere, type Fetched, ResultFetcher, valuesOf } from "./fetch/results.ts";
import { sharesMemory } from "./submit/isolate.ts";
import { Rounds } from "./fetch/rounds.ts";
import { Watchers } from "./futures/watchers.ts";
import { ClientState, type ClientStateOptions } from "./state/client_state.ts";
import type { ClientEffects } from "./state/effects.ts";
import type { KeyState } from "./state/key_state.ts";
import type { ClientStimulus, FunctionBody } from "./state/stimulus.ts";

const logger = getLogger("distributed.client");

/** Milliseconds between heartbeats if the setting is null. */
const HEARTBEAT_MS = 5000;

/**
 * Seconds after which a wait for workers is repeated. A scheduler does not notice that a client has stopped
 * waiting, so no single wait lasts for ever.
 */
const WAIT_SECONDS = 10;

const FLUSH: ClientStimulus = { op: "flush" };
const TICK: ClientStimulus = { op: "tick" };

/** Options of a session. */
export interface SessionOptions extends WaitOptions {
  /** Certificates and policy. */
  security?: Security;
  /** Shown in the scheduler's logs. */
  name?: string;
  /** Configuration. */
  config?: Config;
}

/** Creates the machine; tests pass one that checks itself, or has a bug. */
export type MakeState = (options: ClientStateOptions) => ClientState;

/** A registered client of one scheduler. */
export class Session implements FutureOwner {
  /** The name under which this client is registered with the scheduler. */
  readonly id: ClientId;
  /** Clock, ids and network. */
  readonly platform: Platform;
  /** Comms for requests, to workers and to the scheduler. */
  readonly pool: ConnectionPool;
  /** Certificates and keys, kept up to date. */
  readonly credentials: Credentials;
  /** Whether payloads must be copied, because the cluster is in this program. */
  readonly sharesMemory: boolean;
  #comm: Comm;
  #stream: BatchedSend<ClientStreamMessage>;
  #fetcher: ResultFetcher;
  #state: ClientState;
  #watchers = new Watchers();
  #isFlushQueued = false;
  /** Time at which this turn began, so that the clock is not read for each submit. */
  #turn: number;
  #closing: Promise<void> | undefined;
  /** Time of the machine's next deadline, for which a timer is set. */
  #deadline = Infinity;
  #cancelTimer: (() => void) | undefined;
  #reading: Promise<void>;
  /** Why the link to the scheduler ended, if it did. */
  #lost: Error | undefined;

  private constructor(
    comm: Comm,
    id: ClientId,
    links: LinkOptions,
    heartbeatMs: number,
    platform: Platform,
    makeState: MakeState,
  ) {
    this.id = id;
    this.platform = platform;
    this.#comm = comm;
    this.#stream = new BatchedSend(comm);
    this.pool = new ConnectionPool({ ...links, expect: "worker", scheduler: comm.peerAddress, platform });
    this.credentials = new Credentials(links.context);
    this.sharesMemory = sharesMemory(comm.peerAddress);
    this.#fetcher = new ResultFetcher(this.pool, comm.peerAddress, platform);
    this.#turn = platform.clock.now();
    this.#state = makeState({ client: id, heartbeat: heartbeatMs, now: this.#turn });
    this.#handle([]);
    this.#reading = this.#read();
  }

  /** Connects to the scheduler at `address` and registers. */
  static async open(
    address: string,
    options: SessionOptions,
    platform: Platform = systemPlatform,
    makeState: MakeState = (given) => new ClientState(given),
  ): Promise<Session> {
    const { clock, ids, network } = platform;
    const { security, name, config = currentConfig() } = options;
    announceConfig(config, "client");
    const heartbeatMs = config.milliseconds("distributed.client.heartbeat") ?? HEARTBEAT_MS;
    const links = await linkOptions(security, "client", config);
    const limit = timeoutMs(options.timeout ?? links.timeout ?? CONNECT_TIMEOUT);
    const until = clock.now() + limit;
    const comm = await network.connect(normalizeAddress(address, defaultScheme(config).name), {
      ...links,
      expect: "scheduler",
      signal: options.signal,
      timeout: Math.min(limit, TIMER_MAX_MS),
      clock,
      random: () => ids.random(),
    });
    using deadline = new Deadline(
      { signal: options.signal, timeout: Math.max(until - clock.now(), 0) },
      () =>
        new TimeoutError(
          `Cannot register with "${address}": it took the link, but did not answer within ${
            limit / 1000
          } s. ` +
            `Check that it is a scheduler, and not too busy`,
        ),
      clock,
    );
    const id = `Client-${name === undefined ? "" : `${name}-`}${ids.uuid()}` as ClientId;
    try {
      await register(comm, id, deadline.signal);
    } catch (error) {
      comm.abort();
      throw error;
    }
    return new Session(comm, id, links, heartbeatMs, platform, makeState);
  }

  /** Address of the scheduler, as it was given. */
  get schedulerAddress(): Address {
    return this.#comm.peerAddress;
  }

  /** Open comms. */
  get openComms(): Comm[] {
    return [this.#comm, ...this.pool.openComms];
  }

  /** @throws {SchedulerClosed} If the session has ended. */
  checkOpen(): void {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#closing !== undefined) {
      throw new SchedulerClosed(this.schedulerAddress, "This client is closed");
    }
  }

  /** Registers a Future of a task; the message is sent at the end of the turn. */
  submit(fn: FunctionBody, row: TaskRow, annotations: GraphAnnotations): KeyState { // hot: per task
    return this.#want(row[0], { op: "submit", fn, row, annotations });
  }

  /**
   * Registers a Future of a key that may already be on the cluster; {@linkcode KeyState.ended} tells whether
   * it has ended.
   */
  desire(key: Key): KeyState {
    return this.#want(key, { op: "desire", key });
  }

  /** Registers a Future of a key that a request puts on the cluster. */
  expect(key: Key): KeyState {
    return this.#want(key, { op: "expect", key });
  }

  /** Registers a Future of a value that was stored on `workers`, and tells the scheduler. */
  announce(key: Key, workers: readonly Address[], nbytes: number): KeyState {
    return this.#want(key, { op: "announce", key, workers, nbytes });
  }

  /** Returns a Future of `state`. */
  future<T>(state: KeyState): Future<T> {
    return makeFuture<T>(this, state);
  }

  /** Calls `watcher` once, when the task ends. The task must not have ended yet. */
  watch(state: KeyState, watcher: () => void): void {
    this.#watchers.add(state, watcher);
  }

  /** Removes a watcher. */
  unwatch(state: KeyState, watcher: () => void): void {
    this.#watchers.remove(state, watcher);
  }

  /** Sends a request to the scheduler. */
  async ask<Request, Reply>(
    operation: Operation<Request, Reply>,
    request: FieldsOf<Request>,
    options: DeadlineOptions | undefined,
    what: string,
  ): Promise<Reply> {
    this.checkOpen();
    using deadline = this.deadline(options, what);
    try {
      return await this.pool.call(this.schedulerAddress, operation, request, deadline.signal);
    } catch (error) {
      if (error instanceof CommClosed) this.checkOpen();
      throw error;
    }
  }

  /**
   * Waits until `count` workers run. Returns their addresses.
   *
   * @param names Addresses, names or hosts of the workers that count; null for all.
   */
  async runningWorkers(
    count: number,
    names: readonly string[] | null,
    options: DeadlineOptions | undefined,
  ): Promise<readonly Address[]> {
    using deadline = this.deadline(options, `${count} workers`);
    const timeout = Math.min(timeoutMs(options?.timeout) / 1000, WAIT_SECONDS);
    const request = { n: count, workers: names, timeout };
    for (;;) {
      const found = await this.ask(SCHEDULER_OPERATIONS.wait_for_workers, request, deadline, "workers");
      if (found !== null) return found;
    }
  }

  /** Drops a Future. */
  drop(state: KeyState): void { // hot: per task
    this.#handle([{ op: "release", wants: [state] }]);
  }

  /** Cancels keys, see `Future.cancel`. Returns when the message was passed to the stream. */
  cancel(states: readonly KeyState[], options: CancelOptions = {}): void {
    const { force = false, reason = "cancelled by the program" } = options;
    this.#handle([{ op: "cancel", wants: states, force, reason }, FLUSH]);
  }

  /** Runs failed tasks again, see `Future.retry`. */
  async retry(states: readonly KeyState[], options: DeadlineOptions | undefined): Promise<void> {
    const { retrying } = this.#handle([{ op: "retry", wants: states }]);
    if (retrying.length === 0) return;
    const keys = retrying.map((state) => state.key);
    let running: readonly Key[] = [];
    try {
      running = await this.ask(SCHEDULER_OPERATIONS.retry, { keys, client: this.id }, options, "retry");
    } finally {
      this.#handle([{ op: "retry-answer", wants: retrying, running }, FLUSH]);
    }
  }

  /** Resolves when all tasks have ended. */
  async waitFor(states: readonly KeyState[], options: DeadlineOptions | undefined): Promise<void> {
    const watched = states.filter((state) => !state.ended);
    let pending = watched.length;
    if (pending === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const onEnd = () => {
      if (--pending === 0) resolve();
    };
    for (const state of watched) this.#watchers.add(state, onEnd);
    using deadline = this.deadline(options, describe(watched));
    try {
      await orAborted(promise, deadline.signal);
    } catch (error) {
      for (const state of watched) this.#watchers.remove(state, onEnd);
      throw error;
    }
  }

  /**
   * Returns the values of states when all have ended. If a result is lost meanwhile, it waits for it again.
   */
  async fetch(states: readonly KeyState[], options: DeadlineOptions | undefined): Promise<unknown[]> {
    using deadline = this.deadline(options, describe(states));
    const fetched: Fetched = new Map();
    const rounds = new Rounds();
    for (;;) {
      await this.waitFor(states, deadline);
      for (const state of states) if (!this.#isAvailable(state, fetched)) throw this.errorOf(state);
      const missing = await this.#bring(states, fetched, deadline.signal);
      const [first] = missing;
      if (first === undefined) {
        if (areHere(states, fetched)) return valuesOf(states, fetched);
        continue; // a result from a report was lost while the others were fetched
      }
      const pause = rounds.failed(first, (worker) => this.#fetcher.failureOf(worker));
      await this.platform.clock.sleep(pause, deadline.signal);
      this.#handle([{ op: "lacking", wants: missing }]);
    }
  }

  /** Whether the result of an ended task is available: it was fetched, or this client still wants it. */
  #isAvailable(state: KeyState, fetched: Fetched): boolean {
    if (state.ended && state.status !== "finished") return false;
    return state.result !== undefined || fetched.has(state) || this.#state.get(state.key) === state;
  }

  async #bring(
    states: readonly KeyState[],
    fetched: Fetched,
    signal: AbortSignal | undefined,
  ): Promise<KeyState[]> {
    try {
      return await this.#fetcher.fetch(states, fetched, signal);
    } catch (error) {
      if (!(error instanceof CommClosed)) throw error;
      for (const state of states) if (state.status === "cancelled") throw this.errorOf(state); // released by closing
      throw error;
    }
  }

  /** The error of a task that failed or was cancelled. */
  errorOf(state: KeyState): Error {
    if (state.status === "error") return taskError(state.key, decodeError(state.exception));
    return this.#lost ?? new CancelledError(state.key, state.reason);
  }

  /** Creates the deadline of a wait; `what` names it in errors. */
  deadline(options: DeadlineOptions | undefined, what: string): Deadline {
    const gaveUp = (ms: number) => new TimeoutError(`Gave up waiting for ${what} after ${ms} ms`);
    return new Deadline(options, gaveUp, this.platform.clock);
  }

  /** Cancels all Futures, says goodbye and closes. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  #want(key: Key, stimulus: ClientStimulus): KeyState { // hot: per task
    this.#handle([stimulus]);
    const state = this.#state.get(key);
    assert(state !== undefined, () => `"${key}" was asked for, and is not wanted`);
    return state;
  }

  /** Passes stimuli to the machine, and carries out the effects. */
  #handle(stimuli: readonly ClientStimulus[]): ClientEffects { // hot: per task
    if (!this.#isFlushQueued) this.#turn = this.platform.clock.now();
    const effects = this.#state.handle(stimuli, this.#turn);
    if (effects.messages.length > 0) this.#send(effects.messages);
    if (effects.isFlushDue) this.#flushSoon();
    if (effects.nextDeadline !== this.#deadline) this.#setTimer(effects.nextDeadline);
    this.#watchers.tell(effects.ended);
    return effects;
  }

  #send(messages: readonly ClientStreamMessage[]): void {
    try {
      for (const message of messages) this.#stream.send(message);
    } catch (error) {
      if (!(error instanceof CommClosed)) throw error; // the reading half ends as well, and reports it
    }
  }

  /** Sends messages at the end of the turn, so that a loop of submits makes one graph. */
  #flushSoon(): void {
    if (this.#isFlushQueued) return;
    this.#isFlushQueued = true;
    queueMicrotask(() => {
      this.#isFlushQueued = false;
      this.#handle([FLUSH]);
    });
  }

  #setTimer(deadline: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#deadline = deadline;
    if (deadline === Infinity) return;
    const { clock } = this.platform;
    this.#cancelTimer = clock.timer(Math.max(deadline - clock.now(), 0), () => {
      this.#deadline = Infinity;
      this.#handle([TICK, FLUSH]);
    });
  }

  async #read(): Promise<void> {
    try {
      const { error } = await handleStream(this.#comm, (messages) => {
        const reports: ClientStimulus[] = [];
        for (const message of messages) { // hot: per task
          const report = parseClientReport(message);
          if (report !== undefined) reports.push(report);
        }
        this.#handle(reports);
      });
      this.#onLost(error);
    } catch (error) {
      this.#onLost(error);
    }
  }

  #onLost(cause: unknown): void {
    this.#comm.abort();
    if (this.#closing !== undefined) return;
    const reason = cause === undefined ? "it said goodbye" : messageOf(cause);
    this.#lost = new SchedulerClosed(
      this.schedulerAddress,
      `Lost the scheduler at "${this.schedulerAddress}": ${reason}`,
      { cause },
    );
    logger.error(this.#lost.message);
    this.#handle([{ op: "disconnect", reason: this.#lost.message }]);
  }

  async #close(): Promise<void> {
    if (this.#lost === undefined) {
      this.#handle([FLUSH, { op: "disconnect", reason: "the client was closed" }]);
    }
    await this.#leave();
    this.#comm.abort();
    await this.#reading;
    await this.pool.close();
    await this.credentials.close();
  }

  async #leave(): Promise<void> {
    if (this.#lost !== undefined || this.#comm.closed) return;
    await sayGoodbye(this.schedulerAddress, this.platform.clock, async (signal) => {
      this.#stream.send({ op: "close-client" });
      this.#stream.send({ op: "close-stream" });
      await orAborted(this.#stream.close(), signal);
      await orAborted(this.#reading, signal); // the scheduler closes the link
    });
  }
}

async function register(comm: Comm, client: ClientId, signal: AbortSignal | undefined): Promise<void> {
  const refused = (why: string, options?: ErrorOptions) =>
    new DistributedError("REGISTER", `Cannot register with "${comm.peerAddress}": ${why}`, options);
  const request = { client, versions: { host: {}, packages: {} } };
  try {
    const [{ error, warning }] = await call(comm, SCHEDULER_OPERATIONS["register-client"], request, signal);
    if (error !== undefined && error !== "") throw refused(error);
    if (warning !== undefined && warning !== "") logger.warning(warning);
  } catch (cause) {
    if (!(cause instanceof MessageError || cause instanceof RpcError)) throw cause;
    throw refused(`it is no scheduler, or refuses clients (${cause.message})`, { cause });
  }
}

function describe(states: readonly KeyState[]): string {
  return states.length === 1 ? `task "${states[0]?.key}"` : `${states.length} tasks`;
}
