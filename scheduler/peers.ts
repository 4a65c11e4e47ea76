/**
 * A scheduler's links to its workers and clients, one record for each.
 *
 * @module
 */

import type { Comm } from "../comm/comm.ts";
import { CommClosed } from "../comm/errors.ts";
import type { ClientReport } from "../messages/client_scheduler.ts";
import type { Address, ClientId } from "../messages/common.ts";
import type { StreamStart } from "../messages/membership.ts";
import type { WorkerCommand } from "../messages/worker_scheduler.ts";
import type { BatchedSend } from "../rpc/batched.ts";

/** A peer, and the stream of `Message`s to it. */
export interface Peer<Message> {
  /** The link on which it registered. */
  readonly comm: Comm;
  /** Sends messages to it. */
  readonly stream: BatchedSend<Message>;
}

/** A worker. */
export type WorkerPeer = Peer<WorkerCommand>;

/** A client. */
export type ClientPeer = Peer<ClientReport | StreamStart>;

/**
 * The registered peers. A peer that was replaced by another is not in it, although its stream may last for a
 * while.
 */
export class Peers {
  /** Workers by address. */
  readonly workers: Map<Address, WorkerPeer> = new Map();
  /** Clients by name. */
  readonly clients: Map<ClientId, ClientPeer> = new Map();

  /** Sends messages to a worker; ignored if it is not registered. */
  tellWorker(address: Address, commands: readonly WorkerCommand[]): void {
    sendAll(this.workers.get(address)?.stream, commands);
  }

  /**
   * Sends messages to a client; ignored if it is not registered. A client that reads slowly gets no results
   * in reports; it can fetch them later.
   */
  tellClient(client: ClientId, reports: readonly ClientReport[]): void {
    const stream = this.clients.get(client)?.stream;
    sendAll(stream, stream?.isBehind === true ? reports.map(withoutResult) : reports);
  }

  /** Says goodbye to all peers. Resolves when they have read it, or when `signal` is aborted. */
  async sayGoodbye(signal: AbortSignal | undefined): Promise<void> {
    for (const address of this.workers.keys()) {
      this.tellWorker(address, [{ op: "close", reason: "scheduler-close" }]);
    }
    for (const client of this.clients.keys()) this.tellClient(client, [{ op: "stream-closed" }]);
    const streams = [...this.workers.values(), ...this.clients.values()].map(({ stream }) => stream);
    await Promise.all(streams.map((stream) => stream.close(signal)));
  }
}

function sendAll<Message>(stream: BatchedSend<Message> | undefined, messages: readonly Message[]): void {
  if (stream === undefined || stream.closed) return; // its end is being handled
  try {
    for (const message of messages) stream.send(message); // hot: per message
  } catch (error) {
    if (!(error instanceof CommClosed)) throw error; // too much waited: it was dropped and logged
  }
}

function withoutResult(report: ClientReport): ClientReport {
  if (report.op !== "key-in-memory" || report.result === undefined) return report;
  const { result: _, ...rest } = report;
  return rest;
}
