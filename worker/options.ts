/**
 * What can be said about a worker, and what configuration says where nothing is said.
 *
 * @module
 */

import { blockedHandlers } from "../comm/settings.ts";
import { type FullLinkLimits, type LinkLimits, linkLimits } from "../comm/limits/limits.ts";
import type { Config } from "../config/config.ts";
import { checkOptions } from "../internal/options.ts";
import type { Security } from "../security/security.ts";
import type { WorkerStateOptions } from "./state/worker_state.ts";

const KNOWN: Record<keyof WorkerOptions, true> = {
  nthreads: true,
  name: true,
  host: true,
  port: true,
  protocol: true,
  limits: true,
  listenAddress: true,
  contactAddress: true,
  security: true,
  deathTimeout: true,
  signal: true,
  validate: true,
  config: true,
};

/** Options of {@linkcode Worker.start}. Options that are not set are taken from `config`. */
export interface WorkerOptions {
  /** Tasks at once. Default: the number of cores. */
  nthreads?: number;
  /** Unique in the cluster. Default: the worker's address. */
  name?: string;
  /**
   * Host name or IP address to listen on. Default: the address of the interface that reaches the scheduler.
   */
  host?: string;
  /** Port to listen on, or a range to choose from. Default: any. */
  port?: number | readonly [from: number, to: number];
  /** Scheme of the worker's address. Default: the scheduler's. */
  protocol?: "tcp" | "tls" | "inproc";
  /** Limits on links, handshakes and messages of peers. Default for each: `distributed.comm.limits`. */
  limits?: LinkLimits;
  /** Address to listen on, such as `tls://0.0.0.0:9000`, in place of `host`, `port` and `protocol`. */
  listenAddress?: string;
  /**
   * Address that peers and the scheduler connect to, such as `tls://worker-1.example:443`, if it differs from
   * the one to listen on. A host name is resolved here. Needs `listenAddress`. Default: the address that the
   * worker listens on.
   */
  contactAddress?: string;
  /** Certificates and policy. Default for each field: `Security.fromConfig(config)`. */
  security?: Security;
  /** Milliseconds to wait for a scheduler at the start. Default: no limit. */
  deathTimeout?: number;
  /** When it is aborted, the start is given up. */
  signal?: AbortSignal;
  /**
   * Whether the worker checks its state after every change; slow, for tests. Default:
   * `distributed.worker.validate`, false.
   */
  validate?: boolean;
  /** Configuration. Default: Dask's files and environment variables, as far as permissions allow. */
  config?: Config;
}

/** {@linkcode WorkerOptions} with what configuration says. */
export interface WorkerSettings {
  /** Peers that are sent data at once. */
  readonly transfersMax: number;
  /** Operations that are refused. */
  readonly blockedHandlers: readonly string[];
  /** What peers may cost. */
  readonly limits: FullLinkLimits;
  /** What the state machine is made with. */
  readonly state: Omit<WorkerStateOptions, "address" | "nthreads">;
}

const WORKER = "distributed.worker";

/**
 * Fills in what `config` says.
 *
 * @throws {ConfigError} If a setting can't be used.
 */
export function workerSettings(options: WorkerOptions, config: Config): WorkerSettings {
  checkOptions("Worker.start", options, KNOWN);
  return {
    transfersMax: config.wholeNumber(`${WORKER}.connections.incoming`, 1) ?? 10,
    blockedHandlers: blockedHandlers(config, `${WORKER}.blocked-handlers`),
    limits: linkLimits(config, options.limits),
    state: {
      validate: options.validate ?? config.boolean(`${WORKER}.validate`) ?? false,
      transferIncomingCountLimit: config.wholeNumber(`${WORKER}.connections.outgoing`, 1) ?? 50,
      transferMessageBytesLimit: config.bytes(`${WORKER}.transfer.message-bytes-limit`) ?? 50e6,
      logLength: config.wholeNumber("distributed.admin.low-level-log-length", 1) ?? 1000,
    },
  };
}
