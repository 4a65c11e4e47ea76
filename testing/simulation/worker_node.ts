/**
 * A worker of a simulated cluster: the real state machine, store, dispatch of commands and feeding ahead, and what the
 * shell does around them (`worker/performer.ts`, `worker/worker.ts`) in virtual time.
 *
 * @module
 */

import { isNative } from "../../messages/run_spec.ts";
import type { Address, Key } from "../../messages/common.ts";
import type { WorkerMetrics } from "../../messages/facts.ts";
import {
  parseWorkerCommand,
  parseWorkerStreamMessage,
  type WorkerCommand,
  type WorkerStreamMessage,
} from "../../messages/worker_scheduler.ts";
import { Serialized } from "../../protocol/serialized.ts";
import { Commands } from "../../worker/commands.ts";
import type { ExecutionRequest } from "../../worker/executor/executor.ts";
import { FeedAhead } from "../../worker/feed_ahead.ts";
import type { Execute, GatherDep, Instruction } from "../../worker/state/instruction.ts";
import type { Stimulus } from "../../worker/state/stimulus.ts";
import type { WorkerState } from "../../worker/state/worker_state.ts";
import { DataStore } from "../../worker/memory/store.ts";
import type { SchedulerNode } from "./scheduler_node.ts";
import type { Setting } from "./setting.ts";
import { Stream, tail } from "./stream.ts";
import { type ThreadOutcome, VirtualThreads } from "./threads.ts";
import { check } from "./world.ts";

/** Seconds before a busy peer is asked again. */
const BUSY_PAUSE = 0.15;
/** Seconds between heartbeats. */
const HEARTBEAT = 0.5;
/** Bytes of a result that rides along. */
const INLINE_LIMIT = 1024;
const TYPE = Uint8Array.of(7);
const METRICS: WorkerMetrics = {
  bandwidth: { total: 1e8, workers: {}, types: {} },
  digests_total_since_heartbeat: {},
  memory: 0,
  managed_bytes: 0,
  spilled_bytes: { memory: 0, disk: 0 },
  task_counts: {},
  time: 0,
  cpu: 0,
};

/** How a worker is made. */
export interface WorkerNodeOptions {
  /** Contact address. */
  readonly address: Address;
  /** Threads. */
  readonly nthreads: number;
  /** How many times slower than others it is. */
  readonly slowness: number;
  /** It can't be reached any more. */
  readonly onGone: (node: WorkerNode) => void;
}

/** One worker, from its registration to its end. */
export class WorkerNode {
  /** Contact address. */
  readonly address: Address;
  /** Results. */
  readonly store: DataStore = new DataStore();
  /** The machine. */
  readonly state: WorkerState;
  /** The threads. */
  readonly threads: VirtualThreads;
  readonly #setting: Setting;
  readonly #scheduler: SchedulerNode;
  readonly #options: WorkerNodeOptions;
  readonly #commands: Commands;
  readonly #feedAhead: FeedAhead;
  readonly #up: Stream<WorkerStreamMessage>;
  readonly #down: Stream<WorkerCommand>;
  /** Requests to peers under way: gives up. */
  readonly #transfers: Map<Address, () => void> = new Map();
  #isClosed = false;
  #isPaused = false;
  #isMember = false;
  #stimulusCount = 0;

