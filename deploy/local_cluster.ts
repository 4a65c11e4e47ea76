/**
 * A cluster in one program. Source: `distributed/deploy/local.py`. There, workers are processes by default;
 * here they share the process, and each has its own threads.
 *
 * @module
 */

import { Client, type ClientOptions, onceClosed } from "../client/client.ts";
import type { WaitOptions } from "../client/futures/future.ts";
import type { Config } from "../config/config.ts";
import { checkOptions } from "../internal/options.ts";
import type { Address } from "../messages/common.ts";
import type { Security } from "../security/security.ts";
import type { LocalClusterOptions } from "./roles/options.ts";
import { RoleCluster } from "./roles/role_cluster.ts";

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
 * ```ts
 * import { LocalCluster } from "jsr:@dask/distributed";
 *
 * await using cluster = await LocalCluster.start({ nWorkers: 2 });
 * await using client = await cluster.connectClient();
 * console.log(await client.submit((x: number) => x + 1, 1).result(), cluster.workers.size); // 2 2
 * ```
 */
export class LocalCluster implements AsyncDisposable {
  /** Certificates of all roles; absent without TLS. */
  readonly security: Security | undefined;
  /** Configuration of all roles. */
  readonly config: Config;
  #roles: RoleCluster;
  #clients = new Set<Client>();
  #closing: Promise<void> | undefined;

  private constructor(roles: RoleCluster) {
    this.security = roles.security;
    this.config = roles.config;
    this.#roles = roles;
  }

  /**
   * Starts a scheduler and `nWorkers` workers, and waits until the workers run.
   *
   * @throws {RangeError} If a number is out of range.
   * @throws {TypeError} If `protocol` and `security` contradict each other.
   * @throws {TimeoutError} If `timeout` passes first.
   */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    checkOptions("LocalCluster.start", options, KNOWN);
    return new LocalCluster(await RoleCluster.start(options));
  }

  /** Address of the scheduler. */
  get schedulerAddress(): Address {
    return this.#roles.schedulerAddress;
  }

  /** Addresses of the workers by their names. */
  get workers(): ReadonlyMap<string, Address> {
    return this.#roles.workers;
  }

  /**
   * Connects a client with the cluster's own certificates. The client is closed with the cluster, if not
   * before.
   */
  async connectClient(options: Omit<ClientOptions, "security"> = {}): Promise<Client> {
    this.#roles.checkOpen("connect a client");
    const client = await Client.connect(this.schedulerAddress, {
      config: this.config,
      ...options,
      ...this.security !== undefined && { security: this.security },
    });
    if (this.#closing !== undefined) {
      await client.close();
      this.#roles.checkOpen("connect a client");
    }
    this.#clients.add(client);
    onceClosed(client, () => this.#clients.delete(client));
    return client;
  }

  /**
   * Starts or retires workers until there are `nWorkers`. Calls wait for each other. Results of workers that
   * leave are moved to workers that stay, if there are any.
   *
   * @throws {TimeoutError} If `timeout` passes first; changes that were begun are undone or finished.
   */
  async scale(nWorkers: number, options: WaitOptions = {}): Promise<void> {
    await this.#roles.scale(nWorkers, options);
  }

  /** Stops clients, workers and the scheduler. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Same as {@linkcode LocalCluster.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#roles.stopScaling();
    await Promise.all(Array.from(this.#clients, (client) => client.close()));
    await this.#roles.close();
  }
}
