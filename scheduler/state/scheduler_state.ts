/**
 * The scheduler as a pure state machine: stimuli in, effects out. It mirrors `SchedulerState` and the stimuli
 * of `distributed/scheduler.py`; it knows neither sockets nor clocks.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { StoryEntry } from "../../internal/story.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import { noteTime } from "./clock.ts";
import { checkIdle, idleDeadline } from "./idle.ts";
import type { Effects } from "./effects.ts";
import type { Extension } from "./extension.ts";
import { type Afterwards, SchedulerMachine, type SchedulerStateOptions } from "./machine.ts";
import { heartbeatInterval } from "./membership.ts";
import { totalOccupancy } from "./placement.ts";
import { holders } from "./reports.ts";
import { emptiedWorkers, finishRetirement, retirementDeadline, workersToRetire } from "./retire.ts";
import type { RetireOptions } from "./retirement.ts";
import { removeSilent, silenceDeadline, silentWorkers } from "./silence.ts";
import { type SchedulerSnapshot, snapshot } from "./snapshot.ts";
import { causeOf, handleClient, handleStimulus } from "./stimuli.ts";
import type { SchedulerStimulus } from "./stimulus.ts";
import type { StateName } from "./task_state.ts";
import { fillSlots, runTransitions } from "./transitions.ts";
import { validateMachine } from "./validate.ts";
import { answerWaits, waitDeadline } from "./waits.ts";
import { handleWorker } from "./worker_stimuli.ts";
import { factsOf, type WorkerFacts } from "./worker_state.ts";

/** Returns the machine of a {@linkcode SchedulerState}, for tests and checks that look inside. */
export let machineOf: (state: SchedulerState) => SchedulerMachine;

/**
 * The scheduler's state and decisions. {@linkcode SchedulerState.handle} is the only way to change them. If
 * it throws, that is a bug, and the machine is unusable afterwards.
 */
export class SchedulerState {
  static {
    machineOf = (state) => state.#machine;
  }
  readonly #machine: SchedulerMachine;

  /** Creates a scheduler without workers and clients. It owns its extensions; schedulers can't share them. */
  constructor(options: SchedulerStateOptions, extensions: readonly Extension[]) {
    this.#machine = new SchedulerMachine(options, extensions);
  }

  /**
   * Handles stimuli in order, then the deadlines that are due at `now`. Returns the effects.
   *
   * @param now Seconds since the epoch.
   */
  handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
    const m = this.#machine;
    noteTime(m, now);
    for (let i = 0; i < stimuli.length; i++) this.#handleOne(stimuli[i] as SchedulerStimulus, now); // hot: per batch
    for (const ws of silentWorkers(m, now)) this.#settle(removeSilent(m, ws, now));
    for (const retired of emptiedWorkers(m, now)) this.#settle(finishRetirement(m, retired));
    answerWaits(m, now);
    checkIdle(m, now);
    const { toWorker, toClient } = m.outbox.take();
    const { answers, events } = m.takeAnswers();
    return { answers, toWorker, toClient, events, nextDeadline: this.#nextDeadline() };
  }

