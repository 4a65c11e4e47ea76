/**
 * A scheduler and its workers in this program: for a LocalCluster, and for a client without an address.
 * Source: `distributed/deploy/spec.py`.
 *
 * @module
 */

import type { Config } from "../../config/config.ts";
import { getLogger } from "../../config/logging.ts";
import { Deadline, type DeadlineOptions, orAborted } from "../../internal/deadline.ts";
import { DistributedError, messageOf, TimeoutError } from "../../internal/errors.ts";
import type { Address } from "../../messages/common.ts";
import { Scheduler } from "../../scheduler/scheduler.ts";
import type { Security } from "../../security/security.ts";
import { Worker } from "../../worker/worker.ts";
import { atLeast, type ClusterPlan, type LocalClusterOptions, planOf } from "./options.ts";

const logger = getLogger("distributed.deploy.local");

/** Host that all roles listen on: only this machine can reach it. */
const LOOPBACK = "127.0.0.1";

/** A scheduler and workers, without clients. */
export class RoleCluster {
  /** Certificates of all roles; absent without TLS. */
  readonly security: Security | undefined;
  /** Configuration of all roles. */
  readonly config: Config;
  #plan: ClusterPlan;
  #scheduler: Scheduler;
  #workers = new Map<string, Worker>();
  /** Workers that are being emptied or are ending; they no longer count. */
  #leaving = new Set<Worker>();
  /** Their ends. */
  #departures = new Set<Promise<void>>();
  #nextName = 0;
  /** The last change of size; the next one waits for it. */
  #scaling: Promise<void> = Promise.resolve();
  #closed = new AbortController();
  #closing: Promise<void> | undefined;

  private constructor(plan: ClusterPlan, scheduler: Scheduler) {
    this.security = plan.security;
    this.config = plan.config;
    this.#plan = plan;
    this.#scheduler = scheduler;
  }

  /** See `LocalCluster.start`. */
  static async start(options: LocalClusterOptions): Promise<RoleCluster> {
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
    const cluster = new RoleCluster(plan, scheduler);
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

  /** See `LocalCluster.scale`. */
  async scale(nWorkers: number, options: DeadlineOptions): Promise<void> {
    atLeast("nWorkers", nWorkers, 0);
    this.checkOpen("scale");
    const previous = this.#scaling;
    const mine = (async () => {
      await previous.catch(() => {}); // its own caller gets the error
      await this.#scale(nWorkers, options);
    })();
    this.#scaling = mine;
    await mine;
  }

  /** Ends the current change of size; no other can begin afterwards. Idempotent. */
  async stopScaling(): Promise<void> {
    this.#closed.abort(closedError("go on"));
    await this.#scaling.catch(() => {}); // its own caller gets the error
  }

  /** Stops workers and the scheduler. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** @throws {DistributedError} If the cluster is closed or closing. `what` names the refused action. */
  checkOpen(what: string): void {
    if (this.#closed.signal.aborted) throw closedError(what);
  }

  async #scale(nWorkers: number, options: DeadlineOptions): Promise<void> {
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
   * Retires the youngest workers, as in Dask (`SpecCluster.scale`). Their results are moved to the other
   * workers first. A result that no other worker can hold is lost, and computed again when workers join.
   * Retirement continues if the caller stops waiting.
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
    await this.stopScaling();
    await Promise.all(Array.from(this.#workers.values(), (worker) => worker.close()));
    await this.#scheduler.close();
    await Promise.allSettled(this.#departures); // their own callers get the errors
  }
}

function closedError(what: string): DistributedError {
  return new DistributedError("CLUSTER_CLOSED", `Cannot ${what}: this LocalCluster is closed`);
}
