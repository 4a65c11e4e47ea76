/**
 * What a worker is behind its face: a listener for peers, the stream to the scheduler, an executor,
 * heartbeats. What it knows and decides is in `worker/state/`.
 *
 * @module
 */

import { normalizeAddress } from "../comm/address.ts";
import type { Comm, Listener } from "../comm/comm.ts";
import { CommTimeoutError } from "../comm/errors.ts";
import type { LinkOptions } from "../comm/link_options.ts";
import { type Platform, systemPlatform } from "../comm/platform.ts";
import { linkOptions } from "../comm/secure.ts";
import { defaultScheme, plainTextWarning } from "../comm/settings.ts";
import { currentConfig } from "../config/load.ts";
import { getLogger } from "../config/logging.ts";
import { Deadline, type DeadlineOptions } from "../internal/deadline.ts";
import { messageOf, TimeoutError } from "../internal/errors.ts";
import { Scope } from "../internal/scope.ts";
import type { Address, WorkerStatus } from "../messages/common.ts";
import type { LinkFacts, SecurityFacts } from "../messages/facts.ts";
import type { HeartbeatWorkerReply, RegisterWorker } from "../messages/membership.ts";
import type { FieldsOf } from "../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../messages/worker_operations.ts";
import { sayGoodbye } from "../rpc/goodbye.ts";
import { accessGuard } from "../rpc/guard.ts";
import { serve } from "../rpc/handlers.ts";
import { linksOf } from "../rpc/links.ts";
import { ConnectionPool } from "../rpc/pool.ts";
import { Server } from "../rpc/server.ts";
import { Credentials } from "../security/live/credentials.ts";
import type { Security } from "../security/security.ts";
import { Commands } from "./commands.ts";
import type { Executor, StartExecutor } from "./executor/executor.ts";
import { ThreadExecutor } from "./executor/threads/thread_executor.ts";
import { Heartbeats } from "./heartbeats.ts";
import { checkAddresses, contactOf, listenForPeers } from "./listening.ts";
import { MemoryStore } from "./memory/memory_store.ts";
import type { Store } from "./memory/store.ts";
import { Metrics, type ProcessUsage } from "./metrics.ts";
import { type ServedWorker, workerOperations } from "./operations.ts";
import { type WorkerOptions, type WorkerSettings, workerSettings } from "./options.ts";
import { Performer } from "./performer.ts";
import { SchedulerStream } from "./scheduler_stream.ts";
import { WorkerState, type WorkerStateOptions } from "./state/worker_state.ts";

const logger = getLogger("distributed.worker");

/** Milliseconds that one try to reach the scheduler may take; then it is said, and tried again. */
const CONNECT_TRY_MS = 30_000;

/** What a worker can be given to run on. What is left out is this machine, and threads of this process. */
export interface WorkerParts {
  /** Time, ids and links. */
  readonly platform?: Platform;
  /** Starts what runs tasks. */
  readonly startExecutor?: StartExecutor;
  /** Keeps results. */
  readonly store?: Store;
  /** Makes the machine. */
  readonly makeState?: (options: WorkerStateOptions) => WorkerState;
  /** What the process uses, for the metrics. */
  readonly usage?: () => ProcessUsage;
}

/** What is there before the worker is. */
interface Made {
  readonly platform: Platform;
  readonly settings: WorkerSettings;
  readonly links: LinkOptions;
  readonly comm: Comm;
  readonly server: Server;
  readonly listener: Listener;
  readonly contact: Address;
  readonly executor: Executor;
  readonly store: Store;
}

