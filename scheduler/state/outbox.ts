/**
 * Messages that the shell sends for the state machine, in order for each receiver.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { CancelledKeys, ClientReport } from "../../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import type { FreeKeys, WorkerCommand } from "../../messages/worker_scheduler.ts";
import type { ClientState } from "./client_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** Messages by receiver. They can include last messages to a receiver that was just removed. */
export interface Outbox {
  /** To workers. */
  readonly toWorker: Map<Address, WorkerCommand[]>;
  /** To clients. */
  readonly toClient: Map<ClientId, ClientReport[]>;
}

/** Collects messages until the shell takes them. */
export class OutboxBuilder {
  #workers: WorkerState[] = [];
  #clients: ClientState[] = [];

  /** Adds a message to a worker. */
  tellWorker(ws: WorkerState, command: WorkerCommand): void {
    if (ws.outbox.length === 0) this.#workers.push(ws);
    ws.outbox.push(command);
  }

  /** Adds a message to a client. */
  tellClient(cs: ClientState, report: ClientReport): void {
    if (cs.outbox.length === 0) this.#clients.push(cs);
    cs.outbox.push(report);
  }

  /** Tells a worker to free a key. Consecutive keys of one stimulus share a message. */
  freeKey(ws: WorkerState, key: Key, stimulusId: string): void {
    const last = ws.outbox[ws.outbox.length - 1];
    if (last !== undefined && last.op === "free-keys" && last.stimulus_id === stimulusId) {
      (last as FreeKeys & { readonly keys: Key[] }).keys.push(key);
    } else {
      this.tellWorker(ws, { op: "free-keys", keys: [key], stimulus_id: stimulusId });
    }
  }

  /**
   * Tells a client that a key will never be computed. Consecutive keys with the same reason share a message.
   */
  cancelKey(cs: ClientState, key: Key, reason: string): void {
    const last = cs.outbox[cs.outbox.length - 1];
    if (last !== undefined && last.op === "cancelled-keys" && last.reason === reason) {
      (last as CancelledKeys & { readonly keys: Key[] }).keys.push(key);
    } else {
      this.tellClient(cs, { op: "cancelled-keys", keys: [key], reason });
    }
  }

  /** Returns the collected messages, and clears them. */
  take(): Outbox {
    const toWorker = new Map<Address, WorkerCommand[]>();
    for (const ws of this.#workers) {
      assert(ws.outbox.length > 0, "A worker is said to have messages, and has none");
      const earlier = toWorker.get(ws.address); // the address may have been reused by a new worker
      toWorker.set(ws.address, earlier === undefined ? ws.outbox : earlier.concat(ws.outbox));
      ws.outbox = [];
    }
    const toClient = new Map<ClientId, ClientReport[]>();
    for (const cs of this.#clients) {
      assert(cs.outbox.length > 0, "A client is said to have messages, and has none");
      const earlier = toClient.get(cs.id);
      toClient.set(cs.id, earlier === undefined ? cs.outbox : earlier.concat(cs.outbox));
      cs.outbox = [];
    }
    this.#workers = [];
    this.#clients = [];
    return { toWorker, toClient };
  }
}
