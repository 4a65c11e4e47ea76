/**
 * The collections of a worker's state machine, and the small steps that keep them consistent. Only this
 * folder uses it; the outside sees {@linkcode WorkerState}.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Address, Key, Priority } from "../../messages/common.ts";
import { Recommendations } from "../../internal/recommendations.ts";
import { Story } from "../../internal/story.ts";
import { FeedAhead } from "./feed_ahead.ts";
import type { Instruction } from "./instruction.ts";
import { TaskHeap } from "./task_heap.ts";
import {
  assertTask,
  NO_GENERATION,
  type Payload,
  State,
  STATE_NAMES,
  type StateName,
  TaskState,
} from "./task_state.ts";

/** What a worker's state machine is made with. */
export interface WorkerStateOptions {
  /** Contact address of this worker; a replica here is never gathered. */
  readonly address: Address;
  /** Threads. Short tasks are handed out several per thread, see `feed_ahead.ts`. */
  readonly nthreads: number;
  /** Checks everything after every stimulus. Slow. Default false. */
  readonly validate?: boolean;
  /** Abstract resources and how much there is of each. Default none. */
  readonly resources?: Readonly<Record<string, number>>;
  /** Bytes to gather by one request, beyond the first key. Default 50 MB. */
  readonly transferMessageBytesLimit?: number;
  /** Requests to peers at a time, once 10 MB are under way. Default 10. */
  readonly transferIncomingCountLimit?: number;
  /** Bytes under way at a time, beyond the first key. Default unlimited. */
  readonly transferIncomingBytesLimit?: number;
  /** Entries kept for {@linkcode WorkerState.story}. Default 1000. */
  readonly logLength?: number;
  /** Throws at that many transitions, to find an endless loop. Default unlimited. */
  readonly transitionCounterMax?: number;
}

/** A request to a peer that has not come to its end. */
export interface Transfer {
  /** What was asked for. */
  readonly tasks: readonly TaskState[];
  /** Bytes that it counts for. */
  readonly nbytes: number;
}

/** Collections of the state machine. Mirrors the attributes of Dask's `WorkerState`. */
export class WorkerMachine {
  /** Contact address of this worker. */
  readonly address: Address;
  /** Whether everything is checked after every stimulus. */
  readonly validate: boolean;
  /** All tasks. */
  readonly tasks = new Map<Key, TaskState>();
  /** Number of tasks in each state. */
  readonly counts: number[] = STATE_NAMES.map(() => 0);
  /** Tasks to be run. */
  readonly ready = new TaskHeap();
  /** Tasks to be run that need abstract resources. */
  readonly constrained = new TaskHeap();
  /** Tasks that take a slot: `EXECUTING`, cancelled or resumed from it, and about to be `EXECUTING`. */
  readonly executing = new Set<TaskState>();
  /** Tasks by peer that is believed to hold them. */
  readonly hasWhat = new Map<Address, Set<TaskState>>();
  /** Tasks in `FETCH` by peer. */
  readonly dataNeeded = new Map<Address, TaskHeap>();
  /** Tasks in `MISSING`. */
  readonly missing = new Set<TaskState>();
  /** Tasks in `FLIGHT`, and cancelled or resumed from it. */
  readonly inFlightTasks = new Set<TaskState>();
  /** Requests under way; a peer gets no second one. */
  readonly inFlightWorkers = new Map<Address, Transfer>();
  /** Peers that asked for some rest, and when that is over. */
  readonly busyWorkers = new Map<Address, number>();
  /** Abstract resources. */
  readonly totalResources: ReadonlyMap<string, number>;
  /** What of them is not taken. */
  readonly availableResources: Map<string, number>;
  /** What happened. */
  readonly story: Story<StateName>;
  /** Transitions still to be made. */
  readonly recommendations = new Recommendations<State, TaskState>();

  /** See {@linkcode WorkerStateOptions.transferMessageBytesLimit}. */
  readonly transferMessageBytesLimit: number;
  /** See {@linkcode WorkerStateOptions.transferIncomingCountLimit}. */
  readonly transferIncomingCountLimit: number;
  /** See {@linkcode WorkerStateOptions.transferIncomingBytesLimit}. */
  readonly transferIncomingBytesLimit: number;
  /** See {@linkcode WorkerStateOptions.transitionCounterMax}. */
  readonly transitionCounterMax: number;

  /** Number of tasks that may be with the executor at a time. */
  readonly feedAhead: FeedAhead;
  /** When the scheduler is asked for what is missing. */
  findMissingAt = Infinity;
  /** False while paused. */
  running = true;
  /** Bytes of all results. */
  nbytes = 0;
  /** Tasks that came to an end in a thread. */
  executedCount = 0;
  /** Counts down per task; see {@linkcode TaskState.generation}. */
  generation = 0;
  /** Bytes under way. */
  transferIncomingBytes = 0;
  /** Requests ever made. */
  transferIncomingCountTotal = 0;
  /** Transitions ever made. */
  transitionCounter = 0;
  /** State of the tie-breaker between peers. */
  random: number;

