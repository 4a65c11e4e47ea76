/**
 * Drives a scheduler's state machine through its door, one stimulus a call, and keeps what is to be sent
 * until it is taken. It looks into the machine, too. For tests.
 *
 * @module
 */

import { assert } from "../internal/assert.ts";
import type { ClientReport, ClientStreamMessage } from "../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../messages/common.ts";
import type { WorkerMetrics } from "../messages/facts.ts";
import type { HeartbeatWorkerReply } from "../messages/membership.ts";
import type { WorkerCommand, WorkerStreamMessage } from "../messages/worker_scheduler.ts";
import type { Answer, AnswerTo, Effects, SchedulerEvent } from "../scheduler/state/effects.ts";
import { FunctionBodies } from "../scheduler/extensions/functions/function_bodies.ts";
import type { SchedulerMachine, SchedulerStateOptions } from "../scheduler/state/machine.ts";
import type { WorkerLoss } from "../scheduler/state/effects.ts";
import type { RetireOptions } from "../scheduler/state/retirement.ts";
import { machineOf, SchedulerState } from "../scheduler/state/scheduler_state.ts";
import type { SchedulerStimulus } from "../scheduler/state/stimulus.ts";
import type { WorkerInfo } from "../scheduler/state/worker_state.ts";

/** Messages by receiver. */
interface Outbox {
  readonly toWorker: Map<Address, WorkerCommand[]>;
  readonly toClient: Map<ClientId, ClientReport[]>;
}

/** A machine, and what it wants done. */
export class SchedulerDriver extends SchedulerState {
  /** When it wants to be ticked. */
  nextDeadline: number | null = null;
  /** What happened, until it is taken. */
  events: SchedulerEvent[] = [];
  /** Answers by number. */
  readonly answers: Map<number, Answer> = new Map();
  /** Bodies of functions that it has. */
  readonly functions: FunctionBodies;
  #asks = 0;
  #outbox: Outbox = { toWorker: new Map(), toClient: new Map() };

  /** Makes a scheduler with all extensions. */
  constructor(options: SchedulerStateOptions = {}) {
    const functions = new FunctionBodies();
    super(options, [functions]);
    this.functions = functions;
  }

  /** What nobody but tests may see. */
  get machine(): SchedulerMachine {
    return machineOf(this);
  }

  /** Tasks by key. */
  get tasks(): SchedulerMachine["tasks"] {
    return this.machine.tasks;
  }

  /** Workers by address. */
  get workers(): SchedulerMachine["workers"] {
    return this.machine.workers;
  }

  /** Clients by name. */
  get clients(): SchedulerMachine["clients"] {
    return this.machine.clients;
  }

  /** Groups of tasks. */
  get groups(): SchedulerMachine["groups"] {
    return this.machine.groups;
  }

  /** As the door, and keeps the effects. */
  override handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
    const effects = super.handle(stimuli, now);
    for (const [address, messages] of effects.toWorker) append(this.#outbox.toWorker, address, messages);
    for (const [id, messages] of effects.toClient) append(this.#outbox.toClient, id, messages);
    for (const [ask, answer] of effects.answers) this.answers.set(ask, answer);
    this.events.push(...effects.events);
    this.nextDeadline = effects.nextDeadline;
    return effects;
  }

  /** A number for an answer. */
  nextAsk(): number {
    return this.#asks++;
  }

  #ask<Op extends Answer["op"]>(
    stimulus: Extract<SchedulerStimulus, { readonly op: Op; readonly ask: number }>,
    now: number,
  ): AnswerTo<Op> {
    this.handle([stimulus], now);
    const { op, ask } = stimulus as Extract<SchedulerStimulus, { readonly ask: number }>;
    const answer = this.answers.get(ask);
    assert(answer !== undefined && answer.op === op, `"${op}" was not answered`);
    return answer as AnswerTo<Op>;
  }

  /** Registers a client. Returns `"OK"`, or why it was refused. */
  addClient(client: ClientId, now: number): string {
    return this.#ask({ op: "add-client", ask: this.nextAsk(), client }, now).refusal ?? "OK";
  }

  /** A client is gone. */
  removeClient(client: ClientId, now: number): void {
    this.handle([{ op: "remove-client", client }], now);
  }

  /** Registers a worker. Returns `"OK"`, or why it was refused. */
  addWorker(worker: WorkerInfo, now: number): string {
    return this.#ask({ op: "add-worker", ask: this.nextAsk(), worker }, now).refusal ?? "OK";
  }

  /** A worker is gone. Returns what went with it, or null if it was not known. */
  removeWorker(
    worker: Address,
    { now, expected = false, close = true }: { now: number; expected?: boolean; close?: boolean },
  ): WorkerLoss | null {
    const stimulusId = `remove-worker-${now}`;
    const { events } = this.handle([{ op: "remove-worker", worker, expected, close, stimulusId }], now);
    const removed = events.find((event) => event.event === "worker-removed");
    return removed?.loss ?? null;
  }

  /** A worker's heartbeat. */
  heartbeat(
    worker: Address,
    metrics: WorkerMetrics,
    executing: Readonly<Record<string, number>>,
    now: number,
  ): HeartbeatWorkerReply {
    return this.#ask({ op: "heartbeat", ask: this.nextAsk(), worker, metrics, executing }, now).reply;
  }

  /** A message of a worker. */
  handleWorkerMessage(worker: Address, message: WorkerStreamMessage, now: number): void {
    this.handle([{ op: "worker-messages", worker, messages: [message] }], now);
  }

  /** A message of a client. */
  handleClientMessage(client: ClientId, message: ClientStreamMessage, now: number): void {
    this.handle([{ op: "client-messages", client, messages: [message] }], now);
  }

  /** Runs failed tasks again. Returns the keys that run again. */
  retry(keys: readonly Key[], now: number): readonly Key[] {
    return this.#ask({ op: "retry", ask: this.nextAsk(), keys }, now).keys;
  }

  /** Begins to retire workers. Returns the number of the answer. */
  retire(options: RetireOptions, now: number, stimulusId = "retire"): number {
    const ask = this.nextAsk();
    this.handle([{ op: "retire", ask, options, stimulusId }], now);
    return ask;
  }

  /** Lets time pass. */
  tick(now: number): Effects {
    return this.handle([{ op: "tick" }], now);
  }

  /** As {@linkcode SchedulerState.workersToRetire}. */
  workersToClose(options: RetireOptions): Address[] {
    return this.workersToRetire(options);
  }

  /** Takes the messages that are to be sent. */
  takeOutbox(): Outbox {
    const outbox = this.#outbox;
    this.#outbox = { toWorker: new Map(), toClient: new Map() };
    return outbox;
  }

  /** Takes what happened. */
  takeEvents(): SchedulerEvent[] {
    const { events } = this;
    this.events = [];
    return events;
  }
}

function append<K, V>(all: Map<K, V[]>, key: K, values: readonly V[]): void {
  const known = all.get(key);
  if (known === undefined) all.set(key, [...values]);
  else known.push(...values);
}
