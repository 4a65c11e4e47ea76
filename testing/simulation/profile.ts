/**
 * How bad things are in a run.
 *
 * @module
 */

import { Config } from "../../config/config.ts";
import type { Random } from "../random.ts";

/** How bad things are in a run. Chances are between 0 and 1. */
export interface Profile {
  /** Mean seconds of a message's way. */
  readonly latency: number;
  /** Share of tasks that fail, for ever or at first. */
  readonly failureShare: number;
  /** Transfers of data that a worker serves at once. */
  readonly transfersMax: number;
  /** Chance that a dial to a worker fails, or a request for results meets an error. */
  readonly gatherFailures: number;
  /** Share of links on which a write waits until it has arrived. */
  readonly slowLinks: number;
  /** Chance that the end of a link is noticed late by the other side. */
  readonly lostEnds: number;
  /** How often links break, compared to what clients do. */
  readonly linkFaults: number;
  /** How often workers die, leave and join, compared to what clients do. */
  readonly churn: number;
  /** How often workers pause, and are retired. */
  readonly pauses: number;
  /** How often clients cancel. */
  readonly cancels: number;
  /** Share of cancellations that are for everybody. */
  readonly forced: number;
  /** How often clients are lost. */
  readonly clientLosses: number;
  /** See `SchedulerStateOptions`. */
  readonly allowedFailures: number;
  /** See `SchedulerStateOptions`. */
  readonly workerSaturation: number;
  /** See `WorkerStateOptions`. */
  readonly transferMessageBytesLimit: number;
  /** See `WorkerStateOptions`. */
  readonly transferIncomingBytesLimit: number;
}

/** A profile by lot: every kind of trouble is absent in many runs, so that the others are seen alone. */
export function makeProfile(random: Random): Profile {
  const sometimes = (share: number, most: number) => random.chance(share) ? most * random.next() : 0;
  return {
    latency: random.pick([0.0003, 0.002, 0.01]),
    failureShare: sometimes(0.5, 0.3),
    transfersMax: random.pick([1, 1, 2, 10]),
    gatherFailures: sometimes(0.4, 0.7),
    slowLinks: sometimes(0.3, 1),
    lostEnds: sometimes(0.2, 0.5),
    linkFaults: sometimes(0.4, 0.4),
    churn: sometimes(0.7, 1),
    pauses: sometimes(0.4, 0.7),
    cancels: sometimes(0.5, 0.8),
    forced: sometimes(0.4, 0.5),
    clientLosses: sometimes(0.3, 0.3),
    allowedFailures: random.chance(0.2) ? random.below(2) : 1000,
    workerSaturation: random.pick([1.1, 1.1, 2, Infinity]),
    transferMessageBytesLimit: random.pick([50_000_000, 50_000_000, 2000]),
    transferIncomingBytesLimit: random.pick([Infinity, Infinity, 3000]),
  };
}

/** What the roles of a run are configured with. */
export function configOf(profile: Profile): Config {
  return new Config().with({
    "distributed.client.heartbeat": "1s",
    "distributed.comm.timeouts.connect": "5s",
    "distributed.scheduler.allowed-failures": profile.allowedFailures,
    "distributed.scheduler.worker-saturation": profile.workerSaturation === Infinity
      ? "inf"
      : profile.workerSaturation,
    "distributed.scheduler.worker-ttl": "6s",
    "distributed.worker.connections.incoming": profile.transfersMax,
    "distributed.worker.transfer.message-bytes-limit": profile.transferMessageBytesLimit,
  }, "the simulation");
}
