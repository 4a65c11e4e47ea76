/**
 * The worker's shell: a listener for peers, the stream to the scheduler, threads and timers. What it knows and
 * decides is in `worker/state/`.
 *
 * @module
 */

import { normalizeAddress } from "../comm/address.ts";
import { accessGuard } from "../rpc/guard.ts";
import { BatchedSend } from "../rpc/batched.ts";
import type { Comm, Listener } from "../comm/comm.ts";
import { TIMER_MAX_MS } from "../internal/clock.ts";
import { connect } from "../comm/connect.ts";
import { CommTimeoutError } from "../comm/errors.ts";
import { DistributedError, messageOf, TimeoutError } from "../internal/errors.ts";
import { linksOf } from "../rpc/links.ts";
import type { LinkOptions } from "../comm/link_options.ts";
import { ConnectionPool } from "../rpc/pool.ts";
import { linkOptions } from "../comm/secure.ts";
import { defaultScheme, plainTextWarning } from "../comm/settings.ts";
import { Server } from "../rpc/server.ts";
import { handleStream } from "../rpc/stream.ts";
import { announceConfig, currentConfig } from "../config/load.ts";
import { getLogger } from "../config/logging.ts";
import { Deadline, type DeadlineOptions, orAborted } from "../internal/deadline.ts";
import { Scope } from "../internal/scope.ts";
import { type Address, isRecord } from "../messages/common.ts";
import { WORKER_ACCESS } from "../messages/access.ts";
import type { LinkFacts, RegisterWorkerReply, SecurityFacts } from "../messages/rpc.ts";
import { parseWorkerCommand } from "../messages/worker_scheduler.ts";
import { Credentials } from "../security/live/credentials.ts";
import type { Security } from "../security/security.ts";
import { Commands } from "./commands.ts";
import type { Executor } from "./executor/executor.ts";
import { ThreadExecutor } from "./executor/thread_executor.ts";
import { workerHandlers } from "./handlers.ts";
import { checkAddresses, contactOf, listenForPeers } from "./listening.ts";
import { Metrics } from "./metrics.ts";
import { type WorkerOptions, type WorkerSettings, workerSettings } from "./options.ts";
import { Runner } from "./runner.ts";
import { WorkerState } from "./state/worker_state.ts";
import { DataStore } from "./memory/store.ts";

export type { WorkerOptions } from "./options.ts";

const logger = getLogger("distributed.worker");

/** Seconds between heartbeats until the scheduler says otherwise. */
const FIRST_HEARTBEAT = 1;
/** Milliseconds between signs of life on the stream (`Worker._setup_logging`, `keep-alive`). */
const KEEP_ALIVE_MS = 60_000;
/** Milliseconds that one try to reach the scheduler may take; then it is said, and tried again. */
const CONNECT_TRY_MS = 30_000;
/** Milliseconds that a goodbye to the scheduler may take. */
const GOODBYE_MS = 2000;

/**
 * Runs tasks in threads and keeps their results. Source: https://distributed.dask.org/en/stable/worker.html
 *
 * ```ts ignore
 * await using worker = await Worker.start("tls://10.0.0.5:8786", { nthreads: 4, security });
 * await worker.finished;
 * ```
 */
export class Worker implements AsyncDisposable {
  /** Where peers dial it, such as `tls://10.0.0.6:40113`. */
  readonly address: Address;
  /** Unique in the cluster. */
  readonly name: string;
  /** Tasks at once. */
  readonly nthreads: number;
  /** Resolves when it ended, by `close` or because the scheduler is gone; rejects if it failed. */
  readonly finished: Promise<void>;
  #finish: PromiseWithResolvers<void> = Promise.withResolvers();
  #comm: Comm;
  #stream: BatchedSend;
  #listener: Listener;
  #server: Server;
  #pool: ConnectionPool;
  #group = new Scope({ onError: (error) => this.#fail(error) });
  #store: DataStore;
  #state: WorkerState;
  #runner: Runner;
  #metrics = new Metrics();
  #credentials: Credentials;
  #keepAlive: ReturnType<typeof setInterval> | undefined;
  #heartbeatTimer: ReturnType<typeof setTimeout> | undefined;
  #heartbeatSeconds = FIRST_HEARTBEAT;
  #closing: Promise<void> | undefined;
  /** Whether the scheduler counts on this worker, so that it must be told. */
  #isMember = false;
  /** Whether it asked to be retired, and so expects to be forgotten. */
  #isLeaving = false;

