/**
 * Who may open a link now: bounds on what peers cost before they have proved anything. Pure: times are given.
 *
 * Counts are per host, so that one that misbehaves does not shut others out. For IPv6 that is a network of 64
 * bits, which is what one host is given, and whose addresses it may change at will.
 *
 * @module
 */

import { DEFAULT_LINK_LIMITS, type FullLinkLimits, type LinkLimits } from "./limits.ts";

/** Seconds of `acceptsPerSecond` that a host may have saved. */
const BURST_SECONDS = 4;
/**
 * What a refused handshake costs its host in accepts. One costs 0.5 to 0.7 milliseconds of this process: with
 * the defaults, a host that is refused again and again is so 25 times a second, and gets a fiftieth of one
 * core.
 */
const REFUSAL_COST = 20;
/**
 * The same for a host that had a good one: who is refused may not be who is known, as with many behind one
 * address. It may owe half as much, so that its good peers have a chance every other second at least.
 */
const REFUSAL_COST_KNOWN = 5;
/**
 * Refused handshakes of hosts that never had a good one, per second and at once. With more of them, as only
 * many hosts can bring about, hosts that are not known are kept out, and the process is there for those that
 * are.
 */
const STRANGERS_REFUSED = 200;
const STRANGERS_BURST = 800;
/** Hosts that are remembered. */
const HOSTS_MAX = 10_000;

interface Host {
  /** Accepts that it has left. */
  tokens: number;
  /** When `tokens` was right, in milliseconds. */
  at: number;
  /** Its links that are in their handshake. */
  pending: number;
  /** Whether it was told that the host is kept out. */
  isTold: boolean;
  /** Whether one of its handshakes went well. */
  isKnown: boolean;
}

/** Admits links, or not. Open links are counted by who serves them (`rpc/server.ts`). */
export class Admission {
  /** What it holds to. */
  readonly limits: FullLinkLimits;
  readonly #burst: number;
  readonly #hosts = new Map<string, Host>();
  #pending = 0;
  /** Refusals of strangers that are left. */
  #strangers = STRANGERS_BURST;
  #strangersAt = 0;

  /** Nobody was there yet. */
  constructor(limits: LinkLimits = {}) {
    this.limits = { ...DEFAULT_LINK_LIMITS, ...limits };
    this.#burst = this.limits.acceptsPerSecond * BURST_SECONDS;
  }

  /**
   * Whether `host` may begin a handshake at `now` (milliseconds). The end of one that was admitted, good or
   * bad, is told by {@linkcode Admission.settled}.
   */
  admit(host: string, now: number): boolean {
    if (this.#pending >= this.limits.handshakes) return false;
    const entry = this.#entry(host, now);
    if (entry.tokens < 1 || entry.pending >= this.limits.handshakesPerHost) return false;
    if (!entry.isKnown && this.#strangersLeft(now) < 1) return false;
    entry.tokens--;
    entry.pending++;
    this.#pending++;
    entry.isTold = false;
    return true;
  }

  /** A handshake of `host` went well. */
  proved(host: string): void {
    const entry = this.#hosts.get(hostGroup(host));
    if (entry !== undefined) entry.isKnown = true;
  }

  /** A handshake of `host` ended. */
  settled(host: string): void {
    const entry = this.#hosts.get(hostGroup(host));
    if (entry === undefined || entry.pending === 0) return;
    entry.pending--;
    this.#pending--;
  }

  /** Whether this is the first time in a row that `host` is kept out: once is enough for a log. */
  isNews(host: string, now: number): boolean {
    const entry = this.#entry(host, now);
    const isNews = !entry.isTold;
    entry.isTold = true;
    return isNews;
  }

  /** A handshake of `host` was refused. */
  refused(host: string, now: number): void {
    const entry = this.#entry(host, now);
    const [cost, debts] = entry.isKnown ? [REFUSAL_COST_KNOWN, this.#burst / 2] : [REFUSAL_COST, this.#burst];
    entry.tokens = Math.max(entry.tokens - cost, -debts);
    if (!entry.isKnown) this.#strangers = this.#strangersLeft(now) - 1;
  }

  #strangersLeft(now: number): number {
    const gained = Math.max(0, now - this.#strangersAt) / 1000 * STRANGERS_REFUSED;
    this.#strangers = Math.min(STRANGERS_BURST, this.#strangers + gained);
    this.#strangersAt = now;
    return this.#strangers;
  }

  #entry(address: string, now: number): Host {
    const host = hostGroup(address);
    const known = this.#hosts.get(host);
    if (known !== undefined) {
      const gained = Math.max(0, now - known.at) / 1000 * this.limits.acceptsPerSecond;
      known.tokens = Math.min(this.#burst, known.tokens + gained);
      known.at = now;
      return known;
    }
    if (this.#hosts.size >= HOSTS_MAX) this.#forget();
    const entry: Host = { tokens: this.#burst, at: now, pending: 0, isTold: false, isKnown: false };
    this.#hosts.set(host, entry);
    return entry;
  }

  /** Forgets hosts that are in no handshake and had no good one, the oldest first; their debts with them. */
  #forget(): void {
    for (const isSparing of [true, false]) {
      for (const [host, { pending, isKnown }] of this.#hosts) {
        if (pending === 0 && !(isKnown && isSparing)) this.#hosts.delete(host);
        if (this.#hosts.size < HOSTS_MAX / 2) return;
      }
    }
  }
}

/** What counts as one host: an IPv4 address or a name as it is, an IPv6 address by its network. */
export function hostGroup(host: string): string {
  if (!host.includes(":")) return host;
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(host) ?? [];
  if (mapped !== undefined) return mapped;
  const [address = ""] = host.split("%", 1);
  const [left = "", right] = address.toLowerCase().split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const zeros = new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  const network = [...head, ...zeros, ...tail].slice(0, 4).map((part) => part.replace(/^0+(?=.)/, ""));
  return `${network.join(":")}::/64`;
}
