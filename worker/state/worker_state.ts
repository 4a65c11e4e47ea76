/**
 * State machine of a worker: stimuli go in by one door, effects come out. No I/O, no clock, no randomness of
 * its own, and no value of any task: the shell keeps the frames, this keeps what is known about them.
 *
 * Mirrors `WorkerState` of distributed/worker_state_machine.py (2026.8). Left out, since no message of this
 * package leads there: actors, work stealing, `secede`. Added: {@linkcode Withdraw}, so that more tasks than
 * there are threads may be handed out; time, instead of events for each thing that waits for some. Further
 * differences are marked "Ours" where they are.
 *
 * Contract with the shell:
 * - instructions are done in order, and all of them before the next stimulus is handled;
 * - a result is stored before its `execute-success`, `gather-success` or `update-data` is handled, and
 *   deleted at `drop-data`;
 * - every `execute` and `gather-dep` ends as exactly one stimulus;
 * - `tick` is said at the next deadline.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { StoryEntry } from "../../internal/story.ts";
import type { Address, Key } from "../../messages/common.ts";
import { nextDeadline } from "./deadlines.ts";
import type { WorkerEffects } from "./effects.ts";
import { ensureCommunicating } from "./gather.ts";
import { WorkerMachine, type WorkerStateOptions } from "./machine.ts";
import { snapshot, type WorkerStateSnapshot } from "./snapshot.ts";
import { handleStimulus } from "./stimuli.ts";
import type { Stimulus } from "./stimulus.ts";
import { State, STATE_NAMES, type StateName } from "./task_state.ts";
import { validateMachine } from "./validate.ts";

export type { WorkerStateOptions, WorkerStateSnapshot };

/** All tasks of a worker, and what is to be done about them. */
export class WorkerState {
  readonly #machine: WorkerMachine;

  /** Makes a running state machine without tasks. */
  constructor(options: WorkerStateOptions) {
    this.#machine = new WorkerMachine(options);
  }

  /**
   * Takes the stimuli of one turn, in order. The only way to change anything here. Not the same as one after
   * the other: transfers begin at the end, so that one request to a peer gets what all of the stimuli need.
   *
   * @param stimuli What happened.
   * @param now Seconds since any moment; never goes back.
   */
  handle(stimuli: readonly Stimulus[], now: number): WorkerEffects { // hot: per batch
    const m = this.#machine;
    assert(now >= m.now, () => `A worker's time went back from ${m.now} to ${now}`);
    m.now = now;
    for (let i = 0; i < stimuli.length; i++) handleStimulus(m, stimuli[i] as Stimulus);
    ensureCommunicating(m);
    if (m.validate) validateMachine(m);
    const { instructions } = m;
    m.instructions = [];
    return { instructions, nextDeadline: nextDeadline(m) };
  }

  /** Contact address of this worker. */
  get address(): Address {
    return this.#machine.address;
  }

  /** False while paused. */
  get running(): boolean {
    return this.#machine.running;
  }

  /** How many tasks are known. */
  get taskCount(): number {
    return this.#machine.tasks.size;
  }

  /** Tasks that are with the executor, begun or not, also those that are cancelled. */
  get executingCount(): number {
    return this.#machine.executing.size;
  }

  /** Tasks that wait for a slot. */
  get readyCount(): number {
    return this.#machine.ready.size + this.#machine.constrained.size;
  }

  /** Results that are here. */
  get memoryCount(): number {
    return this.#machine.counts[State.MEMORY] ?? 0;
  }

  /** Tasks that came to an end in the executor, also with an error, also cancelled. */
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

  /** For how many seconds the executor has had each task that is wanted. */
  executing(now: number): Record<Key, number> {
    const seconds: Record<Key, number> = {};
    for (const ts of this.#machine.executing) {
      if (ts.state === State.EXECUTING) seconds[ts.key] = now - ts.executingSince;
    }
    return seconds;
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
  story(keyOrStimulus?: string): StoryEntry<StateName>[] {
    return this.#machine.story.of(keyOrStimulus);
  }

  /** A copy of everything as plain data, for dumps and tests. */
  snapshot(): WorkerStateSnapshot {
    return snapshot(this.#machine);
  }

  /**
   * Checks that all collections agree with each other.
   *
   * @throws {AssertionError} If they do not.
   */
  validate(): void {
    validateMachine(this.#machine);
  }
}
