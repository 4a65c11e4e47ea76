/**
 * Options of a cluster in one program, and their meaning.
 *
 * @module
 */

import type { WaitOptions } from "../../client/futures/future.ts";
import type { Config } from "../../config/config.ts";
import { currentConfig } from "../../config/load.ts";
import { asksForTls, Security } from "../../security/security.ts";

/** Options of {@linkcode LocalCluster.start}. */
export interface LocalClusterOptions extends WaitOptions {
  /** Number of workers at the start. @default {navigator.hardwareConcurrency} */
  nWorkers?: number;
  /** Tasks at once per worker. @default {1} */
  threadsPerWorker?: number;
  /**
   * Certificates. `true`: throw-away certificates in memory. `false`: no TLS.
   *
   * @default {true} for `"tls"`
   */
  security?: Security | boolean;
  /**
   * Scheme of all addresses. `"inproc"` opens no port, so that other programs can't connect.
   *
   * @default {"tls"} if there are certificates
   */
  protocol?: "tls" | "tcp" | "inproc";
  /**
   * Configuration. Its certificates and rules are for other clusters, so they are not used here unless
   * `security` is a record. @default What Dask's files and variables say, as far as permissions go
   */
  config?: Config;
}

/** Options with all defaults filled in. */
export interface ClusterPlan {
  /** Scheme of every address. */
  readonly protocol: "tls" | "tcp" | "inproc";
  /** Certificates of all roles; undefined without TLS. */
  readonly security: Security | undefined;
  /** Number of tasks that a worker runs at once. */
  readonly nthreads: number;
  /** Configuration of all roles. */
  readonly config: Config;
}

/**
 * Fills in defaults.
 *
 * @throws {RangeError} If a number is out of range.
 * @throws {TypeError} If `protocol` and `security` contradict each other.
 */
export async function planOf(options: LocalClusterOptions): Promise<ClusterPlan> {
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

/**
 * Returns `value` if it is an integer of at least `least`. `what` names it in errors.
 *
 * @throws {RangeError} If not.
 */
export function atLeast(what: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`${what} must be a whole number of at least ${least}, got ${value}`);
}
