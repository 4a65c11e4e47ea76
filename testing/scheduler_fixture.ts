/**
 * A scheduler state with two clients, and short ways to say what happens to it. For tests.
 *
 * @module
 */

import { assert } from "../internal/assert.ts";
import type { ClientStreamMessage } from "../messages/client_scheduler.ts";
import type { Address, ClientId, Key, WorkerStatus } from "../messages/common.ts";
import type { WorkerMetrics } from "../messages/facts.ts";
import type { WorkerStreamMessage } from "../messages/worker_scheduler.ts";
import type { SchedulerStateOptions } from "../scheduler/state/machine.ts";
import { SchedulerDriver } from "./scheduler_driver.ts";
import { taskErred, taskFinished } from "./scheduler_simulation.ts";

/** Address of a worker. */
export const A: Address = "tls://10.0.0.1:1001" as Address;
/** Address of another worker. */
export const B: Address = "tls://10.0.0.2:1002" as Address;
/** A client. */
export const ALICE: ClientId = "alice" as ClientId;
/** Another client. */
export const BOB: ClientId = "bob" as ClientId;
const BANDWIDTH = { total: 5e7, workers: {}, types: {} };
/** Metrics of a heartbeat. */
export const METRICS: WorkerMetrics = {
  bandwidth: BANDWIDTH,
  digests_total_since_heartbeat: {},
  memory: 0,
  managed_bytes: 0,
  spilled_bytes: { memory: 0, disk: 0 },
  task_counts: {},
  time: 0,
  cpu: 0,
};

/** A scheduler with clients Alice and Bob; every stimulus is followed by a check of the whole state. */
export class SchedulerFixture {
  /** The scheduler. */
  readonly state: SchedulerDriver;
  /** Time; every stimulus makes it go on. */
  now = 1000;

  /** Makes a scheduler that checks itself. */
  constructor(options: SchedulerStateOptions = {}) {
    this.state = new SchedulerDriver({ validate: true, ...options });
    this.state.addClient(ALICE, this.now++);
    this.state.addClient(BOB, this.now++);
  }

  /** Registers a worker. */
  addWorker(
    address: Address,
    nthreads = 1,
    status: WorkerStatus = "running",
    name: string = address,
  ): string {
    return this.state.addWorker({ address, status, nthreads, name, memory_limit: null }, this.now++);
  }

  /** A client says something; returns what is sent then. */
  client(client: ClientId, message: ClientStreamMessage): string[] {
    this.state.handleClientMessage(client, message, this.now++);
    return this.flush();
  }

  /** A worker says something; returns what is sent then. */
  worker(worker: Address, message: WorkerStreamMessage): string[] {
    this.state.handleWorkerMessage(worker, message, this.now++);
    return this.flush();
  }

  /** A worker is gone; returns what is sent then. */
  removeWorker(address: Address, expected = false): string[] {
    this.state.removeWorker(address, { now: this.now++, expected });
    return this.flush();
  }

  /** The task's worker has its result. */
  finish(key: string, nbytes = 8, seconds = 0.001): string[] {
    const ts = this.state.tasks.get(key as Key);
    assert(ts !== undefined && ts.processingOn !== null, `${key} is not processing but ${ts?.stateName}`);
    return this.worker(ts.processingOn.address, taskFinished(key, ts.runId, nbytes, seconds));
  }

  /** The task's worker failed at it. */
  fail(key: string, text = "boom"): string[] {
    const ts = this.state.tasks.get(key as Key);
    assert(ts !== undefined && ts.processingOn !== null, `${key} is not processing but ${ts?.stateName}`);
    return this.worker(ts.processingOn.address, taskErred(key, ts.runId, text));
  }

  /** State of a task. */
  stateOf(key: string): string {
    return this.state.tasks.get(key as Key)?.stateName ?? "unknown";
  }

  /** Messages as short lines, such as `"tls://10.0.0.1:1001 compute-task x"`. */
  flush(): string[] {
    this.state.validateState();
    const { toWorker, toClient } = this.state.takeOutbox();
    const lines: string[] = [];
    for (const [to, messages] of [...toWorker, ...toClient]) {
      for (const message of messages) lines.push(`${to} ${message.op} ${about(message)}`.trimEnd());
    }
    return lines;
  }
}

function about(message: object): string {
  if ("key" in message) return String(message.key);
  if ("keys" in message) return `${(message.keys as string[]).join(" ")}${reason(message)}`;
  if ("functions" in message) {
    return Array.isArray(message.functions)
      ? message.functions.join(" ")
      : Object.keys(message.functions as object).join(" ");
  }
  return "worker" in message ? String(message.worker) : "";
}

function reason(message: object): string {
  return "reason" in message ? `: ${String(message.reason)}` : "";
}

/** Keys of names. */
export function keys(...names: string[]): Key[] {
  return names as Key[];
}

/** `worker-status-change` to a status. */
export function status(value: WorkerStatus): WorkerStreamMessage {
  return { op: "worker-status-change", status: value, stimulus_id: `status-${value}` };
}