  #nextDeadline(): number | null {
    const m = this.#machine;
    const next = Math.min(silenceDeadline(m), retirementDeadline(m), waitDeadline(m), idleDeadline(m));
    return next === Infinity ? null : next;
  }

  #handleOne(stimulus: SchedulerStimulus, now: number): void {
    const m = this.#machine;
    if (stimulus.op === "worker-messages") {
      const ws = m.workers.get(stimulus.worker);
      if (ws === undefined) return;
      for (const message of stimulus.messages) { // hot: per task
        ws.lastSeen = now;
        m.begin(causeOf(message), now);
        this.#settle(handleWorker(m, ws, message));
      }
    } else if (stimulus.op === "client-messages") {
      for (const message of stimulus.messages) {
        const cs = m.clients.get(stimulus.client);
        if (cs === undefined) return;
        cs.lastSeen = now;
        m.begin(`${message.op}-${now}`, now);
        this.#settle(handleClient(m, cs, message));
      }
    } else if (stimulus.op !== "tick") {
      this.#settle(handleStimulus(m, stimulus, now));
    }
  }

  /**
   * Makes the recommended transitions, sends tasks to free workers, and does the work that was left for
   * afterwards.
   */
  #settle(afterwards: Afterwards): void { // hot: per task
    const m = this.#machine;
    runTransitions(m);
    fillSlots(m);
    if (afterwards === undefined) return;
    afterwards();
    assert(
      m.recommendations.pop() === undefined,
      "What is done after the transitions may not ask for more of them",
    );
  }

  /** Number of registered workers. */
  get workerCount(): number {
    return this.#machine.workers.size;
  }

  /** Threads of all workers. */
  get totalNthreads(): number {
    let count = 0;
    for (const pool of this.#machine.pools) count += pool.nthreads;
    return count;
  }

  /** Seconds of work that was assigned to workers. */
  get totalOccupancy(): number {
    let seconds = 0;
    for (const pool of this.#machine.pools) seconds += totalOccupancy(this.#machine, pool);
    return seconds;
  }

  /** Number of ready tasks that wait for a worker. */
  get queuedCount(): number {
    return this.#machine.queuedCount;
  }

  /** Number of transitions so far. While it does not grow, nothing happens. */
  get transitionCount(): number {
    return this.#machine.transitionCounter;
  }

  /** Whether no task waits or runs (`check_idle`). */
  get isIdle(): boolean {
    return this.#machine.isIdle;
  }

  /** Seconds between a worker's heartbeats. */
  get heartbeatInterval(): number {
    return heartbeatInterval(this.#machine.workers.size);
  }

  /** Whether a worker with this address is registered. */
  hasWorker(address: Address): boolean {
    return this.#machine.workers.has(address);
  }

  /** Whether a client with this name is registered. */
  hasClient(client: ClientId): boolean {
    return this.#machine.clients.has(client);
  }

  /** Yields facts about the first `most` workers, in the order of their registration. */
  *workerFacts(most = Infinity): IterableIterator<WorkerFacts> {
    let told = 0;
    for (const ws of this.#machine.workers.values()) {
      if (told++ >= most) return;
      yield factsOf(ws);
    }
  }

  /** Sum of the workers' memory limits, in bytes. */
  get totalMemory(): number {
    let bytes = 0;
    for (const ws of this.#machine.workers.values()) bytes += ws.memoryLimit;
    return bytes;
  }

  /** Threads of each worker. */
  ncores(): Map<Address, number> {
    return new Map(Array.from(this.#machine.workers.values(), (ws) => [ws.address, ws.nthreads]));
  }

  /**
   * Returns the addresses of the workers that hold each result. An unknown key has none. Without keys: all
   * results.
   */
  whoHas(keys?: readonly Key[] | null): Map<Key, Address[]> {
    const found = new Map<Key, Address[]>();
    for (const key of keys ?? this.#machine.tasks.keys()) {
      const ts = this.#machine.tasks.get(key);
      found.set(key, ts === undefined ? [] : holders(ts));
    }
    return found;
  }

  /**
   * Returns the keys of the results that each worker holds. An unknown worker has none. Without addresses:
   * all workers.
   */
  hasWhat(addresses?: readonly Address[] | null): Map<Address, Key[]> {
    const found = new Map<Address, Key[]>();
    for (const address of addresses ?? this.#machine.workers.keys()) {
      const tasks = this.#machine.workers.get(address)?.hasWhat ?? [];
      found.set(address, Array.from(tasks, (ts) => ts.key));
    }
    return found;
  }

  /**
   * Returns the keys of the tasks that were assigned to each worker. An unknown worker has none. Without
   * addresses: all workers.
   */
  processing(addresses?: readonly Address[] | null): Map<Address, Key[]> {
    const found = new Map<Address, Key[]>();
    for (const address of addresses ?? this.#machine.workers.keys()) {
      const tasks = this.#machine.workers.get(address)?.processing ?? [];
      found.set(address, Array.from(tasks, (ts) => ts.key));
    }
    return found;
  }

  /** Returns the number of tasks in each state, by the name of the tasks (`get_task_prefix_states`). */
  prefixStates(): Record<string, Record<string, number>> {
    return Object.fromEntries(this.#machine.groups.countsByName());
  }

  /**
   * Returns the addresses of the workers that {@linkcode Retire} would empty now.
   *
   * @throws {TypeError} If the options contradict each other.
   */
  workersToRetire(options: RetireOptions): Address[] {
    return workersToRetire(this.#machine, options).map(({ address }) => address);
  }

  /**
   * Returns the latest transitions of a task or of a stimulus, or without an argument all of them; oldest
   * first.
   */
  story(keyOrStimulus?: string): StoryEntry<StateName>[] {
    return this.#machine.story.of(keyOrStimulus);
  }

  /** Returns a copy of the whole state as plain data. Its order depends only on the stimuli. */
  snapshot(): SchedulerSnapshot {
    return snapshot(this.#machine);
  }

  /**
   * Checks all invariants.
   *
   * @throws {AssertionError} If one does not hold, with the story of the task.
   */
  validateState(): void {
    validateMachine(this.#machine);
  }
}
