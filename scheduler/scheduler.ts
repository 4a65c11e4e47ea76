/**
 * The scheduler's shell: a listener, the streams of clients and workers, and timers. What it knows and decides is
 * in `scheduler/state/`.
 *
 * @module
 */

import { addressHost, formatAddress } from "../comm/address.ts";
import { accessGuard } from "../rpc/guard.ts";
import { serve } from "../rpc/handlers.ts";
import { Backlogs } from "../rpc/fairness/backlog.ts";
import { BatchedSend } from "../rpc/batched.ts";
import { CommClosed } from "../comm/errors.ts";
import { TimeoutError } from "../internal/errors.ts";
import type { Comm, Listener } from "../comm/comm.ts";
import { isLoopback, resolveAddress } from "../comm/host.ts";
import { linksOf } from "../rpc/links.ts";
import type { LinkOptions } from "../comm/link_options.ts";
import { PeerLog } from "../comm/peer_log.ts";
import { ConnectionPool } from "../rpc/pool.ts";
import { linkOptions } from "../comm/secure.ts";
import { plainTextWarning } from "../comm/settings.ts";
import { Server } from "../rpc/server.ts";
import { handleStream, type StreamEnd } from "../rpc/stream.ts";
import { announceConfig, currentConfig } from "../config/load.ts";
import { getLogger } from "../config/logging.ts";
import { Deadline } from "../internal/deadline.ts";
import { type ClientReport, parseClientStreamMessage } from "../messages/client_scheduler.ts";
import { type Address, type ClientId, type Key, MessageError } from "../messages/common.ts";
import type { LinkFacts, SchedulerIdentity, WorkerIdentity } from "../messages/facts.ts";
import type { RegisterClient, RegisterWorker, RegisterWorkerReply } from "../messages/membership.ts";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import { parseWorkerStreamMessage, type WorkerStreamMessage } from "../messages/worker_scheduler.ts";
import { FrameError } from "../protocol/frames.ts";
import { MsgpackError } from "../protocol/message.ts";
import { encodeError } from "../protocol/remote_error.ts";
import { Credentials } from "../security/live/credentials.ts";
import type { Security } from "../security/security.ts";
import { Departures, type RetireOptions } from "./departures.ts";
import { checkSpeaksFor, contactRefusal, permitted } from "./access.ts";
import { checkFunctions } from "./functions.ts";
import { Gatherer } from "./gather.ts";
import { schedulerIdentity, workerIdentity } from "./identity.ts";
import { schedulerOperations } from "./operations.ts";
import { type SchedulerOptions, type SchedulerSettings, schedulerSettings } from "./options.ts";
import { SchedulerFile } from "./scheduler_file.ts";
import { SchedulerState } from "./state/scheduler_state.ts";

export type { SchedulerOptions } from "./options.ts";

const logger = getLogger("distributed.scheduler");
const peers = PeerLog.warnings(logger);

const UNKNOWN_ADDRESS =
  "The address above is for this machine only: its other addresses are not known without " +
  "--allow-sys=networkInterfaces. Add that, or name one by --host, if workers or clients run elsewhere";

/** Port that schedulers listen on if nothing else is said. */
const DEFAULT_PORT = 8786;
/** Milliseconds that goodbyes to peers may take. */
const GOODBYE_MS = 2000;
/** Milliseconds between looks at the idle time-out, as in Dask. */
const IDLE_CHECK_MS = 250;

/**
 * Places tasks on workers. Source: https://distributed.dask.org/en/stable/scheduling-state.html
 *
 * ```ts ignore
 * await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
 * console.log(scheduler.address); // tls://127.0.0.1:40112
 * ```
 */
export class Scheduler implements AsyncDisposable {
  /** `Scheduler-<uuid>`. */
  readonly id: string = `Scheduler-${crypto.randomUUID()}`;
  /** Resolves when it ended, by `close` or by itself; rejects if it failed. */
  readonly finished: Promise<void>;
  #finish: PromiseWithResolvers<void> = Promise.withResolvers();
  #state: SchedulerState;
  #server: Server;
  #pool: ConnectionPool;
  #listener: Listener | undefined;
  #clients = new Map<ClientId, BatchedSend>();
  #backlogs: Backlogs;
  #workers = new Map<Address, BatchedSend>();
  #registrations = new Map<Address, RegisterWorker>();
  /** Where workers registered. */
  #workerComms = new Map<Address, Comm>();
  #started = Date.now() / 1000;
  #idleSince = Date.now();
  #idleTimer: ReturnType<typeof setInterval> | undefined;
  #departures: Departures;
  #gatherer: Gatherer;
  #credentials: Credentials;
  #links: LinkOptions;
  #file: SchedulerFile | undefined;
  #closing: Promise<void> | undefined;

