/**
 * A cluster of a real scheduler state and workers and clients that do what the protocol asks of them, with
 * messages that travel in any order the caller picks. For tests.
 *
 * @module
 */

import { assert } from "../internal/assert.ts";
import type { ClientReport, ClientStreamMessage, TaskRow } from "../messages/client_scheduler.ts";
import type { Address, ClientId, FunctionHash, Key } from "../messages/common.ts";
import { isNative } from "../messages/run_spec.ts";
import type { ComputeTask, WorkerCommand, WorkerStreamMessage } from "../messages/worker_scheduler.ts";
import { Serialized } from "../protocol/serialized.ts";
import type { GraphAnnotations, UpdateGraph } from "../messages/client_scheduler.ts";
import type { SchedulerDriver } from "./scheduler_driver.ts";

/** A task to submit: its key, the keys that it depends on, and its function (default `"f"`). */
export type GraphRowSpec = readonly [key: string, dependencies?: readonly string[], functionName?: string];

/** Makes `update-graph` of rows; every function's body is sent along. */
export function updateGraph(
  specs: readonly GraphRowSpec[],
  annotations: GraphAnnotations = {},
  functions?: Readonly<Record<string, Uint8Array>>,
): UpdateGraph {
  const groups = new Map<string, TaskRow[]>();
  for (const [key, dependencies = [], name = "f"] of specs) {
    const row: TaskRow = [key as Key, new Uint8Array(), dependencies.map((other, i) => [other as Key, i])];
    const rows = groups.get(name);
    if (rows === undefined) groups.set(name, [row]);
    else rows.push(row);
  }
  return {
    op: "update-graph",
    groups: [...groups].map(([name, tasks]) => ({ function: name as FunctionHash, tasks })),
    functions: functions ?? Object.fromEntries([...groups.keys()].map((name) => [name, new Uint8Array([1])])),
    annotations,
    fifo_timeout: 0,
  };
}

/** `task-finished` for a task that took `seconds`. */
export function taskFinished(key: string, runId: number, nbytes = 8, seconds = 0.001): WorkerStreamMessage {
  return {
    op: "task-finished",
    status: "OK",
    key: key as Key,
    run_id: runId,
    nbytes,
    type: new Uint8Array([7]),
    typename: "number",
    metadata: {},
    thread: 1,
    startstops: [{ action: "compute", start: 0, stop: seconds }],
    stimulus_id: `done-${key}`,
  };
}

/** `task-erred` with an error that says `text`. */
export function taskErred(key: string, runId: number, text = "boom"): WorkerStreamMessage {
  return {
    op: "task-erred",
    status: "error",
    key: key as Key,
    run_id: runId,
    exception: new Serialized({ text }, []),
    traceback: null,
    exception_text: text,
    traceback_text: "",
    thread: 1,
    startstops: [],
    stimulus_id: `erred-${key}`,
  };
}

/** How a client sees a task. */
export type KeyStatus = "pending" | "finished" | "error" | "cancelled";

/** A client that remembers what it was told. */
export class SimulatedClient {
  /** Name. */
  readonly id: ClientId;
  /** What it wants, and what it knows of it. */
  readonly keys: Map<Key, KeyStatus> = new Map();
  /** Messages on the way to the scheduler. */
  readonly sent: ClientStreamMessage[] = [];
  /** Messages on the way to it. */
  readonly received: ClientReport[] = [];

  /** Makes a client that wants nothing. */
  constructor(id: string) {
    this.id = id as ClientId;
  }

  /** Reads one message. */
  read(report: ClientReport): void {
    switch (report.op) {
      case "key-in-memory":
        assert((report.workers ?? []).length > 0, `${report.key} is in memory nowhere`);
        return this.#set(report.key, "finished");
      case "task-erred":
        assert(report.exception !== null, `${report.key} failed without an error`);
        return this.#set(report.key, "error");
      case "lost-data":
      case "task-retried":
        return this.#set(report.key, "pending");
      case "cancelled-keys":
        for (const key of report.keys) this.#set(key, "cancelled");
        return;
      default:
        return;
    }
  }

  #set(key: Key, status: KeyStatus): void {
    if (this.keys.has(key)) this.keys.set(key, status);
  }
}

