/**
 * Lines of the log that peers can cause, and so as many of them as they like: bounded per host, and for all
 * hosts together. What is left out is counted.
 *
 * @module
 */

import type { Logger } from "../config/logging.ts";
import { type Clock, systemClock } from "../internal/clock.ts";
import { addressHost } from "./address.ts";
import { hostGroup } from "./limits/admission.ts";

/** Lines at once, and per second after that, about one host. */
const HOST: Rate = { burst: 200, perSecond: 10 };
/** The same about all hosts. */
const ALL: Rate = { burst: 1000, perSecond: 50 };
/** Hosts that are remembered. */
const HOSTS_MAX = 2000;

interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Lines that may be written now, and those that were not. */
class Allowance {
  /** Lines that were left out since the last one. */
  omitted = 0;
  readonly #rate: Rate;
  #tokens: number;
  #at: number;
  #isTold = false;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  take(now: number): boolean {
    const { burst, perSecond } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#at) / 1000 * perSecond);
    this.#at = now;
    if (this.#tokens > burst / 2) this.#isTold = false;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return true;
    }
    this.omitted++;
    return false;
  }

  /** Whether it is the first time for long that lines are left out. */
  isNews(): boolean {
    const isNews = !this.#isTold;
    this.#isTold = true;
    return isNews;
  }
}

/** Writes lines about peers, not all of them if there are too many. */
export class PeerLog {
  readonly #line: (text: string) => void;
  readonly #clock: Pick<Clock, "now">;
  readonly #all: Allowance;
  readonly #hosts = new Map<string, Allowance>();

  /**
   * @param line Writes one line.
   * @param clock Time.
   */
  constructor(line: (text: string) => void, clock: Pick<Clock, "now"> = systemClock) {
    this.#line = line;
    this.#clock = clock;
    this.#all = new Allowance(ALL, clock.now());
  }

  /** A log of warnings about peers. */
  static warnings(logger: Logger, clock: Pick<Clock, "now"> = systemClock): PeerLog {
    return new PeerLog((text) => logger.warning(text), clock);
  }

  /** Writes a line about the peer at an address such as `tls://10.0.0.7:40112`. */
  about(address: string, text: string): void {
    this.write(addressHost(address), text);
  }

  /** Writes a line about a peer on `host`. */
  write(host: string, text: string): void {
    const now = this.#clock.now();
    const allowance = this.#allowance(hostGroup(host), now);
    const isOver = !allowance.take(now) ? allowance : !this.#all.take(now) ? this.#all : undefined;
    if (isOver !== undefined) {
      const about = isOver === allowance ? host : "peers";
      if (isOver.isNews()) this.#line(`Further lines about ${about} are left out: there are too many`);
      return;
    }
    const omitted = allowance.omitted + this.#all.omitted;
    allowance.omitted = this.#all.omitted = 0;
    this.#line(omitted === 0 ? text : `${text} (${omitted} lines about peers were left out before)`);
  }

  #allowance(group: string, now: number): Allowance {
    let allowance = this.#hosts.get(group);
    if (allowance === undefined) {
      for (const oldest of this.#hosts.keys()) {
        if (this.#hosts.size < HOSTS_MAX) break;
        this.#hosts.delete(oldest);
      }
      this.#hosts.set(group, allowance = new Allowance(HOST, now));
    }
    return allowance;
  }
}