  /** Tasks that were released or cancelled although others may wait for them. */
  readonly releasedNeeded: TaskState[] = [];
  /** What the running call asks for. */
  instructions: Instruction[] = [];
  /** Keys of the `add-keys` message of the running stimulus. */
  addedKeys: Key[] | null = null;
  /** Id of the running stimulus. */
  stimulusId = "";
  /** Time of the running stimulus, in seconds. */
  now = -Infinity;

  /** Makes an idle machine. */
  constructor(options: WorkerStateOptions) {
    this.address = options.address;
    this.feedAhead = new FeedAhead(options.nthreads);
    this.validate = options.validate ?? false;
    this.totalResources = new Map(Object.entries(options.resources ?? {}));
    this.availableResources = new Map(this.totalResources);
    this.story = new Story(STATE_NAMES, options.logLength ?? 1000);
    // Dask: distributed.worker.transfer.message-bytes-limit, distributed.worker.connections.incoming
    this.transferMessageBytesLimit = options.transferMessageBytesLimit ?? 50_000_000;
    this.transferIncomingCountLimit = options.transferIncomingCountLimit ?? 10;
    this.transferIncomingBytesLimit = options.transferIncomingBytesLimit ?? Infinity;
    this.transitionCounterMax = options.transitionCounterMax ?? Infinity;
    this.random = seedOf(options.address);
  }

  /**
   * Makes `ts` recommended to go to `finish`; a later recommendation in the same stimulus replaces an earlier
   * one.
   */
  recommend(ts: TaskState, finish: State, payload: Payload = null): void {
    assert(ts.state !== State.FORGOTTEN, "A forgotten task is recommended for something");
    this.recommendations.add(ts, finish);
    ts.payload = payload;
  }

  /** Moves `ts` to `state`, for the counts. */
  setState(ts: TaskState, state: State): void { // hot: per transition
    assert(state !== State.NONE && state !== State.RESCHEDULED, "That is no state to rest in");
    this.counts[ts.state] = (this.counts[ts.state] ?? 0) - 1;
    this.counts[state] = (this.counts[state] ?? 0) + 1;
    ts.state = state;
  }

  /** Adds a note about `ts` to the story. */
  note(ts: TaskState, event: string): void {
    this.story.add(ts.key, ts.state, State.NONE, ts.state, this.stimulusId, this.now, event);
  }

  /** The task named `key`, made if there is none. */
  ensureTask(key: Key, priority: Priority, generation: number = NO_GENERATION): TaskState {
    let ts = this.tasks.get(key);
    if (ts === undefined) {
      ts = new TaskState(key, priority, generation);
      this.tasks.set(key, ts);
      this.counts[State.RELEASED] = (this.counts[State.RELEASED] ?? 0) + 1;
    }
    return ts;
  }

  /** Removes `ts` for good. */
  forget(ts: TaskState): void {
    assertTask(ts.dependents.size === 0, ts, "is forgotten before its dependents");
    assertTask(!this.executing.has(ts), ts, "is forgotten while the executor has it");
    assertTask(!this.inFlightTasks.has(ts), ts, "is forgotten while it is in flight");
    this.setState(ts, State.FORGOTTEN);
    this.counts[State.FORGOTTEN] = 0;
    this.tasks.delete(ts.key);
  }

  /** Notes that `peer` holds `ts`. */
  addHolder(ts: TaskState, peer: Address): void {
    assert(peer !== this.address, () => `"${ts.key}" is said to be held by this worker as by a peer`);
    ts.addHolder(peer);
    const held = this.hasWhat.get(peer);
    if (held === undefined) this.hasWhat.set(peer, new Set([ts]));
    else held.add(ts);
    if (ts.state === State.FETCH) this.addNeeded(ts, peer);
  }

  /** Notes that `peer` does not hold `ts`. */
  removeHolder(ts: TaskState, peer: Address): void {
    ts.removeHolder(peer);
    this.#removeHeld(ts, peer);
    if (ts.state === State.FETCH) this.dataNeeded.get(peer)?.remove(ts);
  }

  /** Puts `ts` among what `peer` could be asked for. */
  addNeeded(ts: TaskState, peer: Address): void {
    let needed = this.dataNeeded.get(peer);
    if (needed === undefined) this.dataNeeded.set(peer, needed = new TaskHeap());
    needed.add(ts);
  }

