/**
 * Options of a scheduler, and their defaults from the configuration.
 *
 * @module
 */

import { blockedHandlers, defaultScheme } from "../comm/settings.ts";
import { withConfigured } from "../comm/secure.ts";
import type { Config } from "../config/config.ts";
import { type FullLinkLimits, type LinkLimits, linkLimits } from "../comm/limits/limits.ts";
import { ConfigError } from "../config/errors.ts";
import { checkOptions } from "../internal/options.ts";
import { parseTimedelta } from "../internal/units.ts";
import { asksForTls, type Security } from "../security/security.ts";
import type { SchedulerStateOptions } from "./state/machine.ts";

const KNOWN: Record<keyof SchedulerOptions, true> = {
  host: true,
  port: true,
  protocol: true,
  limits: true,
  security: true,
  idleTimeout: true,
  workerTtl: true,
  allowedFailures: true,
  validate: true,
  schedulerFile: true,
  record: true,
  config: true,
};

/** Options of {@linkcode Scheduler.start}. Options that are not set are taken from `config`. */
export interface SchedulerOptions {
  /** Host name or IP address to listen on. Default: all interfaces. */
  host?: string;
  /** Port to listen on, 0 for any. Default: 8786. */
  port?: number;
  /**
   * Scheme of the address. Default: `"tls"` if there are certificates, else
   * `distributed.comm.default-scheme`.
   */
  protocol?: "tcp" | "tls" | "inproc";
  /** Limits on links, handshakes and messages of peers. Default for each: `distributed.comm.limits`. */
  limits?: LinkLimits;
  /** Certificates and policy. Default for each field: `Security.fromConfig(config)`. */
  security?: Security;
  /**
   * Milliseconds without unfinished tasks after which the scheduler closes. Default:
   * `distributed.scheduler.idle-timeout`, never.
   */
  idleTimeout?: number;
  /**
   * Milliseconds after which a silent worker is removed; at least ten heartbeats. Null: never. Default:
   * `distributed.scheduler.worker-ttl`, 5 minutes.
   */
  workerTtl?: number | null;
  /**
   * Number of workers that may die while they run a task; with one more, the task fails with `KilledWorker`.
   * Default: `distributed.scheduler.allowed-failures`, 3.
   */
  allowedFailures?: number;
  /**
   * Whether the scheduler checks its state after every change; slow, for tests. Default:
   * `distributed.scheduler.validate`, false.
   */
  validate?: boolean;
  /**
   * File to which the scheduler writes its address and identity as JSON, for workers and clients of the same
   * user account. It is removed at the end. Default: none.
   */
  schedulerFile?: string;
  /**
   * File in which all events of the scheduler are recorded as lines of JSON, to find bugs; an existing file
   * is replaced. The file contains functions, arguments and small results of all clients, so only this user
   * account can read it. Recording slows the scheduler down, and the file grows without limit. Default: none.
   */
  record?: string;
  /** Configuration. Default: Dask's files and environment variables, as far as permissions allow. */
  config?: Config;
}

/** {@linkcode SchedulerOptions} with all defaults filled in. */
export interface SchedulerSettings {
  /** Scheme of the address. */
  readonly protocol: "tcp" | "tls" | "inproc";
  /** Whether the scheme is the built-in default. */
  readonly isProtocolAssumed: boolean;
  /** Names of operations that are refused. */
  readonly blockedHandlers: readonly string[];
  /** Limits on peers. */
  readonly limits: FullLinkLimits;
  /** Options of the state machine. */
  readonly state: SchedulerStateOptions;
}

const SCHEDULER = "distributed.scheduler";

/**
 * Fills in defaults from `config`.
 *
 * @throws {ConfigError} If a setting can't be used.
 */
export function schedulerSettings(options: SchedulerOptions, config: Config): SchedulerSettings {
  checkOptions("Scheduler.start", options, KNOWN);
  const hasTls = asksForTls(withConfigured(options.security, config));
  const scheme = defaultScheme(config);
  return {
    protocol: options.protocol ?? (hasTls ? "tls" : scheme.name),
    isProtocolAssumed: options.protocol === undefined && !hasTls && scheme.isAssumed,
    limits: linkLimits(config, options.limits),
    blockedHandlers: blockedHandlers(config, `${SCHEDULER}.blocked-handlers`),
    state: {
      validate: options.validate ?? config.boolean(`${SCHEDULER}.validate`) ?? false,
      allowedFailures: options.allowedFailures ?? config.wholeNumber(`${SCHEDULER}.allowed-failures`) ?? 3,
      workerSaturation: workerSaturation(config),
      bandwidth: config.bytes(`${SCHEDULER}.bandwidth`) ?? 100_000_000,
      defaultTaskDurations: durations(config),
      workerTtl: seconds(
        options.workerTtl !== undefined ? options.workerTtl : config.milliseconds(`${SCHEDULER}.worker-ttl`),
      ),
      idleTimeout: seconds(options.idleTimeout ?? config.milliseconds(`${SCHEDULER}.idle-timeout`)),
    },
  };
}

/** Converts milliseconds to seconds; null and undefined mean no limit. */
function seconds(milliseconds: number | null | undefined): number {
  return milliseconds === null || milliseconds === undefined ? Infinity : milliseconds / 1000;
}

function workerSaturation(config: Config): number {
  const key = `${SCHEDULER}.worker-saturation`;
  const value = config.number(key) ?? 1.1;
  if (value > 0) return value;
  throw new ConfigError(`"${key}" must be a number above 0, or inf, not ${value} (${config.origin(key)})`);
}

function durations(config: Config): Record<string, number> {
  const key = `${SCHEDULER}.default-task-durations`;
  const seconds: Record<string, number> = {};
  for (const [name, value] of config.flat(key)) {
    if (value === null) continue;
    try {
      seconds[name] = parseTimedelta(value as string | number);
    } catch (cause) {
      throw new ConfigError(`"${key}.${name}": ${String(cause)} (${config.origin(`${key}.${name}`)})`, {
        cause,
      });
    }
  }
  return seconds;
}