/** A worker that runs. */
export class WorkerShell implements ServedWorker, AsyncDisposable {
  /** Where peers dial it. */
  readonly address: Address;
  /** Unique in the cluster. */
  readonly name: string;
  /** Tasks at once. */
  readonly nthreads: number;
  /** Resolves when it ended, by `close` or because the scheduler is gone; rejects if it failed. */
  readonly finished: Promise<void>;
  readonly #finish: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #platform: Platform;
  readonly #stream: SchedulerStream;
  readonly #listener: Listener;
  readonly #server: Server;
  readonly #pool: ConnectionPool;
  readonly #scope = new Scope({ onError: (error) => this.#fail(error) });
  readonly #executor: Executor;
  readonly #store: Store;
  readonly #state: WorkerState;
  readonly #performer: Performer;
  readonly #metrics: Metrics;
  readonly #credentials: Credentials;
  readonly #heartbeats: Heartbeats;
  #closing: Promise<void> | undefined;
  /** Whether the scheduler counts on this worker, so that it must be told. */
  #isMember = false;
  /** Whether it asked to be retired, and so expects to be forgotten. */
  #isLeaving = false;

  private constructor(options: WorkerOptions, made: Made, parts: WorkerParts) {
    const { platform, links, comm, executor } = made;
    const { makeState = (given) => new WorkerState(given) } = parts;
    this.finished = this.#finish.promise;
    this.finished.catch(() => {}); // callers that wait for it see it
    this.#platform = platform;
    this.#stream = new SchedulerStream(comm, platform.clock);
    this.#listener = made.listener;
    this.#server = made.server;
    this.#executor = executor;
    this.#store = made.store;
    this.#pool = new ConnectionPool({ ...links, expect: "worker", scheduler: comm.peerAddress, platform });
    this.#credentials = new Credentials(links.context);
    this.#metrics = new Metrics(platform.clock, parts.usage);
    this.address = made.contact;
    this.name = options.name ?? this.address;
    this.nthreads = executor.nthreads;
    this.#state = makeState({ address: this.address, nthreads: this.nthreads, ...made.settings.state });
    this.#performer = new Performer({
      clock: platform.clock,
      state: this.#state,
      store: this.#store,
      scope: this.#scope,
      executor,
      peers: {
        getData: (worker, keys, signal) =>
          this.#pool.call(worker, WORKER_OPERATIONS.get_data, { keys, who: this.address }, signal),
      },
      send: (message) => this.#stream.send(message),
      onFailure: (error) => this.#fail(error),
    });
    this.#heartbeats = new Heartbeats({
      clock: platform.clock,
      scope: this.#scope,
      send: (signal) => this.#sendHeartbeat(signal),
      onUnknown: () => this.#onUnknown(),
    });
  }

  /**
   * Starts a worker, and registers it with the scheduler at `address`.
   *
   * @throws {CommAuthError} If one side refuses the other's certificate.
   * @throws {TimeoutError} If no scheduler answered within `deathTimeout`.
   * @throws {SecurityError} If certificates can't be used, or `requireEncryption` forbids plain text.
   */
  static async start(
    address: string,
    options: WorkerOptions = {},
    parts: WorkerParts = {},
  ): Promise<WorkerShell> {
    const { platform = systemPlatform, startExecutor = ThreadExecutor.start, store = new MemoryStore() } =
      parts;
    const { config = currentConfig() } = options;
    const settings = workerSettings(options, config);
    const links = { ...await linkOptions(options.security, "worker", config), limits: settings.limits };
    checkAddresses(options, links);
    const scheme = defaultScheme(config);
    const scheduler = normalizeAddress(address, scheme.name);
    using deadline = new Deadline(
      { signal: options.signal, timeout: options.deathTimeout },
      (ms) => new TimeoutError(`No scheduler answered at "${scheduler}" within ${ms / 1000} s`),
      platform.clock,
    );
    await using stack = new AsyncDisposableStack();
    const comm = await reachScheduler(scheduler, links, deadline.signal, platform);
    stack.defer(() => comm.abort());
    const self: { shell?: WorkerShell } = {}; // known at the end; peers may ask before
    const server = stack.use(
      new Server({
        name: "Worker",
        platform,
        limits: settings.limits,
        operations: serve(
          WORKER_OPERATIONS,
          workerOperations(
            store,
            () => self.shell,
            (data) => self.shell === undefined ? {} : self.shell.#performer.takeData(data),
            settings.transfersMax,
            platform.clock,
          ),
        ),
        blockedHandlers: settings.blockedHandlers,
        access: accessGuard({ role: "worker", context: links.context }),
      }),
    );
    const listener = await listenForPeers(server, comm, links, options);
    const contact = await contactOf(listener, options);
    const isAssumed = scheme.isAssumed && scheduler !== address && options.protocol === undefined;
    if (isAssumed && contact.startsWith("tcp://")) logger.warning(plainTextWarning(listener.listenAddress));
    const executor = stack.use(
      await startExecutor({
        nthreads: options.nthreads ?? navigator.hardwareConcurrency,
        onOutcomes: (batch) => {
          if (self.shell !== undefined) self.shell.#performer.onOutcomes(batch);
        },
      }),
    );
    const made = { platform, settings, links, comm, server, listener, contact, executor, store };
    const shell = stack.use(new WorkerShell(options, made, parts));
    self.shell = shell;
    await shell.#register(deadline.signal);
    stack.move();
    return shell;
  }

  /** Address of the scheduler, as it was given. */
  get schedulerAddress(): Address {
    return this.#stream.address;
  }

  /** Open links of this worker. */
  links(): LinkFacts[] {
    return linksOf(this.#server.comms(), [this.#stream.comm, ...this.#pool.openComms]);
  }

  /** Has the results of `workers` copied to others, then closes them: see `Worker.closeGracefully`. */
  static async closeGracefully(workers: readonly WorkerShell[], options?: DeadlineOptions): Promise<void> {
    const leaving = workers.filter((worker) => worker.#isMember && worker.#closing === undefined);
    const [first] = leaving;
    if (first !== undefined) await first.#askToRetire(leaving, options);
    await Promise.all(workers.map((worker) => worker.close()));
  }

  /** Its certificate, its peers' certificates and its refusals; `undefined` without TLS. */
  security(): SecurityFacts | undefined {
    return this.#credentials.facts();
  }

  /** Reads certificates, keys and revocation lists again: see `Worker.reloadSecurity`. */
  reloadSecurity(security?: Security): Promise<void> {
    return this.#credentials.reload(security);
  }

  /** Leaves the cluster and ends, without waiting for running tasks. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Same as {@linkcode WorkerShell.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** As {@linkcode WorkerShell.close}, for callers that the closing waits for. */
  closeSoon(): void {
    this.close().catch((error) => logger.error(`Closing failed: ${messageOf(error)}`));
  }

  /** Becomes a member of the cluster. */
  async #register(signal: AbortSignal | undefined): Promise<void> {
    const reply = await this.#stream.register(this.#registration(), signal);
    this.#isMember = true;
    logger.info(`      Start worker at: ${this.address.padStart(26)}`);
    logger.info(`          Worker name: ${this.name.padStart(26)}`);
    logger.info(`              Threads: ${String(this.nthreads).padStart(26)}`);
    logger.info(`        Registered to: ${this.schedulerAddress.padStart(26)}`);
    this.#tellStatus("running");
    this.#scope.add(() => this.#read());
    this.#heartbeats.start(reply["heartbeat-interval"]);
  }

  #registration(): FieldsOf<RegisterWorker> {
    return {
      address: this.address,
      status: "init",
      nthreads: this.nthreads,
      name: this.name,
      now: this.#platform.clock.time(),
      resources: {},
      memory_limit: null,
      local_directory: "",
      services: {},
      nanny: null,
      pid: Deno.pid,
      versions: { host: {}, packages: {} },
      metrics: { ...this.#metrics.sample(this.#store.nbytes, {}), ...this.#credentials.metrics() },
      extra: { runtime: "deno" },
      stimulus_id: `worker-connect-${this.name}`,
      server_id: `Worker-${this.#platform.ids.uuid()}`,
    };
  }

  #tellStatus(status: WorkerStatus): void {
    const stimulus_id = `worker-status-change-${this.name}`;
    this.#stream.send({ op: "worker-status-change", status, stimulus_id });
  }

  async #read(): Promise<void> {
    const commands = new Commands(this.#performer, {
      onClose: (reason) => {
        this.#isMember = false;
        if (this.#closing === undefined) logger.info(`Told to close: ${reason}`);
        this.closeSoon();
      },
      onPeerGone: (peer) => this.#pool.remove(peer), // what waits for it tries others
      onStatus: (status) => this.#tellStatus(status),
    });
    try {
      await this.#stream.read((batch) => commands.handle(batch));
      this.#isMember = false;
      if (this.#closing === undefined) logger.info("Connection to scheduler broken. Closing");
    } catch (error) {
      logger.error(`Closing: the scheduler said something unusable: ${messageOf(error)}`);
    }
    this.closeSoon();
  }

  #sendHeartbeat(signal: AbortSignal): Promise<HeartbeatWorkerReply> {
    return this.#pool.call(this.schedulerAddress, SCHEDULER_OPERATIONS.heartbeat_worker, {
      address: this.address,
      now: this.#platform.clock.time(),
      metrics: {
        ...this.#metrics.sample(this.#store.nbytes, this.#state.counts()),
        ...this.#credentials.metrics(),
      },
      executing: this.#performer.executing(),
      extensions: {},
    }, signal);
  }

  #onUnknown(): void {
    if (this.#isLeaving) return;
    logger.error("The scheduler does not know this worker. Closing");
    this.closeSoon();
  }

  /** A bug: going on would give wrong results. */
  #fail(error: unknown): void {
    logger.error(`Worker failed: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
    this.#finish.reject(error);
    this.closeSoon();
  }

  async #askToRetire(leaving: readonly WorkerShell[], options: DeadlineOptions | undefined): Promise<void> {
    for (const worker of leaving) {
      worker.#isLeaving = true;
      logger.info(`Closing worker gracefully: ${worker.address}`);
    }
    const { clock } = this.#platform;
    using deadline = new Deadline(
      options,
      (ms) => new TimeoutError(`it took longer than ${ms / 1000} s`),
      clock,
    );
    const ends = leaving.map((worker) => worker.#scope.signal);
    if (deadline.signal !== undefined) ends.push(deadline.signal);
    const addresses = leaving.map((worker) => worker.address);
    try {
      const retired = await this.#pool.call(this.schedulerAddress, SCHEDULER_OPERATIONS.retire_workers, {
        workers: addresses,
        close_workers: false,
        remove: true,
        stimulus_id: `worker-close-gracefully-${clock.time()}`,
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
    this.#heartbeats.stop();
    logger.info(`Stopping worker at ${this.address}`);
    this.#performer.close();
    await this.#listener.close();
    await this.#leave();
    this.#scope.abort();
    this.#stream.abort();
    await this.#executor.close();
    await this.#server.close();
    await this.#pool.close();
    await this.#credentials.close();
    await this.#scope.idle();
    this.#finish.resolve();
  }

  /** So that the scheduler does not take it for a crash. */
  async #leave(): Promise<void> {
    if (!this.#isMember || this.#stream.comm.closed) return;
    await sayGoodbye(this.schedulerAddress, this.#platform.clock, async (signal) => {
      await this.#pool.call(this.schedulerAddress, SCHEDULER_OPERATIONS.unregister, {
        address: this.address,
        stimulus_id: `worker-close-${this.name}`,
      }, signal);
      await this.#stream.end(signal);
    });
  }
}

/** Dials the scheduler until it answers, as Dask's workers do. A refused certificate is final. */
async function reachScheduler(
  address: Address,
  links: LinkOptions,
  signal: AbortSignal | undefined,
  { network, clock, ids }: Platform,
): Promise<Comm> {
  for (;;) {
    logger.info(`Waiting to connect to: ${address.padStart(26)}`);
    try {
      return await network.connect(address, {
        ...links,
        expect: "scheduler",
        signal,
        timeout: CONNECT_TRY_MS,
        clock,
        random: () => ids.random(),
      });
    } catch (error) {
      if (!(error instanceof CommTimeoutError)) throw error;
      logger.warning(error.message);
    }
  }
}
