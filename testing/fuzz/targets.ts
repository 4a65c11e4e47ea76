/**
 * What damaged input is thrown at: everything between the socket and the state machines, in one process.
 *
 * @module
 */

import { negotiate, parseHandshake } from "../../comm/handshake.ts";
import { parseClientReport, parseClientStreamMessage } from "../../messages/client_scheduler.ts";
import {
  type Address,
  type ClientId,
  isRecord,
  MessageError,
  type RawMessage,
} from "../../messages/common.ts";
import { parseWorkerCommand, parseWorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import { FrameError, FrameReader } from "../../protocol/frames.ts";
import { decodeMessage } from "../../protocol/message.ts";
import { MsgpackError } from "../../protocol/msgpack.ts";
import { decodePickle } from "../../protocol/pickle.ts";
import { decodeError } from "../../protocol/remote_error.ts";
import { Pickled, SerializationError, Serialized } from "../../protocol/serialized.ts";
import { deserializeValue } from "../../protocol/values.ts";
import { parseRegisterWorker } from "../../messages/membership.ts";
import { SchedulerDriver } from "../scheduler_driver.ts";
import { ClientState } from "../../client/state/client_state.ts";
import type { Stimulus } from "../../worker/state/stimulus.ts";
import { Random } from "../random.ts";
import { WorkerState } from "../../worker/state/worker_state.ts";
import { registration } from "./corpus.ts";
import { Knowledge, nameOf, Shell } from "./play.ts";

/** How far an input got, from the outside in. */
export const STAGES = [
  "refused by framing",
  "refused as a message",
  "refused by its check",
  "handled",
] as const;

const WORKER = "tcp://127.0.0.1:9" as Address;
/** A worker that registered as it should, and stays. */
const STEADY = "tcp://127.0.0.1:8" as Address;
const CLIENT = "Client-fuzz" as ClientId;

/** Errors that damaged input may cause; anything else is a bug. */
function isExpected(error: unknown): boolean {
  return error instanceof FrameError || error instanceof MsgpackError ||
    error instanceof SerializationError ||
    error instanceof MessageError || (error instanceof Error && error.name === "HandshakeError");
}

/** State machines that live through many inputs. */
export class Targets {
  readonly #scheduler = new SchedulerDriver({ validate: true });
  readonly #worker = new WorkerState({ address: WORKER, nthreads: 1, validate: true });
  readonly #client = new ClientState({ client: CLIENT, heartbeat: 1, now: 0, validate: true });
  readonly #knowledge = new Knowledge();
  readonly #shell = new Shell(this.#worker);
  #time = 0;

  constructor() {
    this.#scheduler.addClient(CLIENT, 0);
  }

  /**
   * Feeds one input, as it would come from a socket. Returns the index in {@linkcode STAGES}.
   *
   * @throws What is a bug.
   */
  feed(wire: Uint8Array): number {
    let frames: Uint8Array[] | undefined;
    try {
      const reader = new FrameReader();
      reader.push(wire);
      frames = reader.next();
    } catch (error) {
      if (isExpected(error)) return 0;
      throw error;
    }
    if (frames === undefined) return 0; // the rest never comes
    let message: unknown;
    try {
      message = decodeMessage(frames);
    } catch (error) {
      if (isExpected(error)) return 1;
      throw error;
    }
    return this.#handle(message) ? 3 : 2;
  }

  #handle(message: unknown): boolean {
    let handled = this.#try(() => void negotiate(parseHandshake(message), parseHandshake(message)));
    const batch: readonly unknown[] = Array.isArray(message) ? message : [message];
    for (const item of batch) {
      if (!isRecord(item)) continue;
      if (this.#dispatch(item)) handled = true;
    }
    this.#values(message, 0);
    return handled;
  }

  #dispatch(given: RawMessage): boolean {
    const now = this.#time++;
    const random = new Random(now);
    const message = this.#knowledge.fit(given, random);
    const scheduler = this.#scheduler;
    if (!scheduler.clients.has(CLIENT)) scheduler.addClient(CLIENT, now);
    if (!scheduler.workers.has(STEADY)) this.#join(STEADY, "steady", now);
    const roads: (() => void)[] = [
      () => scheduler.handleClientMessage(CLIENT, parseClientStreamMessage(message), now),
      () => {
        const worker = random.chance(0.5) ? WORKER : STEADY;
        scheduler.handleWorkerMessage(worker, parseWorkerStreamMessage(message), now);
      },
      () => this.#command(message, now),
      () => {
        const report = parseClientReport(message);
        if (report === undefined) throw new MessageError("ignored");
        this.#client.handle([report], now);
      },
      () => {
        const info = parseRegisterWorker(message);
        scheduler.removeWorker(WORKER, { now });
        scheduler.addWorker({ ...info, address: WORKER }, now);
      },
    ];
    let handled = false;
    for (const road of roads) if (this.#try(road)) handled = true;
    this.#shell.goOn(random, now);
    if (random.chance(0.05)) this.#client.handle([{ op: "desire", key: nameOf(random) }], now);
    this.#client.handle([{ op: "tick" }, { op: "flush" }], now);
    for (const commands of scheduler.takeOutbox().toWorker.values()) this.#knowledge.told(commands);
    return handled;
  }

  #join(address: Address, name: string, now: number): void {
    this.#scheduler.addWorker({ ...parseRegisterWorker(registration(address, name)), address }, now);
    const running = { op: "worker-status-change", status: "running", stimulus_id: "s" } as const;
    this.#scheduler.handleWorkerMessage(address, running, now);
  }

  #command(message: RawMessage, now: number): void {
    const command = parseWorkerCommand(message);
    switch (command.op) {
      case "worker-status-change":
      case "close":
      case "register-functions":
      case "free-functions":
      case "close-stream":
        return;
      default:
        this.#shell.handle(command satisfies Stimulus, now);
    }
  }

  /** Values inside are decoded where a program asks for them. */
  #values(value: unknown, depth: number): void {
    if (depth > 8 || typeof value !== "object" || value === null) return;
    if (value instanceof Serialized) {
      this.#try(() => void deserializeValue(value));
      decodeError(value);
    } else if (value instanceof Pickled) {
      const pickle = value.header["pickled-obj"];
      if (pickle instanceof Uint8Array) this.#try(() => void decodePickle(pickle, value.frames));
    } else if (Array.isArray(value)) {
      for (const item of value) this.#values(item, depth + 1);
    } else if (isRecord(value)) {
      for (const name in value) this.#values(value[name], depth + 1);
    }
  }

  #try(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if (isExpected(error)) return false;
      throw error;
    }
  }
}
