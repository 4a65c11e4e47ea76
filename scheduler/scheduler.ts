/**
 * The public `Scheduler`; the implementation is its shell (`shell.ts`).
 *
 * @module
 */

import type { Address } from "../messages/common.ts";
import type { LinkFacts, SchedulerIdentity, WorkerIdentity } from "../messages/facts.ts";
import type { Security } from "../security/security.ts";
import { identities } from "./operations.ts";
import type { SchedulerOptions } from "./options.ts";
import { SchedulerShell } from "./shell.ts";
import type { RetireOptions } from "./state/retirement.ts";

export type { SchedulerOptions } from "./options.ts";
export type { DownscaleOptions, RetireOptions } from "./state/retirement.ts";

/**
 * Assigns tasks to workers. Source: https://distributed.dask.org/en/stable/scheduling-state.html
 *
 * ```ts
 * import { Scheduler, Security } from "jsr:@dask/distributed";
 *
 * const security = await Security.temporary();
 * await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
 * console.log(scheduler.address); // tls://127.0.0.1:…
 * ```
 */
export class Scheduler implements AsyncDisposable {
  readonly #shell: SchedulerShell;

  private constructor(shell: SchedulerShell) {
    this.#shell = shell;
  }

  /**
   * Starts a scheduler.
   *
   * @throws {SecurityError} If certificates can't be used, or `requireEncryption` forbids plain text.
   * @throws {Deno.errors.AddrInUse} If the port is taken.
   */
  static async start(options: SchedulerOptions = {}): Promise<Scheduler> {
    return new Scheduler(await SchedulerShell.start(options));
  }

  /** `Scheduler-<uuid>`. */
  get id(): string {
    return this.#shell.id;
  }

  /** Resolves when the scheduler has ended, by `close` or by itself; rejects if it failed. */
  get finished(): Promise<void> {
    return this.#shell.finished;
  }

  /** Contact address, such as `tls://10.0.0.5:8786`. */
  get address(): Address {
    return this.#shell.address;
  }

  /** Returns facts about the scheduler and its workers, as the operation `identity` does. */
  identity(): SchedulerIdentity {
    return this.#shell.identity();
  }

  /** Open links of this scheduler. */
  links(): LinkFacts[] {
    return this.#shell.links();
  }

  /**
   * Empties workers, so that no result is lost, and removes them.
   *
   * @returns The workers that were retired, by address. A worker whose results no other worker can hold keeps
   * running.
   * @throws {TypeError} If the options contradict each other.
   */
  async retireWorkers(options: RetireOptions): Promise<Record<Address, WorkerIdentity>> {
    return identities(await this.#shell.retireWorkers(options));
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

  /** Tells clients and workers that the scheduler ends, then closes. Idempotent. */
  close(): Promise<void> {
    return this.#shell.close();
  }

  /** Same as {@linkcode Scheduler.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