  #removeHeld(ts: TaskState, peer: Address): void {
    const held = this.hasWhat.get(peer);
    if (held?.delete(ts) && held.size === 0) this.hasWhat.delete(peer);
  }

  /**
   * Takes what the scheduler says about holders as the truth (Dask: `_update_who_has`). Ours: whatever
   * message it came in, what can be gathered now is, and what can't any more is missing.
   */
  updateWhoHas(whoHas: Readonly<Record<string, readonly Address[]>>): void {
    for (const key in whoHas) {
      const ts = this.tasks.get(key as Key);
      const workers = whoHas[key];
      if (ts === undefined || workers === undefined) continue;
      this.#updateHolders(ts, workers);
      if (ts.state === State.MISSING && ts.whoHas.size > 0) this.recommend(ts, State.FETCH);
      else if (ts.state === State.FETCH && ts.whoHas.size === 0) this.recommend(ts, State.MISSING);
    }
  }

  #updateHolders(ts: TaskState, workers: readonly Address[]): void { // hot: per dependency. Mostly nothing changed.
    let known = 0;
    for (let i = 0; i < workers.length; i++) {
      const worker = workers[i] as Address;
      // The scheduler may still believe in a replica here whose release is on its way to it.
      if (worker === this.address) continue;
      if (!ts.whoHas.has(worker)) this.addHolder(ts, worker);
      known++;
    }
    if (ts.whoHas.size === known) return;
    for (const worker of ts.whoHas) {
      if (!workers.includes(worker)) this.removeHolder(ts, worker);
    }
  }

  /** Takes `ts` out of all collections and resets it (Dask: `_purge_state`). */
  purge(ts: TaskState): void {
    if (ts.state === State.MEMORY) this.instructions.push({ op: "drop-data", key: ts.key });
    for (const worker of ts.whoHas) {
      this.#removeHeld(ts, worker);
      if (ts.state === State.FETCH) this.dataNeeded.get(worker)?.remove(ts);
    }
    ts.clearHolders();
    ts.clearWaitingFor();
    ts.nbytes = -1;
    ts.previous = State.NONE;
    ts.next = State.NONE;
    ts.done = false;
    ts.comingFrom = null;
    if (ts.state === State.READY) this.ready.remove(ts);
    else if (ts.state === State.CONSTRAINED) this.constrained.remove(ts);
    else if (ts.state === State.MISSING) this.missing.delete(ts);
    this.inFlightTasks.delete(ts);
    this.freeSlot(ts);
  }

  /** Ends the execution of `ts`: gives back its slot and its resources. */
  freeSlot(ts: TaskState): void { // hot: per task
    this.executing.delete(ts);
    ts.executingRunId = null;
    if (!ts.holdsResources) return;
    ts.holdsResources = false;
    for (const name in ts.resources) {
      this.availableResources.set(name, (this.availableResources.get(name) ?? 0) + (ts.resources[name] ?? 0));
    }
  }

  /** Recommends that tasks be executed while there are slots (Dask: `_ensure_computing`). */
  ensureComputing(): void { // hot: per task
    if (!this.running) return;
    const { slots } = this.feedAhead;
    while (this.executing.size < slots) {
      const ts = this.#nextReadyTask();
      if (ts === undefined) break;
      this.#takeResources(ts);
      this.executing.add(ts);
      this.recommend(ts, State.EXECUTING);
    }
  }

  /** Whether a task could be handed out if there were a slot. */
  hasRunnable(): boolean {
    const constrained = this.constrained.peek();
    return this.ready.size > 0 || (constrained !== undefined && this.#resourcesSuffice(constrained));
  }

  #nextReadyTask(): TaskState | undefined {
    const constrained = this.constrained.peek();
    if (constrained !== undefined && this.#resourcesSuffice(constrained)) {
      const ready = this.ready.peek();
      if (ready === undefined || TaskHeap.compare(constrained, ready) < 0) return this.constrained.pop();
    }
    return this.ready.pop();
  }

  #resourcesSuffice(ts: TaskState): boolean {
    for (const name in ts.resources) {
      if ((this.availableResources.get(name) ?? 0) < (ts.resources[name] ?? 0)) return false;
    }
    return true;
  }

  #takeResources(ts: TaskState): void {
    if (ts.resources === null) return;
    assertTask(!ts.holdsResources, ts, "takes its resources twice");
    ts.holdsResources = true;
    for (const name in ts.resources) {
      const left = (this.availableResources.get(name) ?? 0) - (ts.resources[name] ?? 0);
      assert(left >= 0, () => `Task "${ts.key}" takes more of resource "${name}" than there is`);
      this.availableResources.set(name, left);
    }
  }

  /**
   * Next number of a sequence in [0, 1), a different one for each worker, so that not all turn to the same
   * peer.
   */
  nextRandom(): number {
    this.random = (Math.imul(this.random, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    return this.random / 2 ** 32;
  }
}

function seedOf(address: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
