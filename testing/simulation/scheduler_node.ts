/**
 * The scheduler of a simulated cluster: the real state machine, and what its shell does around it
 * (`scheduler/scheduler.ts`, `scheduler/departures.ts`, `scheduler/gather.ts`) in virtual time.
 *
 * @module
 */

import type { ClientReport, ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import type { WorkerMetrics } from "../../messages/facts.ts";
import type { HeartbeatWorkerReply } from "../../messages/membership.ts";
import type { WorkerCommand, WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import type { Serialized } from "../../protocol/serialized.ts";
import type { SchedulerDriver } from "../scheduler_driver.ts";
import type { WorkerInfo } from "../../scheduler/state/worker_state.ts";
import type { Setting } from "./setting.ts";
import type { Stream } from "./stream.ts";
import { check } from "./world.ts";

/** Virtual time begins at this time of the scheduler. */
const EPOCH = 1000;

/** The scheduler and its open links. */
export class SchedulerNode {
  /** The machine. */
  readonly state: SchedulerDriver;
  readonly #setting: Setting;
  readonly #workers: Map<Address, Stream<WorkerCommand>> = new Map();
  readonly #clients: Map<ClientId, Stream<ClientReport>> = new Map();
  #deadline: number | null = null;

  /** A scheduler that knows nobody. */
  constructor(setting: Setting) {
    this.#setting = setting;
    const { allowedFailures, workerSaturation } = setting.profile;
    this.state = setting.parts.makeScheduler({
      validate: true,
      allowedFailures,
      workerSaturation,
      transitionCounterMax: 1_000_000,
    });
  }

  /** Time as the machine sees it. */
  get now(): number {
    return EPOCH + this.#setting.world.now;
  }

  /** Takes a worker, or says why not. */
  registerWorker(info: WorkerInfo, stream: Stream<WorkerCommand>): string {
    if (this.#workers.has(info.address)) return `Worker already exists ${info.address}`;
    for (const other of this.state.workers.values()) if (other.name === info.name) return "name taken";
    this.#workers.set(info.address, stream);
    this.#stimulate((now) => {
      const answer = this.state.addWorker(info, now);
      check(answer === "OK", () => `${info.address} is refused: ${answer}`);
    });
    return "OK";
  }

  /** Handles a batch of a worker's stream. */
  readWorker(address: Address, batch: readonly WorkerStreamMessage[]): void {
    this.#stimulate((now) => {
      for (const message of batch) {
        const isHolder = this.#holds(address, message);
        this.state.handleWorkerMessage(address, message, now);
        this.#checkRun(address, message, isHolder);
      }
    });
  }

  /** A worker's stream ended. */
  endWorker(address: Address): void {
    const stream = this.#workers.get(address);
    this.#workers.delete(address);
    this.removeWorker(address, { expected: false });
    stream?.end();
  }

  /** Forgets a worker, if it is known. */
  removeWorker(address: Address, options: { readonly expected?: boolean }): void {
    if (!this.state.workers.has(address)) return;
    this.#setting.world.note(`S removes ${address} expected ${String(options.expected ?? false)}`);
    this.#setting.losses++;
    if (!(options.expected ?? false)) this.#setting.deaths++;
    this.#stimulate((now) => this.state.removeWorker(address, { ...options, now }));
  }

  /** Answers a heartbeat. */
  heartbeat(
    address: Address,
    metrics: WorkerMetrics,
    executing: Readonly<Record<string, number>>,
  ): HeartbeatWorkerReply {
    let reply: HeartbeatWorkerReply = { status: "missing" };
    this.#stimulate((now) => {
      reply = this.state.heartbeat(address, metrics, executing, now);
    });
    return reply;
  }

  /** Empties a worker, then sends it away. */
  retireWorker(address: Address): void {
    this.#setting.world.note(`S retires ${address}`);
    this.#stimulate((now) => void this.state.retire({ workers: [address] }, now, `retire-${now}`));
  }

  /** Takes a client. */
  registerClient(id: ClientId, stream: Stream<ClientReport>): void {
    this.#clients.set(id, stream);
    this.#stimulate((now) => this.state.addClient(id, now));
  }

  /** Handles a batch of a client's stream. */
  readClient(id: ClientId, batch: readonly ClientStreamMessage[]): void {
    this.#stimulate((now) => {
      for (const message of batch) this.state.handleClientMessage(id, message, now);
    });
  }

  /** A client's stream ended. */
  endClient(id: ClientId): void {
    const stream = this.#clients.get(id);
    this.#clients.delete(id);
    this.#stimulate((now) => this.state.removeClient(id, now));
    stream?.end();
  }

  /** Runs failed tasks again; returns which. */
  retry(keys: readonly Key[]): readonly Key[] {
    let running: readonly Key[] = [];
    this.#stimulate((now) => {
      running = this.state.retry(keys, now);
    });
    return running;
  }

  /** Collects a result from its holders, one after the other; `undefined` if none gives it. */
  gather(
    key: Key,
    onDone: (value: Serialized | undefined) => void,
    refused: ReadonlySet<Address> = new Set(),
  ): void {
    const { world, profile, peers } = this.#setting;
    const worker = (this.state.whoHas([key]).get(key) ?? []).find((address) => !refused.has(address));
    if (worker === undefined) return onDone(undefined);
    world.schedule(world.delay(2 * profile.latency), () => {
      const value = peers.get(worker)?.store.get(key);
      if (value !== undefined) onDone(value);
      else this.gather(key, onDone, new Set([...refused, worker]));
    });
  }

  /** Runs a stimulus, sends what came of it, checks everything. */
  #stimulate(stimulus: (now: number) => void): void {
    stimulus(this.now);
    const { toWorker, toClient } = this.state.takeOutbox();
    for (const event of this.state.takeEvents()) {
      if (event.event !== "worker-retired") continue;
      this.#setting.world.note(`S removes ${event.worker} expected true`);
      this.#setting.losses++;
    }
    for (const [address, messages] of toWorker) this.#workers.get(address)?.send(messages);
    for (const [id, messages] of toClient) this.#clients.get(id)?.send(messages);
    this.state.validateState();
    const { nextDeadline } = this.state;
    if (nextDeadline === null || nextDeadline === this.#deadline) return;
    this.#deadline = nextDeadline;
    this.#setting.world.schedule(Math.max(nextDeadline - this.now, 0.001), () => {
      if (this.#deadline === nextDeadline) this.#stimulate((now) => void this.state.tick(now));
    });
  }

  #holds(address: Address, message: WorkerStreamMessage): boolean {
    if (message.op !== "task-finished") return false;
    const ws = this.state.workers.get(address);
    return ws !== undefined && (this.state.tasks.get(message.key)?.whoHas.has(ws) ?? false);
  }

  /** A result counts only if it is of the run that was asked for last. */
  #checkRun(address: Address, message: WorkerStreamMessage, wasHolder: boolean): void {
    if (message.op !== "task-finished" || wasHolder || !this.#holds(address, message)) return;
    const runId = this.state.tasks.get(message.key)?.runId;
    check(runId === message.run_id, () => {
      return `S took "${message.key}" of ${address}, run ${message.run_id}, for run ${runId}`;
    });
  }
}