  private constructor(settings: SchedulerSettings, links: LinkOptions) {
    this.finished = this.#finish.promise;
    this.finished.catch(() => {}); // whoever waits for it sees it
    this.#state = new SchedulerState({ ...settings.state, encodeError });
    this.#departures = new Departures({
      state: this.#state,
      stimulate: (stimulus) => this.#stimulate(stimulus),
      stream: (address) => this.#workers.get(address),
      dropLinks: (address) => {
        this.#pool.remove(address);
        this.#gatherer.forget(address);
      },
      identityOf: (worker) => workerIdentity(worker, this.#registrations.get(worker.address)),
    }, settings.workerTtl);
    this.#pool = new ConnectionPool({ ...links, expect: "worker" });
    this.#gatherer = new Gatherer({
      pool: this.#pool,
      holders: (keys) => this.#state.whoHas(keys),
      onLacking: (worker, keys) => this.#dropReplicas(worker, keys),
    });
    this.#credentials = new Credentials(links.context);
    this.#links = links;
    this.#backlogs = new Backlogs(settings.limits);
    this.#server = new Server({
      name: "Scheduler",
      limits: settings.limits,
      blockedHandlers: settings.blockedHandlers,
      access: accessGuard({ role: "scheduler", context: links.context }),
      operations: serve(
        SCHEDULER_OPERATIONS,
        schedulerOperations({
          state: this.#state,
          pool: this.#pool,
          gatherer: this.#gatherer,
          departures: this.#departures,
          stimulate: (stimulus) => this.#stimulate(stimulus),
          identity: (nWorkers) => this.#identity(nWorkers),
          links: () => this.links(),
          hasClient: (client) => this.#clients.has(client),
          checkSpeaksFor: (comm, op, address) => this.#checkSpeaksFor(comm, op, address),
          serveClient: (request, comm) => this.#serveClient(request, comm),
          serveWorker: (request, comm) => this.#serveWorker(request, comm),
          closeSoon: () => this.#closeSoon(),
        }),
      ),
    });
    const { idleTimeout } = settings;
    if (idleTimeout !== undefined) {
      this.#idleTimer = setInterval(() => this.#checkIdle(idleTimeout), IDLE_CHECK_MS);
    }
  }

  /**
   * Starts a scheduler.
   *
   * @throws {SecurityError} If certificates can't be used, or `requireEncryption` forbids the scheme.
   * @throws {Deno.errors.AddrInUse} If the port is taken.
   */
  static async start(options: SchedulerOptions = {}): Promise<Scheduler> {
    const { security, host = "", port = DEFAULT_PORT, config = currentConfig(), schedulerFile } = options;
    announceConfig(config, "scheduler");
    if (schedulerFile !== undefined) SchedulerFile.check(schedulerFile);
    const settings = schedulerSettings(options, config);
    const { protocol } = settings;
    const links = { ...await linkOptions(security, "scheduler", config), limits: settings.limits };
    const scheduler = new Scheduler(settings, links);
    try {
      scheduler.#listener = await scheduler.#server.listen(
        protocol === "inproc" ? "inproc://" : formatAddress(protocol, host, port),
        links,
      );
      if (schedulerFile !== undefined) {
        scheduler.#file = await SchedulerFile.write(schedulerFile, scheduler.identity());
      }
    } catch (error) {
      await scheduler.close();
      throw error;
    }
    const { listenAddress } = scheduler.#listener;
    if (protocol === "tcp" && settings.isProtocolAssumed) logger.warning(plainTextWarning(listenAddress));
    logger.info(`State start`);
    logger.info(`  Scheduler at: ${scheduler.address.padStart(26)}`);
    if (listenAddress !== scheduler.address) {
      logger.info(`  Listening on: ${listenAddress.padStart(26)}`);
      if (isLoopback(addressHost(scheduler.address))) logger.warning(UNKNOWN_ADDRESS);
    }
    return scheduler;
  }

  /** Contact address, such as `tls://10.0.0.5:8786`. */
  get address(): Address {
    return this.#listener?.contactAddress ?? "" as Address;
  }

  /** What `identity` answers: itself and its workers. */
  identity(): SchedulerIdentity {
    return this.#identity(-1);
  }

  /** Open links of this scheduler. */
  links(): LinkFacts[] {
    return linksOf(this.#server.comms(), this.#pool.openComms);
  }

  /**
   * Empties workers, so that no result is lost, and removes them. Returns those that worked: a worker whose results
   * nobody else can take goes on.
   */
  retireWorkers(options: RetireOptions): Promise<Record<Address, WorkerIdentity>> {
    return this.#departures.retire(options);
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

  /** Tells clients and workers goodbye and ends. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Same as {@linkcode Scheduler.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#idleTimer);
    this.#file?.[Symbol.dispose]();
    this.#departures.close();
    if (this.#listener !== undefined) logger.info("Scheduler closing");
    await this.#listener?.close();
    for (const stream of this.#workers.values()) {
      if (!stream.closed) stream.send({ op: "close", reason: "scheduler-close" });
    }
    for (const stream of this.#clients.values()) if (!stream.closed) stream.send({ op: "stream-closed" });
    const streams = [...this.#workers.values(), ...this.#clients.values()];
    using deadline = new Deadline({ timeout: GOODBYE_MS }, () => new TimeoutError("Peers do not read"));
    await Promise.all(streams.map((stream) => stream.close(deadline.signal)));
    await this.#server.close();
    await this.#pool.close();
    await this.#credentials.close();
    this.#finish.resolve();
  }

  /** A bug: going on would give wrong results. */
  #fail(error: unknown): void {
    logger.error(
      `Scheduler failed: ${error instanceof Error ? error.stack ?? error.message : String(error)}`,
    );
    this.#finish.reject(error);
    void this.close().catch(() => {});
  }

  /** Runs a stimulus, and sends what came of it. */
  #stimulate(stimulus: (now: number) => void): void {
    if (this.#closing !== undefined) return;
    try {
      stimulus(Date.now() / 1000);
    } catch (error) {
      if (error instanceof MessageError) throw error;
      this.#fail(error);
      return;
    }
    this.#flush();
  }

  #flush(): void {
    const { toWorker, toClient } = this.#state.takeOutbox();
    for (const [address, messages] of toWorker) sendAll(this.#workers.get(address), messages);
    for (const [id, messages] of toClient) {
      const stream = this.#clients.get(id);
      sendAll(stream, stream?.isBehind === true ? messages.map(withoutResult) : messages);
    }
  }

  async #serveClient({ client }: RegisterClient, comm: Comm): Promise<void> {
    if (this.#clients.has(client)) {
      throw new MessageError(`Cannot register client "${client}": it is connected`);
    }
    const stream = new BatchedSend(comm, { backlogs: this.#backlogs });
    this.#clients.set(client, stream);
    logger.info(`Receive client connection: ${client}`);
    try {
      stream.send({ op: "stream-start", warning: "", error: "" });
      this.#stimulate((now) => this.#state.addClient(client, now));
      const end = await handleStream(comm, (batch) => {
        const messages = permitted(
          batch.map(parseClientStreamMessage),
          comm,
          stream,
          () => this.#credentials.countRefusal(),
        );
        checkFunctions(messages);
        this.#stimulate((now) => {
          for (const message of messages) this.#state.handleClientMessage(client, message, now);
        });
      });
      tellUnreadable(end, comm, `client ${client}`);
    } finally {
      this.#clients.delete(client);
      logger.info(`Remove client ${client}`);
      this.#stimulate((now) => this.#state.removeClient(client, now));
      await stream.close();
    }
  }

  async #serveWorker(registration: RegisterWorker, comm: Comm): Promise<void> {
    const address = await resolveAddress(registration.address);
    const refusal = comm.peerInfo.javascript === undefined
      ? "this scheduler places tasks of TypeScript clients, which workers of Python can't run"
      : contactRefusal(address, comm, this.address, this.#links) ?? this.#refusal(address, registration.name);
    if (refusal !== undefined) {
      peers.about(comm.peerAddress, `Refused worker ${address}: ${refusal}`);
      await comm.write(SCHEDULER_OPERATIONS["register-worker"].refusal(refusal, Date.now() / 1000));
      return;
    }
    // The reply is a message of its own and must be the first: the stream begins behind it.
    const reply = comm.write(
      {
        status: "OK",
        time: Date.now() / 1000,
        "heartbeat-interval": this.#state.heartbeatInterval,
        "worker-plugins": {},
      } satisfies RegisterWorkerReply,
    );
    const stream = new BatchedSend(comm);
    this.#workers.set(address, stream);
    this.#registrations.set(address, registration);
    this.#workerComms.set(address, comm);
    logger.info(`Register worker addr: ${address} name: ${registration.name}`);
    try {
      this.#stimulate((now) => this.#state.addWorker({ ...registration, address }, now));
      await reply;
      const end = await handleStream(comm, (batch) => {
        const messages: WorkerStreamMessage[] = batch.map(parseWorkerStreamMessage);
        this.#stimulate((now) => {
          for (const message of messages) this.#state.handleWorkerMessage(address, message, now);
        });
      });
      tellUnreadable(end, comm, `worker ${address}`);
    } finally {
      this.#workers.delete(address);
      this.#registrations.delete(address);
      this.#workerComms.delete(address);
      this.#departures.remove(address, { stimulusId: `handle-worker-cleanup-${Date.now() / 1000}` });
      await stream.close();
    }
  }

  #refusal(address: Address, name: string): string | undefined {
    if (this.#workers.has(address)) return `Worker already exists ${address}`;
    for (const worker of this.#state.workers.values()) if (worker.name === name) return `name taken, ${name}`;
    return undefined;
  }

  #checkSpeaksFor(comm: Comm, op: string, address: Address): void {
    const registered = this.#workerComms.get(address);
    checkSpeaksFor(comm, op, address, registered, () => this.#credentials.countRefusal());
  }

  #identity(nWorkers: number): SchedulerIdentity {
    return schedulerIdentity(this.#state, {
      id: this.id,
      address: this.address,
      started: this.#started,
      registrations: this.#registrations,
      security: this.#credentials.facts(),
    }, nWorkers);
  }

  /** Results that a worker lost are computed again, or lost. */
  #dropReplicas(worker: Address, keys: readonly Key[]): void {
    if (!this.#state.workers.has(worker)) return;
    logger.warning(`Worker ${worker} lacks ${keys.length} results that it should have`);
    const stimulus_id = `gather-lacking-${Date.now() / 1000}`;
    this.#stimulate((now) => {
      for (const key of keys) {
        this.#state.handleWorkerMessage(worker, { op: "release-worker-data", key, stimulus_id }, now);
      }
    });
  }

  #closeSoon(): void {
    setTimeout(() => void this.close().catch(() => {}), 0); // after the answer
  }

  #checkIdle(timeout: number): void {
    if (!this.#state.isIdle) {
      this.#idleSince = Date.now();
    } else if (Date.now() - this.#idleSince >= timeout) {
      logger.info(`Scheduler closing after being idle for ${timeout / 1000} s`);
      void this.close().catch(() => {});
    }
  }
}

/** Says why a stream ended, if it was for what its peer sent. */
function tellUnreadable({ error }: StreamEnd, comm: Comm, who: string): void {
  const cause = error instanceof CommClosed ? error.cause : error;
  if (!(cause instanceof FrameError || cause instanceof MsgpackError)) return;
  peers.about(
    comm.peerAddress,
    `Dropped ${who}: ${cause.message} (what is allowed: distributed.comm.limits)`,
  );
}

/** A client that does not keep up can ask for results later. */
function withoutResult(report: ClientReport): ClientReport {
  if (report.op !== "key-in-memory" || report.result === undefined) return report;
  const { result: _, ...rest } = report;
  return rest;
}

function sendAll(stream: BatchedSend | undefined, messages: readonly unknown[]): void {
  if (stream === undefined || stream.closed) return; // its end is being handled
  try {
    for (let i = 0; i < messages.length; i++) stream.send(messages[i]); // hot: per message
  } catch (error) {
    if (!(error instanceof CommClosed)) throw error; // too much waited: the stream was dropped, and said so
  }
}
