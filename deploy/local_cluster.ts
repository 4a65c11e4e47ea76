/**
 * A cluster in one program. Source: `distributed/deploy/local.py`, where workers are processes by default; here they
 * share the process, and each has its own threads.
 *
 * @module
 */

import { checkOptions } from "../internal/options.ts";
import { Client, type ClientOptions } from "../client/client.ts";
import type { WaitOptions } from "../client/futures/future.ts";
import { onceClosed, setClusterStarter } from "../client/own_cluster.ts";
import { DistributedError, messageOf, TimeoutError } from "../internal/errors.ts";
import type { Config } from "../config/config.ts";
import { currentConfig } from "../config/load.ts";
import { getLogger } from "../config/logging.ts";
import { Deadline, orAborted } from "../internal/deadline.ts";
import type { Address } from "../messages/common.ts";
import { Scheduler } from "../scheduler/scheduler.ts";
import { asksForTls, Security } from "../security/security.ts";
import { Worker } from "../worker/worker.ts";

const logger = getLogger("distributed.deploy.local");

/** Where everything listens: nobody outside this machine is to reach it. */
const LOOPBACK = "127.0.0.1";

/** Options of {@linkcode LocalCluster.start}. */
export interface LocalClusterOptions extends WaitOptions {
  /** Workers to begin with. @default {navigator.hardwareConcurrency} */
  nWorkers?: number;
  /** Tasks at once per worker. @default {1} */
  threadsPerWorker?: number;
  /**
   * Certificates; `true`: throw-away ones, made in memory; `false`: none.
   *
   * @default {true} for `"tls"`
   */
  security?: Security | boolean;
  /**
   * Scheme of every address. `"inproc"` opens no port at all, so that nobody else can connect.
   *
   * @default {"tls"} if there are certificates
   */
  protocol?: "tls" | "tcp" | "inproc";
  /**
   * Configuration. Its certificates and what it says of peers' are for other clusters: they are not used here unless
   * `security` is a record. @default What Dask's files and variables say, as far as permissions go
   */
  config?: Config;
}

/** What the options come to. */
interface Plan {
  readonly protocol: "tls" | "tcp" | "inproc";
  readonly security: Security | undefined;
  readonly nthreads: number;
  readonly config: Config;
}

const KNOWN: Record<keyof LocalClusterOptions, true> = {
  nWorkers: true,
  threadsPerWorker: true,
  security: true,
  protocol: true,
  config: true,
  signal: true,
  timeout: true,
};

/**
 * A scheduler and workers in this program, on loopback. Source:
 * https://distributed.dask.org/en/stable/api.html#distributed.LocalCluster
 *
 * ```ts ignore
 * await using cluster = await LocalCluster.start({ nWorkers: 2 });
 * await using client = await cluster.connectClient();
 * console.log(await client.submit((x: number) => x + 1, 1).result()); // 2
 * ```
 */
export class LocalCluster implements AsyncDisposable {
  /** Certificates of all roles; absent without. */
  readonly security: Security | undefined;
  /** Configuration of all roles. */
  readonly config: Config;
  #plan: Plan;
  #scheduler: Scheduler;
  #workers = new Map<string, Worker>();
  /** Those of the workers that are being emptied, or end: they don't count any more. */
  #leaving = new Set<Worker>();
  /** The ends of those. */
  #departures = new Set<Promise<void>>();
  #clients = new Set<Client>();
  #nextName = 0;
  /** The last change of size; the next waits for it. */
  #scaling: Promise<void> = Promise.resolve();
  #closed = new AbortController();
  #closing: Promise<void> | undefined;

  private constructor(plan: Plan, scheduler: Scheduler) {
    this.security = plan.security;
    this.config = plan.config;
    this.#plan = plan;
    this.#scheduler = scheduler;
  }