  private constructor(options: WorkerOptions, comm: Comm, links: LinkOptions, parts: Parts) {
    this.finished = this.#finish.promise;
    this.finished.catch(() => {}); // whoever waits for it sees it
    this.#comm = comm;
    this.#stream = new BatchedSend(comm);
    this.#listener = parts.listener;
    this.#server = parts.server;
    this.#store = parts.store;
    this.#pool = new ConnectionPool({ ...links, expect: "worker", scheduler: comm.peerAddress });
    this.#credentials = new Credentials(links.context);
    this.address = parts.contact;
    this.name = options.name ?? this.address;
    this.nthreads = parts.executor.nthreads;
    this.#state = new WorkerState({
      address: this.address,
      nthreads: this.nthreads,
      ...parts.settings.state,
    });
    this.#runner = new Runner({
      state: this.#state,
      store: this.#store,
      pool: this.#pool,
      group: this.#group,
      send: (message) => {
        if (!this.#stream.closed) this.#stream.send(message); // else its end is being handled
      },
      executor: parts.executor,
      onFailure: (error) => this.#fail(error),
    });
  }

  /**
   * Starts a worker and registers it with the scheduler at `address`.
   *
   * @throws {CommAuthError} If either side refuses the other's certificate.
   * @throws {TimeoutError} If no scheduler answered within `deathTimeout`.
   * @throws {SecurityError} If certificates can't be used, or `requireEncryption` forbids the scheme.
   */
  static async start(address: string, options: WorkerOptions = {}): Promise<Worker> {
    const { config = currentConfig() } = options;
    announceConfig(config, "worker");
    const settings = workerSettings(options, config);
    const links = { ...await linkOptions(options.security, "worker", config), limits: settings.limits };
    checkAddresses(options, links);
    const scheme = defaultScheme(config);
    const scheduler = normalizeAddress(address, scheme.name);
    using deadline = new Deadline(
      { signal: options.signal, timeout: options.deathTimeout },
      (ms) => new TimeoutError(`No scheduler answered at "${scheduler}" within ${ms / 1000} s`),
    );
    await using stack = new AsyncDisposableStack();
    const comm = await reachScheduler(scheduler, links, deadline.signal);
    stack.defer(() => comm.abort());
    const store = new DataStore();
    const self: { worker?: Worker } = {}; // known at the end; peers may ask before
    const server = stack.use(
      new Server({
        name: "Worker",
        limits: settings.limits,
        handlers: workerHandlers(
          store,
          () => self.worker,
          (data) => self.worker === undefined ? {} : self.worker.#runner.takeData(data),
          settings.transfersMax,
        ),
        blockedHandlers: settings.blockedHandlers,
        access: accessGuard({ role: "worker", table: WORKER_ACCESS, context: links.context }),
      }),
    );
    const listener = await listenForPeers(server, comm, links, options);
    const contact = await contactOf(listener, options);
    const isAssumed = scheme.isAssumed && scheduler !== address && options.protocol === undefined;
    if (isAssumed && contact.startsWith("tcp://")) logger.warning(plainTextWarning(listener.listenAddress));
    const executor = stack.use(
      await ThreadExecutor.start({
        nthreads: options.nthreads ?? navigator.hardwareConcurrency,
        onOutcomes: (batch) => {
          if (self.worker !== undefined) self.worker.#runner.onOutcomes(batch);
        },
      }),
    );
    const worker = stack.use(
      new Worker(options, comm, links, { settings, store, server, listener, contact, executor }),
    );
    self.worker = worker;
    await worker.#register(deadline.signal);
    stack.move();
    worker.#run();
    return worker;
  }

  /** Address of the scheduler, as it was dialled. */
  get schedulerAddress(): Address {
    return this.#comm.peerAddress;
  }

  /** Open links of this worker. */
  links(): LinkFacts[] {
    return linksOf(this.#server.comms(), [this.#comm, ...this.#pool.openComms]);
  }

  /**
   * Has the results of `workers`, which are of one cluster, copied to others, then closes them. Closes them anyway if
   * that fails, if nobody can take the results, and as soon as one of them is closed. Does not reject for these.
   *
   * @param options Limits the copying.
   */
  static async closeGracefully(workers: readonly Worker[], options?: DeadlineOptions): Promise<void> {
    const leaving = workers.filter((worker) => worker.#isMember && worker.#closing === undefined);
    const [first] = leaving;
    if (first !== undefined) await first.#askToRetire(leaving, options);
    await Promise.all(workers.map((worker) => worker.close()));
  }

  /** Certificates around it, and whom it refused; nothing without TLS. */
  security(): SecurityFacts | undefined {
    return this.#credentials.facts();
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
    return this.#credentials.reload(security);
  }

  /** Leaves the cluster and ends; tasks that run are not waited for. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Same as {@linkcode Worker.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #register(signal: AbortSignal | undefined): Promise<void> {
    if (this.#comm.peerInfo.javascript === undefined) {
      throw new DistributedError(
        "REGISTER",
        `Cannot register with "${this.#comm.peerAddress}": it is a scheduler of Python, whose tasks this worker can't run`,
      );
    }
    await this.#comm.write({
      op: "register-worker",
      reply: false,
      address: this.address,
      status: "init",
      nthreads: this.nthreads,
      name: this.name,
      now: Date.now() / 1000,
      resources: {},
      memory_limit: null,
      local_directory: "",
      services: {},
      nanny: null,
      pid: Deno.pid,
      versions: { host: {}, packages: {} },
      metrics: { ...this.#metrics.sample(0, {}), ...this.#credentials.metrics() },
      extra: { runtime: "deno" },
      stimulus_id: `worker-connect-${this.name}`,
      server_id: `Worker-${crypto.randomUUID()}`,
    });
    const answer = await orAborted(this.#comm.read(), signal);
    const reply = (isRecord(answer) ? answer : {}) as Partial<RegisterWorkerReply>;
    if (reply.status !== "OK") {
      const why = reply.message ?? "it is no scheduler, or does not take workers of this kind";
      throw new DistributedError("REGISTER", `Cannot register with "${this.#comm.peerAddress}": ${why}`);
    }
    this.#isMember = true;
    this.#heartbeatSeconds = reply["heartbeat-interval"] ?? FIRST_HEARTBEAT;
    logger.info(`      Start worker at: ${this.address.padStart(26)}`);
    logger.info(`          Worker name: ${this.name.padStart(26)}`);
    logger.info(`              Threads: ${String(this.nthreads).padStart(26)}`);
    logger.info(`        Registered to: ${this.#comm.peerAddress.padStart(26)}`);
  }

  #run(): void {
    this.#stream.send({
      op: "worker-status-change",
      status: "running",
      stimulus_id: `worker-status-change-${this.name}`,
    });
    this.#keepAlive = setInterval(() => {
      if (!this.#stream.closed) this.#stream.send({ op: "keep-alive" });
    }, KEEP_ALIVE_MS);
    this.#group.add(() => this.#read());
    this.#scheduleHeartbeat();
  }

  async #read(): Promise<void> {
    const commands = new Commands(this.#runner, {
      onClose: (reason) => {
        this.#isMember = false;
        if (this.#closing === undefined) logger.info(`Told to close: ${reason}`);
        this.closeSoon();
      },
      onPeerGone: (peer) => this.#pool.remove(peer), // what waits for it tries others
      onStatus: (status) => {
        if (this.#stream.closed) return;
        this.#stream.send({
          op: "worker-status-change",
          status,
          stimulus_id: `worker-status-change-${this.name}`,
        });
      },
    });
    try {
      await handleStream(this.#comm, (messages) => commands.handle(messages.map(parseWorkerCommand)));
      this.#isMember = false;
      if (this.#closing === undefined) logger.info("Connection to scheduler broken. Closing");
    } catch (error) {
      logger.error(`Closing: the scheduler said something unusable: ${messageOf(error)}`);
    }
    this.closeSoon();
  }

  /** As {@linkcode Worker.close}, for callers that the closing waits for. */
  closeSoon(): void {
    this.close().catch((error) => logger.error(`Closing failed: ${messageOf(error)}`));
  }

  #scheduleHeartbeat(): void {
    if (this.#closing !== undefined) return;
    this.#heartbeatTimer = setTimeout(() => {
      this.#group.add(async (signal) => {
        await this.#heartbeat(signal);
        this.#scheduleHeartbeat();
      });
    }, Math.min(this.#heartbeatSeconds * 1000, TIMER_MAX_MS));
  }

  async #heartbeat(signal: AbortSignal): Promise<void> {
    if (this.#state.hasMissing) {
      this.#runner.handle([{ op: "find-missing", stimulus_id: this.#runner.stimulusId("find-missing") }]);
    }
    const now = Date.now() / 1000;
    try {
      const reply = await this.#pool.call(this.#comm.peerAddress, {
        op: "heartbeat_worker",
        address: this.address,
        now,
        metrics: {
          ...this.#metrics.sample(this.#store.nbytes, this.#state.counts()),
          ...this.#credentials.metrics(),
        },
        executing: this.#runner.executing(),
        extensions: {},
      }, signal);
      if (reply.status === "missing") {
        if (this.#isLeaving) return;
        logger.error("The scheduler does not know this worker. Closing");
        this.closeSoon();
        return;
      }
      this.#heartbeatSeconds = reply["heartbeat-interval"] ?? this.#heartbeatSeconds;
    } catch (error) {
      if (signal.aborted) return;
      logger.warning(`Heartbeat failed: ${messageOf(error)}`); // the stream tells if the scheduler is gone
    }
  }

  /** A bug: going on would give wrong results. */
  #fail(error: unknown): void {
    logger.error(`Worker failed: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
    this.#finish.reject(error);
    this.closeSoon();
  }

  async #askToRetire(leaving: readonly Worker[], options: DeadlineOptions | undefined): Promise<void> {
    for (const worker of leaving) {
      worker.#isLeaving = true;
      logger.info(`Closing worker gracefully: ${worker.address}`);
    }
    using deadline = new Deadline(options, (ms) => new TimeoutError(`it took longer than ${ms / 1000} s`));
    const ends = leaving.map((worker) => worker.#group.signal);
    if (deadline.signal !== undefined) ends.push(deadline.signal);
    const addresses = leaving.map((worker) => worker.address);
    try {
      const retired = await this.#pool.call(this.schedulerAddress, {
        op: "retire_workers",
        workers: addresses,
        close_workers: false,
        remove: true,
        stimulus_id: `worker-close-gracefully-${Date.now() / 1000}`,
      }, AbortSignal.any(ends));
      const kept = addresses.filter((address) => !Object.hasOwn(retired, address));
      if (kept.length > 0) logger.warning(`Nobody could take the results of ${kept.join(", ")}`);
    } catch (error) {
      if (this.#closing === undefined) {
        logger.warning(`Closing without having moved all results: ${messageOf(error)}`);
      }
    }
  }

  async #close(): Promise<void> {
    clearInterval(this.#keepAlive);
    clearTimeout(this.#heartbeatTimer);
    logger.info(`Stopping worker at ${this.address}`);
    this.#runner.close();
    await this.#listener.close();
    await this.#sayGoodbye();
    this.#group.abort();
    this.#comm.abort();
    await this.#runner.executor.close();
    await this.#server.close();
    await this.#pool.close();
    await this.#credentials.close();
    await this.#group.idle();
    this.#finish.resolve();
  }

  /** So that the scheduler does not take it for a crash. */
  async #sayGoodbye(): Promise<void> {
    if (!this.#isMember || this.#comm.closed) return;
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new TimeoutError("No answer to a goodbye")), GOODBYE_MS);
    try {
      await this.#pool.call(this.#comm.peerAddress, {
        op: "unregister",
        address: this.address,
        stimulus_id: `worker-close-${this.name}`,
      }, controller.signal);
      this.#stream.send({ op: "close-stream" });
      await orAborted(this.#stream.close(), controller.signal);
    } catch (error) {
      logger.debug(`Goodbye to the scheduler failed: ${messageOf(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }
}

interface Parts {
  readonly settings: WorkerSettings;
  readonly store: DataStore;
  readonly server: Server;
  readonly listener: Listener;
  readonly contact: Address;
  readonly executor: Executor;
}

/** Dials the scheduler until it answers, as Dask's workers do. A refused certificate is final. */
async function reachScheduler(
  address: Address,
  links: LinkOptions,
  signal: AbortSignal | undefined,
): Promise<Comm> {
  for (;;) {
    logger.info(`Waiting to connect to: ${address.padStart(26)}`);
    try {
      return await connect(address, { ...links, expect: "scheduler", signal, timeout: CONNECT_TRY_MS });
    } catch (error) {
      if (!(error instanceof CommTimeoutError)) throw error;
      logger.warning(error.message);
    }
  }
}
