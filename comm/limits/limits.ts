/**
 * What a peer may cost: bounds on links, handshakes, messages and what waits for it.
 * `distributed.comm.limits` has them for roles that are started from a command line, with their defaults
 * (`config/defaults.ts`).
 *
 * @module
 */

import { Config } from "../../config/config.ts";
import { ConfigError } from "../../config/errors.ts";
import { checkOptions } from "../../internal/options.ts";
import { TIMER_MAX_MS } from "../../internal/clock.ts";

/** Limits on incoming links: high for a cluster, low compared with what a process can handle. */
export interface LinkLimits {
  /** Time for TLS, and again for the first message, in milliseconds. @default {10_000} */
  readonly handshakeTimeout?: number;
  /** Maximum bytes of the first message, which identifies the peer. @default {4096} */
  readonly handshakeBytes?: number;
  /** Frames of the first message. @default {8} */
  readonly handshakeFrames?: number;
  /**
   * Maximum number of links in their handshake, from all hosts; each costs a socket and a few KiB. @default
   * {1024}
   */
  readonly handshakes?: number;
  /**
   * As {@linkcode LinkLimits.handshakes}, for one host, so that one host can't use all of them. @default
   * {256}
   */
  readonly handshakesPerHost?: number;
  /** New links per second from one host; four times as many may come at once. @default {500} */
  readonly acceptsPerSecond?: number;
  /** Links that are open at once, over all hosts. @default {8192} */
  readonly links?: number;
  /** Links that are open at once from one host. @default {4096} */
  readonly linksPerHost?: number;
  /** Bytes of one message after the handshake; the memory is taken as they come. @default {2^40} */
  readonly messageBytes?: number;
  /** Frames of one message after the handshake. @default {500_000} */
  readonly messageFrames?: number;
  /**
   * Arrays and maps inside each other in one message; 511 is the most that Dask's MessagePack can. @default
   * {511}
   */
  readonly messageDepth?: number;
  /**
   * Maximum number of values in one message. A value can take one byte of the message and sixty bytes of
   * memory. A task in a graph is four values, plus three for each task that it depends on; a client sends a
   * graph in one message.
   * @default {10_000_000}
   */
  readonly messageValues?: number;
  /**
   * Maximum bytes that wait for a client to read its stream, besides the batch that is being sent; with more,
   * the client is dropped.
   * @default {2^28}
   */
  readonly queuedBytes?: number;
  /**
   * As {@linkcode LinkLimits.queuedBytes}, for all clients of one host together, including the batches that
   * are being sent. @default {2^30}
   */
  readonly queuedBytesPerHost?: number;
  /**
   * Maximum number of large answers that are being sent to one peer: answers to `gather`, and answers of 1
   * MiB and more to `who_has`, `identity` and similar requests. Further large answers wait; smaller ones do
   * not. @default {8}
   */
  readonly answersPerPeer?: number;
  /**
   * Milliseconds after which a peer is dropped if it reads none of the bytes that wait for it. @default
   * {300_000}
   */
  readonly stallTimeout?: number;
}

/** {@linkcode LinkLimits} with everything said. */
export type FullLinkLimits = Required<LinkLimits>;

/** How a limit is read, and between what it must be. */
type Kind = readonly [read: "milliseconds" | "bytes" | "wholeNumber", least: number, most: number];

const MOST = Number.MAX_SAFE_INTEGER;
const KINDS: Readonly<Record<keyof LinkLimits, Kind>> = {
  handshakeTimeout: ["milliseconds", 1, TIMER_MAX_MS],
  handshakeBytes: ["bytes", 512, MOST], // a handshake has some 200, and what is left is for the years to come
  handshakeFrames: ["wholeNumber", 1, MOST],
  handshakes: ["wholeNumber", 1, MOST],
  handshakesPerHost: ["wholeNumber", 1, MOST],
  acceptsPerSecond: ["wholeNumber", 1, MOST],
  links: ["wholeNumber", 1, MOST],
  linksPerHost: ["wholeNumber", 1, MOST],
  messageBytes: ["bytes", 65_536, MOST],
  messageFrames: ["wholeNumber", 16, MOST],
  messageDepth: ["wholeNumber", 16, 511],
  messageValues: ["wholeNumber", 100_000, MOST], // streams put 2,000 messages together
  queuedBytes: ["bytes", 65_536, MOST],
  queuedBytesPerHost: ["bytes", 65_536, MOST],
  answersPerPeer: ["wholeNumber", 1, MOST],
  stallTimeout: ["milliseconds", 1, TIMER_MAX_MS],
};
const NAMES = Object.keys(KINDS) as (keyof LinkLimits)[];

/**
 * The limits that a program gives, and for those that it does not what `config` says.
 *
 * @throws {ConfigError} If a setting can't be used.
 * @throws {TypeError | RangeError} If what the program gives is unknown, or can't be used.
 */
export function linkLimits(config: Config, given: LinkLimits = {}): FullLinkLimits {
  checkOptions("limits", given, KNOWN);
  const limits: Partial<Record<keyof LinkLimits, number>> = {};
  for (const name of NAMES) limits[name] = checked(name, given[name]) ?? configured(name, config);
  return limits as FullLinkLimits;
}

const KNOWN = Object.fromEntries(NAMES.map((name) => [name, true])) as Record<keyof LinkLimits, true>;

function checked(name: keyof LinkLimits, value: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const [read, least, most] = KINDS[name];
  const isWhole = read === "milliseconds" || Number.isSafeInteger(value);
  if (typeof value === "number" && isWhole && value >= least && value <= most) return value;
  throw new RangeError(`limits.${name} must be ${wanted(name)}, not ${String(value)}`);
}

function configured(name: keyof LinkLimits, config: Config): number {
  const key = settingOf(name);
  const [read, least, most] = KINDS[name];
  const value = read === "wholeNumber" ? config.wholeNumber(key, least) : config[read](key);
  if (value === undefined) return DEFAULT_LINK_LIMITS[name]; // null
  if (value >= least && value <= most) return value;
  const shown = read === "milliseconds" ? `${value / 1000} s` : value;
  throw new ConfigError(`"${key}" must be ${wanted(name)}, not ${shown} (${config.origin(key)})`);
}

function wanted(name: keyof LinkLimits): string {
  const [read, least, most] = KINDS[name];
  const what =
    { milliseconds: "a duration", bytes: "a number of bytes", wholeNumber: "a whole number" }[read];
  const unit = read === "milliseconds" ? " ms" : "";
  return `${what} of at least ${least}${unit}${most === MOST ? "" : ` and at most ${most}${unit}`}`;
}

/** Name of a limit in the configuration, such as `distributed.comm.limits.links-per-host`. */
export function settingOf(name: keyof LinkLimits): string {
  return `distributed.comm.limits.${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** What holds if nothing else is said. */
export const DEFAULT_LINK_LIMITS: FullLinkLimits = linkLimits(new Config());