  /**
   * Starts a scheduler and `nWorkers` workers, and waits for them.
   *
   * @throws {RangeError} If a number is out of range.
   * @throws {TypeError} If `protocol` and `security` contradict each other.
   * @throws {TimeoutError} If `timeout` passed first.
   */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    checkOptions("LocalCluster.start", options, KNOWN);
    const nWorkers = atLeast("nWorkers", options.nWorkers ?? navigator.hardwareConcurrency, 0);
    const plan = await planOf(options);
    options.signal?.throwIfAborted();
    const { protocol, security, config } = plan;
    const scheduler = await Scheduler.start({
      ...protocol !== "inproc" && { host: LOOPBACK, port: 0 },
      protocol,
      config,
      ...security !== undefined && { security },
    });
    const cluster = new LocalCluster(plan, scheduler);
    try {
      await cluster.scale(nWorkers, options);
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** Address of the scheduler. */
  get schedulerAddress(): Address {
    return this.#scheduler.address;
  }

  /** Addresses of the workers by their names. */
  get workers(): ReadonlyMap<string, Address> {
    return new Map(Array.from(this.#workers, ([name, worker]) => [name, worker.address]));
  }

  /** Connects with the cluster's own certificates. The client is closed with the cluster, if not before. */
  async connectClient(options: Omit<ClientOptions, "security"> = {}): Promise<Client> {
    this.#checkOpen("connect a client");
    const client = await Client.connect(this.schedulerAddress, {
      config: this.config,
      ...options,
      ...this.security !== undefined && { security: this.security },
    });
    if (this.#closing !== undefined) {
      await client.close();
      this.#checkOpen("connect a client");
    }
    this.#clients.add(client);
    onceClosed(client, () => this.#clients.delete(client));
    return client;
  }

  /**
   * Adds workers, or takes some away, until there are `nWorkers`; calls wait for each other. Results of those that
   * leave are moved to those that stay, if any does.
   *
   * @throws {TimeoutError} If `timeout` passed first; what was begun is taken back or finished.
   */
  async scale(nWorkers: number, options: WaitOptions = {}): Promise<void> {
    atLeast("nWorkers", nWorkers, 0);
    this.#checkOpen("scale");
    const previous = this.#scaling;
    const mine = (async () => {
      await previous.catch(() => {}); // its caller was told
      await this.#scale(nWorkers, options);
    })();
    this.#scaling = mine;
    await mine;
  }

  /** Stops clients, workers and the scheduler. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Same as {@linkcode LocalCluster.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #scale(nWorkers: number, options: WaitOptions): Promise<void> {
    const signals = [this.#closed.signal, ...options.signal === undefined ? [] : [options.signal]];
    using deadline = new Deadline(
      { signal: AbortSignal.any(signals), timeout: options.timeout },
      (ms) => new TimeoutError(`The cluster did not come to ${nWorkers} workers within ${ms} ms`),
    );
    const signal = deadline.signal ?? this.#closed.signal;
    signal.throwIfAborted();
    const missing = nWorkers - (this.#workers.size - this.#leaving.size);
    if (missing > 0) await this.#add(missing, signal);
    else if (missing < 0) await this.#retire(-missing, signal);
  }

  async #add(count: number, signal: AbortSignal): Promise<void> {
    const started = await Promise.allSettled(Array.from({ length: count }, () => this.#startWorker(signal)));
    const failed = started.find((result) => result.status === "rejected");
    if (failed === undefined) return;
    await Promise.all(
      started.map((result) => result.status === "fulfilled" ? result.value.close() : undefined),
    );
    throw failed.reason;
  }

  async #startWorker(signal: AbortSignal): Promise<Worker> {
    const { nthreads, security, config } = this.#plan;
    const name = String(this.#nextName++);
    const worker = await Worker.start(this.schedulerAddress, {
      name,
      nthreads,
      config,
      ...this.#plan.protocol !== "inproc" && { host: LOOPBACK },
      ...security !== undefined && { security },
      signal,
    });
    this.#workers.set(name, worker);
    const forget = () => {
      this.#workers.delete(name);
      this.#leaving.delete(worker);
    };
    worker.finished.then(forget, (error) => {
      forget();
      logger.error(`Worker "${name}" failed: ${messageOf(error)}`);
    });
    return worker;
  }

  /**
   * The youngest go, as in Dask (`SpecCluster.scale`). Their results are moved to the others before; what nobody can
   * take is lost, and computed again when there are workers. They go on to leave when the caller stops waiting.
   */
  async #retire(count: number, signal: AbortSignal): Promise<void> {
    const staying = [...this.#workers.values()].filter((worker) => !this.#leaving.has(worker));
    const leaving = staying.slice(-count);
    for (const worker of leaving) this.#leaving.add(worker);
    const departure = this.#empty(leaving);
    this.#departures.add(departure);
    const forget = () => void this.#departures.delete(departure);
    departure.then(forget, forget);
    await orAborted(departure, signal);
  }

  async #empty(leaving: readonly Worker[]): Promise<void> {
    const workers = leaving.map((worker) => worker.address);
    try {
      await this.#scheduler.retireWorkers({ workers, remove: false });
    } finally {
      await Promise.all(leaving.map((worker) => worker.close()));
    }
  }

  async #close(): Promise<void> {
    this.#closed.abort(closedError("go on"));
    await this.#scaling.catch(() => {}); // its caller was told
    await Promise.all(Array.from(this.#clients, (client) => client.close()));
    await Promise.all(Array.from(this.#workers.values(), (worker) => worker.close()));
    await this.#scheduler.close();
    await Promise.allSettled(this.#departures); // who waited for them was told
  }

  #checkOpen(what: string): void {
    if (this.#closing !== undefined) throw closedError(what);
  }
}

function closedError(what: string): DistributedError {
  return new DistributedError("CLUSTER_CLOSED", `Cannot ${what}: this LocalCluster is closed`);
}

async function planOf(options: LocalClusterOptions): Promise<Plan> {
  const { protocol, security, threadsPerWorker = 1 } = options;
  const nthreads = atLeast("threadsPerWorker", threadsPerWorker, 1);
  const record = typeof security === "object" ? security : undefined;
  const given = options.config ?? currentConfig();
  const config = record === undefined ? given.without("distributed.comm.tls") : given;
  const scheme = protocol ??
    (security === false || (record !== undefined && !asksForTls(record)) ? "tcp" : "tls");
  if (scheme === "tls") {
    if (security === false) {
      throw new TypeError(
        'A LocalCluster over "tls" needs security: leave it out for throw-away certificates',
      );
    }
    return { protocol: scheme, security: record ?? await Security.temporary(), nthreads, config };
  }
  if (scheme === "tcp" && security === true) {
    throw new TypeError('A LocalCluster over "tcp" has no security: leave the protocol out, or say "tls"');
  }
  return { protocol: scheme, security: record, nthreads, config };
}

function atLeast(what: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`${what} must be a whole number of at least ${least}, got ${value}`);
}

setClusterStarter(({ security, signal, timeout, config }) =>
  LocalCluster.start({
    security: security ?? true,
    ...config !== undefined && { config },
    ...signal !== undefined && { signal },
    ...timeout !== undefined && { timeout },
  })
);