  /** A worker that has not registered yet. */
  constructor(setting: Setting, scheduler: SchedulerNode, options: WorkerNodeOptions) {
    const { address, nthreads, slowness } = options;
    const { world, profile, parts } = setting;
    this.address = address;
    this.#setting = setting;
    this.#scheduler = scheduler;
    this.#options = options;
    this.#feedAhead = new FeedAhead(nthreads);
    const { transferMessageBytesLimit, transferIncomingBytesLimit } = profile;
    this.state = parts.makeWorker({
      address,
      nthreads,
      validate: true,
      transferMessageBytesLimit,
      transferIncomingBytesLimit,
      transitionCounterMax: 1_000_000,
    });
    this.threads = new VirtualThreads(world, setting.catalogue, {
      name: address,
      nthreads,
      slowness,
      reschedules: () => setting.isPeaceful ? 0 : profile.reschedules,
      onOutcomes: (batch) => this.#onOutcomes(batch),
    });
    this.#commands = new Commands({
      executor: this.threads,
      handle: (events) => this.#handle(events),
      stimulusId: (cause) => this.#stimulusId(cause),
    }, {
      onClose: () => {
        this.#isMember = false;
        this.leave();
      },
      onStatus: (status) => {
        this.#isPaused = status === "paused";
        this.#send({ op: "worker-status-change", status, stimulus_id: "confirm" });
      },
      onPeerGone: (peer) => this.#transfers.get(peer)?.(),
    });
    const common = { latency: () => profile.latency, encoded: profile.encoded };
    const name = tail(address);
    this.#up = new Stream<WorkerStreamMessage>(world, {
      ...common,
      name: `${name}>S`,
      parse: parseWorkerStreamMessage,
      filter: (message) => parts.fromWorker(message, world.random),
      receive: (batch) => scheduler.readWorker(address, batch),
      onEnd: () => scheduler.endWorker(address),
    });
    this.#down = new Stream<WorkerCommand>(world, {
      ...common,
      name: `S>${name}`,
      parse: parseWorkerCommand,
      filter: (message) => parts.toWorker(message, world.random),
      receive: (batch) => {
        if (!this.#isClosed) this.#commands.handle(batch);
      },
      onEnd: () => this.#loseScheduler(),
    });
  }

  /** Whether it is there. */
  get isAlive(): boolean {
    return !this.#isClosed;
  }

  /** Whether it is paused, by itself or by the scheduler. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Joins the cluster, or is gone if the scheduler refuses it. */
  register(name: string): void {
    const { address } = this;
    const { nthreads } = this.#options;
    const info = { address, status: "init" as const, nthreads, name, memory_limit: null };
    const answer = this.#scheduler.registerWorker(info, this.#down);
    this.#setting.world.note(`${address} registers with ${nthreads} threads: ${answer}`);
    if (answer !== "OK") {
      this.#down.drop();
      this.#up.drop();
      this.#close();
      return;
    }
    this.#isMember = true;
    this.#send({ op: "worker-status-change", status: "running", stimulus_id: "start" });
    this.#scheduleHeartbeat();
  }

  /** Dies, with all it holds; the scheduler hears a part of what was said. */
  crash(): void {
    if (this.#isClosed) return;
    this.#close();
    this.#down.drop();
    this.#up.cut(this.#setting.world.random.below(this.#up.pending + 1));
  }

  /** The link to the scheduler breaks; both sides notice, each at its time. */
  cutLink(): void {
    if (this.#isClosed) return;
    const { random } = this.#setting.world;
    this.#up.cut(random.below(this.#up.pending + 1));
    this.#down.cut(random.below(this.#down.pending + 1));
  }

  /** Ends, with a goodbye if the scheduler counts on it. */
  leave(): void {
    if (this.#isClosed) return;
    this.#close();
    const { world, profile } = this.#setting;
    if (!this.#isMember || this.#up.closed) return this.#up.end();
    world.schedule(world.delay(profile.latency), () => {
      this.#scheduler.removeWorker(this.address, { expected: true });
      this.#up.end();
    });
  }

  /** Begins nothing new, or goes on. */
  setPaused(isPaused: boolean): void {
    if (this.#isClosed || isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    this.#handle([{ op: isPaused ? "pause" : "unpause", stimulus_id: this.#stimulusId("pause") }]);
    const status = isPaused ? "paused" : "running";
    this.#send({ op: "worker-status-change", status, stimulus_id: "pausing" });
  }

  /** Keeps a value that a client sent. Returns whether it did. */
  takeData(key: Key, value: Serialized): boolean {
    if (this.#isClosed) return false;
    this.store.set(key, value);
    const data = new Map([[key, value.nbytes]]);
    this.#handle([{ op: "update-data", data, stimulus_id: this.#stimulusId("update-data") }]);
    return this.store.get(key) !== undefined;
  }

  #close(): void {
    this.#isClosed = true;
    this.threads.close();
    this.#transfers.clear();
    this.#setting.world.note(`${this.address} closes`);
    this.#options.onGone(this);
  }

  #loseScheduler(): void {
    this.#isMember = false;
    this.leave();
  }

  #stimulusId(cause: string): string {
    return `${cause}-${++this.#stimulusCount}`;
  }

  #send(message: WorkerStreamMessage): void {
    this.#up.send([message]);
  }

  #handle(events: readonly Stimulus[]): void {
    if (this.#isClosed) return;
    this.#perform(this.state.handleStimuli(events, this.#setting.world.now));
    this.#checkStore();
  }

  #checkStore(): void {
    let count = 0;
    for (const [key] of this.state.data()) {
      count++;
      check(
        this.store.get(key) !== undefined,
        () => `${this.address} takes "${key}" for stored, and it is not`,
      );
    }
    check(count === this.store.size, () => {
      const extra = [...this.store.keys()].filter((key) => !this.state.hasData(key));
      return `${this.address} stores ${extra.join(", ")} and does not know`;
    });
  }

  #perform(instructions: readonly Instruction[]): void {
    let requests: ExecutionRequest[] = [];
    const withdrawn: Stimulus[] = [];
    const messages: WorkerStreamMessage[] = [];
    for (const instruction of instructions) {
      switch (instruction.op) {
        case "execute":
          requests.push(this.#request(instruction));
          break;
        case "withdraw":
          this.threads.execute(requests);
          requests = [];
          withdrawn.push(...this.#withdraw(instruction.key));
          break;
        case "gather-dep":
          this.#gather(instruction);
          break;
        case "retry-busy-worker-later":
          this.#retryLater(instruction.worker);
          break;
        case "drop-data":
          check(
            this.store.get(instruction.key) !== undefined,
            () => `${this.address} drops "${instruction.key}" twice`,
          );
          this.store.delete(instruction.key);
          break;
        default:
          messages.push(instruction);
      }
    }
    if (messages.length > 0) this.#up.send(messages);
    if (requests.length > 0) this.threads.execute(requests);
    if (withdrawn.length > 0) this.#handle(withdrawn);
  }

  #request({ key, run_id, run_spec, dependencies }: Execute): ExecutionRequest {
    const values = dependencies.map((name) => {
      const value = this.store.get(name);
      check(value !== undefined, () => `${this.address} is to run "${key}" without "${name}"`);
      return [name, value] as const;
    });
    check(isNative(run_spec), () => `Worker is told to run "${key}", which is for another runtime`);
    const [functionHash, args, references] = run_spec;
    return { key, runId: run_id, functionHash, args, references, dependencies: values };
  }

  #onOutcomes(batch: readonly ThreadOutcome[]): void {
    if (this.#isClosed) return;
    const events = batch.map((outcome) => {
      this.#feedAhead.add(outcome.stop - outcome.start);
      return this.#ended(outcome);
    });
    this.#handle(events);
    const { slots } = this.#feedAhead;
    if (slots === this.state.executionSlots) return;
    this.#perform(this.state.setExecutionSlots(slots, this.#setting.world.now));
  }

  #ended({ key, runId, result, error, isRescheduled, start, stop }: ThreadOutcome): Stimulus {
    if (isRescheduled) return { op: "execute-reschedule", key, stimulus_id: this.#stimulusId("reschedule") };
    const common = { key, run_id: runId, start, stop, thread: 1 };
    if (result === null) {
      const exception = new Serialized({ serializer: "pickle" }, [new TextEncoder().encode(error)]);
      return {
        op: "execute-failure",
        ...common,
        exception,
        traceback: null,
        exception_text: error,
        traceback_text: "",
        stimulus_id: this.#stimulusId("task-erred"),
      };
    }
    this.store.set(key, result);
    return {
      op: "execute-success",
      ...common,
      nbytes: result.nbytes,
      type: TYPE,
      typename: "number",
      result: result.nbytes <= INLINE_LIMIT ? result.frames[0] : undefined,
      stimulus_id: this.#stimulusId("task-finished"),
    };
  }

  /** Asks a peer. The answer is made when the request arrives there, and may be lost on its way back. */
  #withdraw(key: Key): Stimulus[] {
    const request = this.threads.withdraw(key);
    if (request === undefined) return [];
    const stimulus_id = this.#stimulusId("execution-withdrawn");
    return [{ op: "execution-withdrawn", key, run_id: request.runId, stimulus_id }];
  }

  #gather({ worker, keys }: GatherDep): void {
    const { world, profile } = this.#setting;
    check(!this.#transfers.has(worker), () => `${this.address} asks ${worker} twice at a time`);
    let isDone = false;
    const finish = (event: Stimulus | (() => Stimulus)) => {
      if (isDone || this.#isClosed) return;
      isDone = true;
      this.#transfers.delete(worker);
      this.#handle([typeof event === "function" ? event() : event]);
    };
    const stimulus_id = this.#stimulusId("gather-dep");
    const fail = () => finish({ op: "gather-network-failure", worker, stimulus_id });
    this.#transfers.set(worker, () => world.schedule(0, fail));
    world.schedule(world.delay(profile.latency), () => {
      const answer = this.#answerOf(worker, keys, stimulus_id);
      world.schedule(world.delay(profile.latency), () => {
        world.note(`${this.address} asked ${worker} for ${keys.join(",")}`);
        finish(answer);
      });
    });
  }

  #answerOf(worker: Address, keys: readonly Key[], stimulus_id: string): Stimulus | (() => Stimulus) {
    const { profile, isPeaceful, peers, world } = this.#setting;
    const peer = peers.get(worker);
    const isBroken = !isPeaceful && world.random.chance(profile.gatherFailures);
    if (peer === undefined || (isBroken && world.random.chance(0.5))) {
      return { op: "gather-network-failure", worker, stimulus_id };
    }
    if (isBroken) return { op: "gather-failure", worker, stimulus_id };
    if (!isPeaceful && world.random.chance(profile.busy)) return { op: "gather-busy", worker, stimulus_id };
    const found: (readonly [Key, Serialized])[] = [];
    for (const key of keys) {
      const value = peer.store.get(key);
      if (value !== undefined) found.push([key, value]);
    }
    return () => {
      if (peers.get(worker) !== peer) return { op: "gather-network-failure", worker, stimulus_id };
      for (const [key, value] of found) this.store.set(key, value);
      const data = new Map(found.map(([key, value]) => [key, value.nbytes]));
      return { op: "gather-success", worker, data, stimulus_id };
    };
  }

  #retryLater(worker: Address): void {
    this.#setting.world.schedule(BUSY_PAUSE, () => {
      this.#handle([{ op: "retry-busy-worker", worker, stimulus_id: this.#stimulusId("retry-busy-worker") }]);
    });
  }

  #scheduleHeartbeat(): void {
    const { world, profile } = this.#setting;
    world.schedule(HEARTBEAT, () => {
      if (this.#isClosed) return;
      if (this.#setting.isPeaceful) this.setPaused(false); // what made it pause is over
      if (this.state.hasMissing) {
        this.#handle([{ op: "find-missing", stimulus_id: this.#stimulusId("find-missing") }]);
      }
      world.schedule(world.delay(profile.latency), () => this.#beat());
      this.#scheduleHeartbeat();
    });
  }

  #beat(): void {
    if (this.#isClosed) return;
    const executing: Record<string, number> = {};
    for (const key of this.state.executingKeys()) executing[key] = 0.001;
    const { status } = this.#scheduler.heartbeat(this.address, METRICS, executing);
    if (status === "missing") this.leave();
  }
}
