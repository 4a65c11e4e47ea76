/**
 * What all nodes of a simulated cluster share: the world, what is computed, how bad the network is, and the machines.
 *
 * @module
 */

import type { ClientReport, ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import type { WorkerCommand, WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import { ClientState, type ClientStateOptions } from "../../client/state/client_state.ts";
import type { SchedulerStateOptions } from "../../scheduler/state/machine.ts";
import { SchedulerDriver } from "../scheduler_driver.ts";
import { WorkerState, type WorkerStateOptions } from "../../worker/state/worker_state.ts";
import type { Serialized } from "../../protocol/serialized.ts";
import type { Random } from "../random.ts";
import type { Catalogue } from "./workload.ts";
import type { World } from "./world.ts";

/** Where the machines come from, and what the network does to messages. Tests plant bugs here. */
export class Parts {
  /** Makes the scheduler's machine. */
  makeScheduler(options: SchedulerStateOptions): SchedulerDriver {
    return new SchedulerDriver(options);
  }

  /** Makes a worker's machine. */
  makeWorker(options: WorkerStateOptions): WorkerState {
    return new WorkerState(options);
  }

  /** Makes a client's machine. */
  makeClient(options: ClientStateOptions): ClientState {
    return new ClientState(options);
  }

  /** What becomes of a message to a worker. */
  toWorker(message: WorkerCommand, _random: Random): readonly WorkerCommand[] {
    return [message];
  }

  /** What becomes of a message from a worker. */
  fromWorker(message: WorkerStreamMessage, _random: Random): readonly WorkerStreamMessage[] {
    return [message];
  }

  /** What becomes of a message to a client. */
  toClient(message: ClientReport, _random: Random): readonly ClientReport[] {
    return [message];
  }

  /** What becomes of a message from a client. */
  fromClient(message: ClientStreamMessage, _random: Random): readonly ClientStreamMessage[] {
    return [message];
  }
}

/** How bad things are in a run. Chances are between 0 and 1. */
export interface Profile {
  /** Mean seconds of a message's way. */
  readonly latency: number;
  /** Share of messages that go through bytes. */
  readonly encoded: number;
  /** Share of tasks that fail, for ever or at first. */
  readonly failureShare: number;
  /** Share of runs that ask to be placed anew. */
  readonly reschedules: number;
  /** Chance that a peer is too busy to give results. */
  readonly busy: number;
  /** Chance that a request for results meets an error. */
  readonly gatherFailures: number;
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
    encoded: random.pick([0, 0.1, 0.5]),
    failureShare: sometimes(0.5, 0.3),
    reschedules: sometimes(0.2, 0.1),
    busy: sometimes(0.3, 0.5),
    gatherFailures: sometimes(0.3, 0.5),
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

/** A worker as its peers and clients see it. */
export interface Peer {
  /** Results by key, as `get_data` would give them. */
  readonly store: { get(key: Key): Serialized | undefined };
}

/** What the nodes of one run share. */
export interface Setting {
  /** Time and chance. */
  readonly world: World;
  /** Tasks. */
  readonly catalogue: Catalogue;
  /** Trouble. */
  readonly profile: Profile;
  /** Machines. */
  readonly parts: Parts;
  /** Workers that can be reached, by address. */
  readonly peers: ReadonlyMap<Address, Peer>;
  /** Keys that somebody cancelled for everybody. */
  readonly forced: Set<Key>;
  /** Values that clients put on workers, and who did. */
  readonly scattered: Map<Key, ClientId>;
  /** Workers that went, for whatever reason. */
  losses: number;
  /** Workers whose end the scheduler did not expect. */
  deaths: number;
  /** Whether no more faults are made. */
  isPeaceful: boolean;
}
