/**
 * The last transitions, to tell what happened to a task.
 *
 * @module
 */

import { STATE_NAMES, type StateCode, type TaskStateName } from "./task_state.ts";

/** One transition. */
export interface Transition {
  /** The task. */
  readonly key: string;
  /** State before. */
  readonly start: TaskStateName;
  /** State after, which need not be the one that was asked for. */
  readonly finish: TaskStateName;
  /** What caused it. */
  readonly stimulusId: string;
  /** Seconds since the epoch. */
  readonly time: number;
}

/** A ring of transitions: adding one allocates nothing. */
export class Story {
  readonly #length: number;
  readonly #keys: string[] = [];
  readonly #stimuli: string[] = [];
  readonly #states: Uint8Array;
  readonly #times: Float64Array;
  #count = 0;

  /** Makes a ring for `length` transitions. */
  constructor(length: number) {
    this.#length = length;
    this.#states = new Uint8Array(2 * length);
    this.#times = new Float64Array(length);
  }

  /** Number of transitions ever added. */
  get count(): number {
    return this.#count;
  }

  /** Adds a transition, and drops the oldest if there is no room. */
  add(key: string, start: StateCode, finish: StateCode, stimulusId: string, time: number): void {
    const index = this.#count++ % this.#length;
    this.#keys[index] = key;
    this.#stimuli[index] = stimulusId;
    this.#states[2 * index] = start;
    this.#states[2 * index + 1] = finish;
    this.#times[index] = time;
  }

  /** What is left of the transitions of a task, or by a stimulus, or with no argument of all; oldest first. */
  of(keyOrStimulus?: string): Transition[] {
    return this.since(Math.max(this.#count - this.#length, 0), keyOrStimulus);
  }

  /** As {@linkcode Story.of}, beginning at the transition with number `first`. */
  since(first: number, keyOrStimulus?: string): Transition[] {
    const found: Transition[] = [];
    for (let i = Math.max(first, this.#count - this.#length); i < this.#count; i++) {
      const transition = this.#at(i % this.#length);
      if (
        keyOrStimulus === undefined || transition.key === keyOrStimulus ||
        transition.stimulusId === keyOrStimulus
      ) found.push(transition);
    }
    return found;
  }

  #at(index: number): Transition {
    return {
      key: this.#keys[index] ?? "",
      start: STATE_NAMES[(this.#states[2 * index] ?? 0) as StateCode],
      finish: STATE_NAMES[(this.#states[2 * index + 1] ?? 0) as StateCode],
      stimulusId: this.#stimuli[index] ?? "",
      time: this.#times[index] ?? 0,
    };
  }
}