/** A worker that fetches, runs and frees as it is told. */
export class SimulatedWorker {
  /** Address. */
  readonly address: Address;
  /** Keys of the results that it holds. */
  readonly data: Set<Key> = new Set();
  /** Functions that it was given. */
  readonly functions: Set<string> = new Set();
  /** Tasks that it has yet to run. */
  readonly tasks: Map<Key, ComputeTask> = new Map();
  /** Where to find dependencies. */
  readonly whoHas: Map<Key, readonly Address[]> = new Map();
  /** Messages on the way to the scheduler. */
  readonly sent: WorkerStreamMessage[] = [];
  /** Messages on the way to it. */
  readonly received: WorkerCommand[] = [];
  readonly #cluster: SimulatedCluster;

  /** Makes a worker that has nothing to do. */
  constructor(address: string, cluster: SimulatedCluster) {
    this.address = address as Address;
    this.#cluster = cluster;
  }

  /** Reads one message. */
  read(command: WorkerCommand): void {
    switch (command.op) {
      case "register-functions":
        for (const hash in command.functions) this.functions.add(hash);
        return;
      case "free-functions":
        for (const hash of command.functions) this.functions.delete(hash);
        return;
      case "compute-task":
        return this.#compute(command);
      case "free-keys":
      case "remove-replicas":
        for (const key of command.keys) this.#free(key);
        return;
      case "refresh-who-has":
        for (const key in command.who_has) this.whoHas.set(key as Key, command.who_has[key] ?? []);
        return;
      default:
        return;
    }
  }

  #compute(command: ComputeTask): void {
    assert(isNative(command.run_spec), `${command.key} is a task of this package`);
    const [hash] = command.run_spec;
    assert(this.functions.has(hash), `${this.address} was not given function ${hash}`);
    if (this.data.has(command.key)) {
      this.sent.push(taskFinished(command.key, command.run_id));
      return;
    }
    this.tasks.set(command.key, command);
    for (const key in command.who_has) {
      assert((command.who_has[key] ?? []).length > 0, `nobody has ${key}, which ${command.key} needs`);
      this.whoHas.set(key as Key, command.who_has[key] ?? []);
    }
  }

  #free(key: Key): void {
    this.tasks.delete(key);
    if (this.data.delete(key)) {
      this.sent.push({ op: "release-worker-data", key, stimulus_id: `freed-${key}` });
    }
  }

  /** Runs one task, or fetches for it. Returns whether there was one that it could go on with. */
  run(which: number, outcome: "ok" | "error" | "reschedule" | "long-running", nbytes = 8): boolean {
    const tasks = [...this.tasks.values()];
    const task = tasks[which % Math.max(tasks.length, 1)];
    if (task === undefined) return false;
    for (const key of Object.keys(task.who_has) as Key[]) {
      if (!this.data.has(key)) return this.#fetch(key);
    }
    if (outcome === "long-running") {
      this.sent.push({
        op: "long-running",
        key: task.key,
        run_id: task.run_id,
        compute_duration: 0.5,
        stimulus_id: `secede-${task.key}`,
      });
      return true;
    }
    this.tasks.delete(task.key);
    if (outcome === "ok") {
      this.data.add(task.key);
      this.sent.push(taskFinished(task.key, task.run_id, nbytes));
    } else if (outcome === "error") {
      this.sent.push(taskErred(task.key, task.run_id));
    } else {
      this.sent.push({ op: "reschedule", key: task.key, stimulus_id: `reschedule-${task.key}` });
    }
    return true;
  }

  /** Takes a result from a peer, or asks for its holders. Returns whether that may lead to something. */
  #fetch(key: Key): boolean {
    for (const address of this.whoHas.get(key) ?? []) {
      if (!this.#cluster.workers.get(address)?.data.has(key)) continue;
      this.data.add(key);
      this.sent.push({ op: "add-keys", keys: [key], stimulus_id: `fetched-${key}` });
      return true;
    }
    const asks = (message: WorkerStreamMessage) =>
      message.op === "request-refresh-who-has" && message.keys.includes(key);
    if (this.sent.some(asks)) return false;
    this.sent.push({ op: "request-refresh-who-has", keys: [key], stimulus_id: `missing-${key}` });
    return true;
  }
}

