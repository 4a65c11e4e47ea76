/**
 * What a scheduler, a worker or a client of a simulated cluster runs on: virtual time, ids from the seed, and
 * a virtual network. A role that died does nothing any more, whatever its code waits for.
 *
 * @module
 */

import type { Platform } from "../../comm/platform.ts";
import type { Clock } from "../../internal/clock.ts";
import type { Ids } from "../../internal/ids.ts";
import { Random } from "../random.ts";
import type { VirtualComm } from "./virtual_comm.ts";
import type { VirtualNetwork } from "./virtual_network.ts";
import { check, type World } from "./world.ts";

/** Virtual time begins at this time of all clocks that are right. */
const EPOCH = 1000;
/** Seconds that a clock is wrong at most. */
const SKEW_MAX = 30;
/** Most seconds that a timer is late. */
const LATE_MAX = 0.0005;

/** What somebody is. */
export type RoleKind = "scheduler" | "worker" | "client";

/** One process of the cluster. */
export class Role {
  /** For the record, such as `"w3"`. */
  readonly name: string;
  /** What it is. */
  readonly kind: RoleKind;
  /** Address of its machine. */
  readonly host: string;
  /** What its shell is given. */
  readonly platform: Platform;
  /** Its ends of open links. */
  readonly comms: Set<VirtualComm> = new Set();
  /** Addresses where it listens. */
  readonly listening: Set<string> = new Set();
  readonly #clock: VirtualClock;
  #isDead = false;

  /** A process that just started. `number`: from 1, another one for each. */
  constructor(
    world: World,
    network: VirtualNetwork,
    kind: RoleKind,
    number: number,
    name: string,
    host: string,
  ) {
    this.kind = kind;
    this.name = name;
    this.host = host;
    const skew = kind !== "scheduler" && world.random.chance(0.3)
      ? SKEW_MAX * (world.random.next() - 0.5)
      : 0;
    this.#clock = new VirtualClock(world, number, EPOCH + skew);
    this.platform = {
      clock: this.#clock,
      ids: new SeededIds(world.random.below(2 ** 31)),
      network: network.of(this),
    };
  }

  /** Whether it does nothing any more. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** Dies at once. Its peers are told by its machine, or later, if that is gone as well. */
  kill(isMachineGone: boolean): void {
    this.#isDead = true;
    this.#clock.stop();
    this.listening.clear();
    for (const comm of this.comms) comm.die(isMachineGone);
    this.comms.clear();
  }

  /** Checks that it ended well: no timer runs for it, no link is open, nobody can reach it. */
  checkEnded(): void {
    check(
      this.#clock.pending === 0,
      () => `${this.name} ended, and ${this.#clock.pending} of its timers run`,
    );
    check(this.comms.size === 0, () => {
      const peers = Array.from(this.comms, (comm) => comm.peerAddress);
      return `${this.name} ended, and its links to ${peers.join(", ")} are open`;
    });
    check(
      this.listening.size === 0,
      () => `${this.name} ended, and listens at ${[...this.listening].join(", ")}`,
    );
  }
}

/** Time of one role. */
class VirtualClock implements Clock {
  readonly #world: World;
  readonly #role: number;
  readonly #epoch: number;
  readonly #timers: Set<() => void> = new Set();
  #isStopped = false;

  constructor(world: World, role: number, epoch: number) {
    this.#world = world;
    this.#role = role;
    this.#epoch = epoch;
  }

  /** Timers that run. */
  get pending(): number {
    return this.#timers.size;
  }

  /** No timer runs out any more. */
  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  now(): number {
    return this.#world.now * 1000;
  }

  time(): number {
    return this.#epoch + this.#world.now;
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = this.timer(milliseconds, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise;
  }

  timer(milliseconds: number, callback: () => void): () => void {
    if (this.#isStopped) return () => {};
    const late = LATE_MAX * this.#world.random.next();
    const cancelEvent = this.#world.schedule(Math.max(milliseconds, 0) / 1000 + late, () => {
      this.#timers.delete(cancel);
      callback();
    }, this.#role);
    const cancel = () => {
      if (this.#timers.delete(cancel)) cancelEvent();
    };
    this.#timers.add(cancel);
    return cancel;
  }

  every(milliseconds: number, callback: () => void): () => void {
    let cancel = () => {};
    const next = () => {
      cancel = this.timer(milliseconds, () => {
        next();
        callback();
      });
    };
    next();
    return () => cancel();
  }
}

/** Ids of one role. */
class SeededIds implements Ids {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  uuid(): string {
    const digits = () => this.#random.below(2 ** 32).toString(16).padStart(8, "0");
    const text = digits() + digits() + digits() + digits();
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-4${text.slice(13, 16)}-a${text.slice(17, 20)}-${
      text.slice(20)
    }`;
  }

  random(): number {
    return this.#random.next();
  }
}
