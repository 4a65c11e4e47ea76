/**
 * State machine of a worker: stimuli in, instructions out. No I/O, no clock, no randomness of its own, and no
 * value of any task: the shell keeps the frames, this keeps what is known about them.
 *
 * Mirrors `WorkerState` of distributed/worker_state_machine.py (2026.8). Left out, since no message of this
 * package leads there: actors, work stealing, `secede`. Added: {@linkcode Withdraw}, so that more tasks than
 * there are threads may be handed out. Further differences are marked "Ours" where they are.
 *
 * Contract with the shell:
 * - instructions are done in order, and all of them before the next stimulus is handled;
 * - a result is stored before its `execute-success`, `gather-success` or `update-data` is handled, and
 *   deleted at `drop-data`;
 * - every `execute` and `gather-dep` ends as exactly one stimulus.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Address, Key } from "../../messages/common.ts";
import { ensureCommunicating } from "./gather.ts";
import { fillSlots, handleStimulus } from "./handlers.ts";
import type { Instruction } from "./instruction.ts";
import { Machine, type WorkerStateOptions } from "./machine.ts";
import { snapshot, type WorkerStateSnapshot } from "./snapshot.ts";
import type { Stimulus } from "./stimulus.ts";
import type { StoryEntry } from "./story.ts";
import { State, STATE_NAMES, type StateName } from "./task_state.ts";
import { validateState } from "./validate.ts";

export type { WorkerStateOptions, WorkerStateSnapshot };

/** All tasks of a worker, and what is to be done about them. */
export class WorkerState {
  readonly #machine: Machine;

  /** Makes a running state machine without tasks. */
  constructor(options: WorkerStateOptions) {
    this.#machine = new Machine(options);
  }

  /** Handles one stimulus. `now` is for the story only, in any unit. */
  handleStimulus(event: Stimulus, now: number): Instruction[] {
    handleStimulus(this.#machine, event, now);
    return this.#finish();
  }

  /**
   * Handles the stimuli of one turn. Not the same as one after the other: transfers begin at the end, so that
   * one request to a peer gets what all of them need.
   */
  handleStimuli(events: readonly Stimulus[], now: number): Instruction[] {
    for (let i = 0; i < events.length; i++) handleStimulus(this.#machine, events[i] as Stimulus, now);
    return this.#finish();
  }

  /**
   * Sets how many tasks may be with threads at a time, begun or not. Above the number of threads it keeps
   * them fed; a smaller number takes effect as tasks end, or are withdrawn.
   */
  setExecutionSlots(slots: number, now: number): Instruction[] {
    assert(slots >= 1, () => `A worker needs at least one slot, got ${slots}`);
    this.#machine.slots = slots;
    fillSlots(this.#machine, now);
    return this.#finish();
  }

  #finish(): Instruction[] {
    const m = this.#machine;
    ensureCommunicating(m);
    if (m.validate) validateState(m);
    const { instructions } = m;
    m.instructions = [];
    return instructions;
  }

  /** Contact address of this worker. */
  get address(): Address {
    return this.#machine.address;
  }

  /** How many tasks may be with threads at a time. */
  get executionSlots(): number {
    return this.#machine.slots;
  }

  /** False while paused. */
  get running(): boolean {
    return this.#machine.running;
  }

  /** How many tasks are known. */
  get taskCount(): number {
    return this.#machine.tasks.size;
  }

  /** Tasks that are with threads, begun or not, also those that are cancelled. */
  get executingCount(): number {
    return this.#machine.executing.size;
  }

  /** Tasks that wait for a thread. */
  get readyCount(): number {
    return this.#machine.ready.size + this.#machine.constrained.size;
  }

  /** Results that are here. */
  get memoryCount(): number {
    return this.#machine.counts[State.MEMORY] ?? 0;
  }

  /** Tasks that came to an end in a thread, also with an error, also cancelled. */
  get executedCount(): number {
    return this.#machine.executedCount;
  }

  /** Bytes of all results that are here. */
  get nbytes(): number {
    return this.#machine.nbytes;
  }

  /** Bytes under way from peers, as far as known. */
  get transferIncomingBytes(): number {
    return this.#machine.transferIncomingBytes;
  }

  /** Requests to peers under way. */
  get transferIncomingCount(): number {
    return this.#machine.inFlightWorkers.size;
  }

  /** Requests to peers ever made. */
  get transferIncomingCountTotal(): number {
    return this.#machine.transferIncomingCountTotal;
  }

  /** Whether `find-missing` is due from time to time. */
  get hasMissing(): boolean {
    return this.#machine.missing.size > 0;
  }

  /** State of a task; `undefined` if it is not known. */
  stateOf(key: Key): StateName | undefined {
    const ts = this.#machine.tasks.get(key);
    return ts === undefined ? undefined : STATE_NAMES[ts.state];
  }

  /** Whether the result of `key` is here. */
  hasData(key: Key): boolean {
    return this.#machine.tasks.get(key)?.state === State.MEMORY;
  }

  /** Bytes of every result that is here. */
  *data(): IterableIterator<[key: Key, nbytes: number]> {
    for (const ts of this.#machine.tasks.values()) if (ts.state === State.MEMORY) yield [ts.key, ts.nbytes];
  }

  /** Keys of tasks that are with threads and wanted, as far as known here. */
  *executingKeys(): IterableIterator<Key> {
    for (const ts of this.#machine.executing) if (ts.state === State.EXECUTING) yield ts.key;
  }

  /** Number of tasks by state; states without tasks are left out. */
  counts(): Partial<Record<StateName, number>> {
    const counts: Partial<Record<StateName, number>> = {};
    this.#machine.counts.forEach((count, state) => {
      const name = STATE_NAMES[state];
      if (count > 0 && name !== undefined) counts[name] = count;
    });
    return counts;
  }

  /** What happened lately to a task, or because of a stimulus; to all if neither is named. */
  story(keyOrStimulusId?: string): StoryEntry[] {
    return this.#machine.story.entries(keyOrStimulusId);
  }

  /** A copy of everything as plain data, for dumps and tests. */
  snapshot(): WorkerStateSnapshot {
    return snapshot(this.#machine);
  }

  /**
   * Checks that all collections agree with each other.
   *
   * @throws {AssertionError | InvalidTaskState} If they do not.
   */
  validateState(): void {
    validateState(this.#machine);
  }
}
