/**
 * What the network of a run does to messages and links, and what it tells those who watch it.
 *
 * @module
 */

import type { ClientReport, ClientStreamMessage } from "../../messages/client_scheduler.ts";
import { isRecord } from "../../messages/common.ts";
import type { WorkerCommand, WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import type { Profile } from "./profile.ts";
import { briefly, isBatch } from "./record.ts";
import type { Role } from "./role.ts";
import type { Parts } from "./setting.ts";
import type { VirtualComm } from "./virtual_comm.ts";
import type { Faults } from "./virtual_network.ts";
import type { World } from "./world.ts";

/** Sees what passes the network. */
export interface Observer {
  /** A batch of a stream was sent. */
  sent(from: Role, to: Role, batch: readonly unknown[]): void;
  /** A batch of a stream arrived. */
  arrived(from: Role, to: Role, batch: readonly unknown[]): void;
  /** A request or an answer arrived. */
  asked(at: VirtualComm, message: unknown): void;
}

/** The faults of one run. */
export class RandomFaults implements Faults {
  readonly world: World;
  readonly latency: number;
  /** Who watches. */
  observer: Observer | undefined;
  /** Whether no more faults are made. */
  isPeaceful = false;
  readonly #profile: Profile;
  readonly #parts: Parts;

  /** Faults as `profile` says, and those of `parts`. */
  constructor(world: World, profile: Profile, parts: Parts) {
    this.world = world;
    this.latency = profile.latency;
    this.#profile = profile;
    this.#parts = parts;
  }

  alter(from: VirtualComm, message: unknown): unknown {
    const { role, peerRole } = from;
    if (isBatch(message)) {
      const batch: unknown[] = message.flatMap((one) => this.#alterOne(role, peerRole, one));
      this.observer?.sent(role, peerRole, batch);
      return batch.length === 0 ? undefined : batch;
    }
    if (role.kind !== "worker" || !isRecord(message)) return message;
    const isGather = peerRole.kind === "worker" && message["op"] === "get_data";
    if (!(isGather || "data" in message) || !this.#happens(this.#profile.gatherFailures)) return message;
    if (isGather && this.world.random.chance(0.3)) return { ...message, keys: "damaged" };
    if (isGather || this.world.random.chance(0.3)) this.world.schedule(0, () => from.cut());
    return message;
  }

  arrived(at: VirtualComm, message: unknown): void {
    const { role, peerRole } = at;
    if (!isBatch(message)) {
      if (isRecord(message) && "op" in message) {
        this.world.note(`${peerRole.name}>${role.name} asks ${briefly(message)}`);
      }
      this.observer?.asked(at, message);
      return;
    }
    this.world.note(`${peerRole.name}>${role.name} ${message.map(briefly).join("; ")}`);
    this.observer?.arrived(peerRole, role, message);
  }

  losesEnd(_comm: VirtualComm): boolean {
    return this.#happens(this.#profile.lostEnds);
  }

  dial(from: Role, to: Role): "works" | "is refused" | "is not answered" {
    if (to.kind !== "worker" || from.kind === "scheduler") return "works";
    if (!this.#happens(this.#profile.gatherFailures * 0.5)) return "works";
    return this.world.random.chance(0.7) ? "is refused" : "is not answered";
  }

  isSlow(): boolean {
    return this.world.random.chance(this.#profile.slowLinks);
  }

  #happens(share: number): boolean {
    return !this.isPeaceful && this.world.random.chance(share);
  }

  #alterOne(from: Role, to: Role, message: unknown): readonly unknown[] {
    const { random } = this.world;
    if (to.kind === "worker") return this.#parts.toWorker(message as WorkerCommand, random);
    if (to.kind === "client") return this.#parts.toClient(message as ClientReport, random);
    if (from.kind === "worker") return this.#parts.fromWorker(message as WorkerStreamMessage, random);
    return this.#parts.fromClient(message as ClientStreamMessage, random);
  }
}