/** The cluster. Time is a counter. */
export class SimulatedCluster {
  /** The scheduler. */
  readonly scheduler: SchedulerDriver;
  /** Workers that live, by address. */
  readonly workers: Map<Address, SimulatedWorker> = new Map();
  /** Clients that are connected, by name. */
  readonly clients: Map<ClientId, SimulatedClient> = new Map();
  #now = 1000;
  #workerCount = 0;

  /** Makes a cluster of nobody but the scheduler. */
  constructor(scheduler: SchedulerDriver) {
    this.scheduler = scheduler;
  }

  /** Current time. */
  get now(): number {
    return this.#now;
  }

  /** Adds a worker. */
  addWorker(nthreads: number): SimulatedWorker {
    const address = `tls://10.0.0.${this.#workerCount % 4}:${1000 + this.#workerCount++}`;
    const worker = new SimulatedWorker(address, this);
    const info = {
      address: worker.address,
      status: "init",
      nthreads,
      name: address,
      memory_limit: null,
    } as const;
    assert(this.scheduler.addWorker(info, this.#tick()) === "OK", "The worker is refused");
    this.workers.set(worker.address, worker);
    worker.sent.push({ op: "worker-status-change", status: "running", stimulus_id: "start" });
    this.#deliverOutbox();
    return worker;
  }

  /** A worker dies: what was on the way is lost. */
  removeWorker(worker: SimulatedWorker, expected: boolean): void {
    this.workers.delete(worker.address);
    this.scheduler.removeWorker(worker.address, { now: this.#tick(), expected });
    this.#deliverOutbox();
  }

  /** Adds a client. */
  addClient(id: string): SimulatedClient {
    const client = new SimulatedClient(id);
    this.clients.set(client.id, client);
    this.scheduler.addClient(client.id, this.#tick());
    return client;
  }

  /** A client's link breaks. */
  removeClient(client: SimulatedClient): void {
    this.clients.delete(client.id);
    this.scheduler.removeClient(client.id, this.#tick());
    this.#deliverOutbox();
  }

  /** Failed tasks run again. */
  retry(keys: readonly Key[]): void {
    this.scheduler.retry(keys, this.#tick());
    this.#deliverOutbox();
  }

  /** Delivers one message of the link with this number. Returns whether there was one. */
  deliver(link: number): boolean {
    const peers = [...this.workers.values(), ...this.clients.values()];
    const peer = peers[(link >> 1) % Math.max(peers.length, 1)];
    if (peer === undefined) return false;
    if (link % 2 === 0) return this.#deliverTo(peer);
    if (peer instanceof SimulatedWorker) {
      const message = peer.sent.shift();
      if (message === undefined) return false;
      this.scheduler.handleWorkerMessage(peer.address, message, this.#tick());
    } else {
      const message = peer.sent.shift();
      if (message === undefined) return false;
      this.scheduler.handleClientMessage(peer.id, message, this.#tick());
    }
    this.#deliverOutbox();
    return true;
  }

  #deliverTo(peer: SimulatedWorker | SimulatedClient): boolean {
    if (peer instanceof SimulatedWorker) {
      const command = peer.received.shift();
      if (command !== undefined) peer.read(command);
      return command !== undefined;
    }
    const report = peer.received.shift();
    if (report !== undefined) peer.read(report);
    return report !== undefined;
  }

  /** Lets everything go on, without failures, until nothing happens any more. */
  settle(): void {
    for (let round = 0; round < 10_000; round++) {
      let moved = false;
      const links = 2 * (this.workers.size + this.clients.size);
      for (let link = 0; link < links; link++) {
        while (this.deliver(link)) moved = true;
      }
      for (const worker of this.workers.values()) {
        if (worker.run(round, "ok")) moved = true;
      }
      if (!moved) return;
    }
    throw new Error("The cluster does not come to rest");
  }

  #deliverOutbox(): void {
    const { toWorker, toClient } = this.scheduler.takeOutbox();
    for (const [address, commands] of toWorker) this.workers.get(address)?.received.push(...commands);
    for (const [id, reports] of toClient) this.clients.get(id)?.received.push(...reports);
  }

  #tick(): number {
    return this.#now++;
  }
}
