/**
 * The scheduler as a pure state machine: stimuli in, messages out. It mirrors `SchedulerState` and the stimuli of
 * `distributed/scheduler.py`; it knows neither sockets nor clocks.
 *
 * @module
 */

import type { ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import type { WorkerMetrics } from "../../messages/facts.ts";
import type { HeartbeatWorkerReply } from "../../messages/membership.ts";
import type { WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import { unreachable } from "../../internal/assert.ts";
import type { StoryEntry } from "../../internal/story.ts";
import type { ClientState } from "./client_state.ts";
import * as clients from "./client_stimuli.ts";
import { updateData } from "./data.ts";
import { updateGraph } from "./graph.ts";
import { SchedulerMachine, type SchedulerStateOptions } from "./machine.ts";
import {
  addWorker,
  heartbeatInterval,
  heartbeatWorker,
  removeWorker,
  type RemoveWorkerOptions,
  silentWorkers,
  type WorkerLoss,
} from "./membership.ts";
import type { Outbox } from "./outbox.ts";
import { totalOccupancy } from "./placement.ts";
import { holders } from "./reports.ts";
import { type DownscaleOptions, Retirement, workersToClose } from "./retire.ts";
import type { TaskGroup } from "./task_group.ts";
import type { StateName, TaskState } from "./task_state.ts";
import { validateMachine } from "./validate.ts";
import { handleWorker } from "./worker_stimuli.ts";
import type { WorkerInfo, WorkerState } from "./worker_state.ts";

/**
 * All that a scheduler decides. Every method is one stimulus; what is to be sent afterwards is in
 * {@linkcode SchedulerState.takeOutbox}. Messages are taken as checked by `messages/`, and may be late or
 * senseless; an error that is thrown all the same is a bug, and leaves the machine unusable.
 */
export class SchedulerState {
  readonly #machine: SchedulerMachine;

  /** Makes a scheduler that knows nobody. */
  constructor(options: SchedulerStateOptions = {}) {
    this.#machine = new SchedulerMachine(options);
  }

  /** Tasks that are not forgotten, by key. */
  get tasks(): ReadonlyMap<Key, TaskState> {
    return this.#machine.tasks;
  }

  /** Registered workers by address. */
  get workers(): ReadonlyMap<Address, WorkerState> {
    return this.#machine.workers;
  }

  /** Registered clients by name. */
  get clients(): ReadonlyMap<ClientId, ClientState> {
    return this.#machine.clients;
  }

  /** Functions that are known, by hash. */
  get groups(): ReadonlyMap<string, TaskGroup> {
    return this.#machine.groups;
  }

  /** Threads of all workers. */
  get totalNthreads(): number {
    return this.#machine.totalNthreads;
  }

  /** Seconds of work that the workers have been given. */
  get totalOccupancy(): number {
    return totalOccupancy(this.#machine);
  }

  /** Number of ready tasks that wait for a worker. */
  get queuedCount(): number {
    return this.#machine.queued.size + this.#machine.unrunnable.size;
  }

  /** Transitions so far; one that does not grow tells that nothing happens. */
  get transitionCount(): number {
    return this.#machine.transitionCounter;
  }

  /** Whether no task waits or runs (`check_idle`). */
  get isIdle(): boolean {
    if (this.queuedCount > 0) return false;
    for (const ws of this.#machine.workers.values()) {
      if (ws.processing.size > 0) return false;
    }
    return true;
  }

  /** Seconds between a worker's heartbeats. */
  get heartbeatInterval(): number {
    return heartbeatInterval(this.#machine.workers.size);
  }

  /** Registers a client. */
  addClient(id: ClientId, now: number): void {
    this.#machine.begin(`add-client-${now}`, now);
    clients.addClient(this.#machine, id);
  }

  /** A client left: all it wanted is released. Does nothing if it is not known. */
  removeClient(id: ClientId, now: number): void {
    this.#machine.begin(`remove-client-${now}`, now);
    clients.removeClient(this.#machine, id);
  }

  /** Registers a worker. Returns `"OK"`, or the reason to refuse it. */
  addWorker(info: WorkerInfo, now: number): string {
    this.#machine.begin(`add-worker-${now}`, now);
    return addWorker(this.#machine, info);
  }

  /** A worker left, or shall leave. Returns what went with it, or `null` if it was not known. */
  removeWorker(address: Address, options: RemoveWorkerOptions): WorkerLoss | null {
    const m = this.#machine;
    const ws = m.workers.get(address);
    if (ws === undefined) return null;
    m.begin(options.stimulusId ?? `remove-worker-${options.now}`, options.now);
    return removeWorker(m, ws, options);
  }

  /** Begins to empty a worker; `null` if it is not known. */
  retire(address: Address, stimulusId: string, now: number): Retirement | null {
    const m = this.#machine;
    const ws = m.workers.get(address);
    if (ws === undefined) return null;
    m.begin(stimulusId, now);
    return new Retirement(m, ws);
  }

  /** Workers that can go at low cost. */
  workersToClose(options: DownscaleOptions): Address[] {
    return workersToClose(this.#machine, options);
  }

  /** Workers that said nothing for longer than `ttl` seconds, and than ten heartbeats: for how many seconds. */
  silentWorkers(ttl: number, now: number): Map<Address, number> {
    return silentWorkers(this.#machine, ttl, now);
  }

  /** A worker tells how it is, and for how many seconds its tasks have been running. Returns the answer. */
  heartbeat(
    address: Address,
    metrics: WorkerMetrics,
    executing: Readonly<Record<string, number>>,
    now: number,
  ): HeartbeatWorkerReply {
    this.#machine.begin(`heartbeat-${now}`, now);
    return heartbeatWorker(this.#machine, address, metrics, executing);
  }

  /** Handles what a worker said on its stream. One that is not registered is ignored. */
  handleWorkerMessage(worker: Address, message: WorkerStreamMessage, now: number): void {
    const m = this.#machine;
    const ws = m.workers.get(worker);
    if (ws === undefined) return;
    ws.lastSeen = now;
    m.begin(causeOf(message), now);
    handleWorker(m, ws, message);
  }

  /** Handles what a client said on its stream. One that is not registered is ignored. */
  handleClientMessage(client: ClientId, message: ClientStreamMessage, now: number): void {
    const m = this.#machine;
    const cs = m.clients.get(client);
    if (cs === undefined) return;
    cs.lastSeen = now;
    m.begin(`${message.op}-${now}`, now);
    switch (message.op) {
      case "update-graph":
        return updateGraph(m, cs, message);
      case "update-data":
        return updateData(m, cs, message);
      case "client-desires-keys":
        return clients.desireKeys(m, cs, message.keys);
      case "client-releases-keys":
        return clients.releaseKeys(m, cs, message.keys);
      case "client-releases-functions":
        return clients.releaseFunctions(m, cs, message.functions);
      case "cancel-keys":
        return clients.cancelKeys(m, cs, message);
      case "report-key":
        return clients.reportKey(m, cs, message.key);
      case "heartbeat-client":
        return m.outbox.tellClient(cs, {
          op: "adjust-heartbeat-interval",
          interval: heartbeatInterval(m.clients.size) * 10,
        });
      case "close-client":
        return clients.removeClient(m, client);
      case "close-stream":
        return;
      default:
        return unreachable(message);
    }
  }

  /** Runs failed tasks again. Returns the keys that run again. */
  retry(keys: readonly Key[], now: number): Key[] {
    this.#machine.begin(`stimulus-retry-${now}`, now);
    return clients.retryKeys(this.#machine, keys);
  }

  /** Takes the messages that are to be sent. */
  takeOutbox(): Outbox {
    return this.#machine.outbox.take();
  }

  /** Addresses of those who hold each result; none for an unknown key. Without keys: all that are known. */
  whoHas(keys?: readonly Key[] | null): Map<Key, Address[]> {
    const found = new Map<Key, Address[]>();
    for (const key of keys ?? this.#machine.tasks.keys()) {
      const ts = this.#machine.tasks.get(key);
      found.set(key, ts === undefined ? [] : holders(ts));
    }
    return found;
  }

  /** Keys of the results that each worker holds; none for an unknown worker. Without addresses: all workers. */
  hasWhat(addresses?: readonly Address[] | null): Map<Address, Key[]> {
    const found = new Map<Address, Key[]>();
    for (const address of addresses ?? this.#machine.workers.keys()) {
      const tasks = this.#machine.workers.get(address)?.hasWhat ?? [];
      found.set(address, Array.from(tasks, (ts) => ts.key));
    }
    return found;
  }

  /** Keys of the tasks that each worker was given; none for an unknown worker. Without addresses: all workers. */
  processing(addresses?: readonly Address[] | null): Map<Address, Key[]> {
    const found = new Map<Address, Key[]>();
    for (const address of addresses ?? this.#machine.workers.keys()) {
      const tasks = this.#machine.workers.get(address)?.processing ?? [];
      found.set(address, Array.from(tasks, (ts) => ts.key));
    }
    return found;
  }

  /** The last transitions of a task or by a stimulus, or with no argument of all; oldest first. */
  story(keyOrStimulus?: string): StoryEntry<StateName>[] {
    return this.#machine.story.of(keyOrStimulus);
  }

  /**
   * Checks that everything fits together.
   *
   * @throws {AssertionError} If it does not, with the story of the task.
   */
  validateState(): void {
    validateMachine(this.#machine);
  }
}

/** Characters of the name of a cause; those of our workers have some fifty. */
const CAUSE_MAX = 256;

/** Name of what caused a message. It is noted in stories, which outlive what they tell of. */
function causeOf(message: WorkerStreamMessage): string {
  const cause: unknown = "stimulus_id" in message ? message.stimulus_id : undefined;
  return typeof cause === "string" && cause.length <= CAUSE_MAX ? cause : message.op;
}
