/**
 * The latest transitions of a state machine, to tell what happened to a task.
 *
 * @module
 */

import { assert } from "./assert.ts";

/** One thing that happened to a task. */
export interface StoryEntry<StateName extends string> {
  /** The task. */
  readonly key: string;
  /** {@linkcode TRANSITION}, or what else was noted. */
  readonly event: string;
  /** State before. */
  readonly start: StateName;
  /**
   * State that was asked for: with `start` a row of the machine's table. For a note it is the name of no
   * state.
   */
  readonly recommended: StateName;
  /** State after, which need not be the one that was asked for. */
  readonly finish: StateName;
  /** What caused it. */
  readonly stimulusId: string;
  /** When, in the unit of the machine's `now`. */
  readonly time: number;
}

/** The event of entries that are transitions. */
export const TRANSITION = "transition";

/** A ring of entries: adding one allocates nothing once it is full. */
export class Story<StateName extends string> {
  readonly #names: readonly StateName[];
  readonly #length: number;
  readonly #keys: string[] = [];
  readonly #events: string[] = [];
  readonly #stimuli: string[] = [];
  /** Three per entry: start, recommended, finish. */
  readonly #states: Uint8Array;
  readonly #times: Float64Array;
  #count = 0;

  /**
   * Makes an empty story.
   *
   * @param names Names of the machine's states, by number.
   * @param length Number of entries that are kept; Dask's `distributed.admin.low-level-log-length`.
   */
  constructor(names: readonly StateName[], length: number) {
    assert(length >= 1, () => `A story needs room for one entry, got ${length}`);
    this.#names = names;
    this.#length = length;
    this.#states = new Uint8Array(3 * length);
    this.#times = new Float64Array(length);
  }

  /** Number of entries ever added. */
  get count(): number {
    return this.#count;
  }

  /** Adds an entry, and drops the oldest one if there is no room. */
  add( // hot: per transition
    key: string,
    start: number,
    recommended: number,
    finish: number,
    stimulusId: string,
    time: number,
    event: string = TRANSITION,
  ): void {
    const index = this.#count++ % this.#length;
    this.#keys[index] = key;
    this.#events[index] = event;
    this.#stimuli[index] = stimulusId;
    this.#states[3 * index] = start;
    this.#states[3 * index + 1] = recommended;
    this.#states[3 * index + 2] = finish;
    this.#times[index] = time;
  }

  /** The entries of a task, or by a stimulus, or with no argument all; oldest first. */
  of(keyOrStimulus?: string): StoryEntry<StateName>[] {
    return this.since(0, keyOrStimulus);
  }

  /** As {@linkcode Story.of}, beginning at the entry with number `first`. */
  since(first: number, keyOrStimulus?: string): StoryEntry<StateName>[] {
    const found: StoryEntry<StateName>[] = [];
    for (let i = Math.max(first, this.#count - this.#length); i < this.#count; i++) {
      const entry = this.#at(i % this.#length);
      if (keyOrStimulus === undefined || entry.key === keyOrStimulus || entry.stimulusId === keyOrStimulus) {
        found.push(entry);
      }
    }
    return found;
  }

  /** The entries of a task as text, one a line. */
  text(key: string): string {
    return this.of(key).map((entry) => {
      const { event, start, recommended, finish, stimulusId, time } = entry;
      const instead = recommended === finish || event !== TRANSITION ? "" : `, not ${recommended}`;
      return `  ${time} ${event}: ${start} → ${finish}${instead} (${stimulusId})`;
    }).join("\n");
  }

  #at(index: number): StoryEntry<StateName> {
    return {
      key: this.#keys[index] ?? "",
      event: this.#events[index] ?? TRANSITION,
      start: this.#nameAt(3 * index),
      recommended: this.#nameAt(3 * index + 1),
      finish: this.#nameAt(3 * index + 2),
      stimulusId: this.#stimuli[index] ?? "",
      time: this.#times[index] ?? 0,
    };
  }

  #nameAt(index: number): StateName {
    const code = this.#states[index] ?? 0;
    const name = this.#names[code];
    assert(name !== undefined, () => `A story tells of state ${code}, which has no name`);
    return name;
  }
}

/** A task was told to go where its state does not lead: a bug of this package, never caught to go on. */
export class InvalidTransition extends Error {
  /** Class name. */
  override readonly name = "InvalidTransition";
  /** The task. */
  readonly key: string;

  /** Takes the story of the task along, as `Story.text` tells it. */
  constructor(key: string, start: string, finish: string, reason: string, story: string) {
    super(`Cannot move task "${key}" from "${start}" to "${finish}": ${reason}. Story:\n${story}`);
    this.key = key;
  }
}
