/**
 * What all members of a simulated cluster share: the world, the network, what is computed, and the parts that
 * tests replace.
 *
 * @module
 */

import { ClientState, type ClientStateOptions } from "../../client/state/client_state.ts";
import type { Config } from "../../config/config.ts";
import type { ClientReport, ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { ClientId, Key } from "../../messages/common.ts";
import type { WorkerCommand, WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import type { Extension } from "../../scheduler/state/extension.ts";
import type { SchedulerStateOptions } from "../../scheduler/state/machine.ts";
import { SchedulerState } from "../../scheduler/state/scheduler_state.ts";
import { WorkerState, type WorkerStateOptions } from "../../worker/state/worker_state.ts";
import type { Random } from "../random.ts";
import type { Profile } from "./profile.ts";
import type { Role } from "./role.ts";
import type { VirtualNetwork } from "./virtual_network.ts";
import type { Catalogue } from "./workload.ts";
import type { World } from "./world.ts";

/** Where the machines come from, and what happens to what they run on. Tests plant bugs here. */
export class Parts {
  /** Makes the scheduler's machine. */
  makeScheduler(options: SchedulerStateOptions, extensions: readonly Extension[]): SchedulerState {
    return new SchedulerState(options, extensions);
  }

  /** Makes a worker's machine. */
  makeWorker(options: WorkerStateOptions): WorkerState {
    return new WorkerState(options);
  }

  /** Makes a client's machine. */
  makeClient(options: ClientStateOptions): ClientState {
    return new ClientState(options);
  }

  /** Changes shells until it is disposed of. */
  plant(): Disposable {
    return { [Symbol.dispose]: () => {} };
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

/** What the members of one run share. */
export interface Setting {
  /** Time and chance. */
  readonly world: World;
  /** Links. */
  readonly network: VirtualNetwork;
  /** Tasks. */
  readonly catalogue: Catalogue;
  /** Trouble. */
  readonly profile: Profile;
  /** The same as configuration. */
  readonly config: Config;
  /** Machines. */
  readonly parts: Parts;
  /** Takes the lines of a recording of all that happens to the scheduler. */
  readonly onRecord: ((line: string) => void) | undefined;
  /** Makes somebody new. */
  makeRole(kind: Role["kind"], host: string): Role;
  /** Keys that somebody cancelled for everybody. */
  readonly forced: Set<Key>;
  /** Values that clients put on workers, and who did. */
  readonly scattered: Map<Key, ClientId>;
  /** Workers that may have ended in a way that the scheduler did not expect. */
  deaths: number;
  /** Whether no more faults are made. */
  isPeaceful: boolean;
}
