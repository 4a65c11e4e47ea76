/**
 * The worker as programs see it. How it runs is in `worker/shell.ts`.
 *
 * @module
 */

import { announceConfig, currentConfig } from "../config/load.ts";
import type { DeadlineOptions } from "../internal/deadline.ts";
import type { Address } from "../messages/common.ts";
import type { LinkFacts, SecurityFacts } from "../messages/facts.ts";
import type { Security } from "../security/security.ts";
import type { WorkerOptions } from "./options.ts";
import { WorkerShell } from "./shell.ts";

export type { WorkerOptions } from "./options.ts";

/**
 * Runs tasks in threads and keeps their results. Source: https://distributed.dask.org/en/stable/worker.html
 *
 * ```ts
 * import { Scheduler, Security, Worker } from "jsr:@dask/distributed";
 *
 * const security = await Security.temporary();
 * await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
 * await using worker = await Worker.start(scheduler.address, { name: "alice", nthreads: 1, security });
 * console.log(worker.name, worker.address); // alice tls://127.0.0.1:…
 * ```
 */
export class Worker implements AsyncDisposable {
  /** Address that peers connect to, such as `tls://10.0.0.6:40113`. */
  readonly address: Address;
  /** Unique in the cluster. */
  readonly name: string;
  /** Tasks at once. */
  readonly nthreads: number;
  /** Resolves when it ended, by `close` or because the scheduler is gone; rejects if it failed. */
  readonly finished: Promise<void>;
  readonly #shell: WorkerShell;

  private constructor(shell: WorkerShell) {
    this.#shell = shell;
    this.address = shell.address;
    this.name = shell.name;
    this.nthreads = shell.nthreads;
    this.finished = shell.finished;
  }

  /**
   * Starts a worker and registers it with the scheduler at `address`.
   *
   * @throws {CommAuthError} If one side refuses the other's certificate.
   * @throws {TimeoutError} If no scheduler answered within `deathTimeout`.
   * @throws {SecurityError} If certificates can't be used, or `requireEncryption` forbids plain text.
   */
  static async start(address: string, options: WorkerOptions = {}): Promise<Worker> {
    const { config = currentConfig() } = options;
    announceConfig(config, "worker");
    return new Worker(await WorkerShell.start(address, { ...options, config }));
  }

  /** Address of the scheduler, as it was given. */
  get schedulerAddress(): Address {
    return this.#shell.schedulerAddress;
  }

  /** Open links of this worker. */
  links(): LinkFacts[] {
    return this.#shell.links();
  }

  /**
   * Has the results of `workers`, which are of one cluster, copied to other workers, then closes them. Closes
   * them anyway if that fails, if no other worker can take the results, and as soon as one of them is closed.
   * Does not reject for these reasons.
   *
   * @param options Limits the copying.
   */
  static closeGracefully(workers: readonly Worker[], options?: DeadlineOptions): Promise<void> {
    return WorkerShell.closeGracefully(workers.map((worker) => worker.#shell), options);
  }

  /**
   * Facts about its certificates and those of its peers, and the number of refused peers; nothing without
   * TLS.
   */
  security(): SecurityFacts | undefined {
    return this.#shell.security();
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
    return this.#shell.reloadSecurity(security);
  }

  /** Leaves the cluster and ends, without waiting for running tasks. Idempotent. */
  close(): Promise<void> {
    return this.#shell.close();
  }

  /** Same as {@linkcode Worker.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
