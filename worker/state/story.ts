/**
 * What happened to tasks lately, for whoever has to find out why one is where it is.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Key } from "../../messages/common.ts";
import { type State, type StateName, stateName } from "./task_state.ts";

/** One thing that happened to a task. */
export interface StoryEntry {
  /** The task. */
  readonly key: Key;
  /** `"transition"`, or what the stimulus did. */
  readonly event: string;
  /** State before. */
  readonly start: StateName;
  /** State that was wanted; `"none"` if the event is no transition. */
  readonly recommended: StateName;
  /** State after. */
  readonly finish: StateName;
  /** What caused it. */
  readonly stimulusId: string;
  /** When, in the unit of the caller's `now`. */
  readonly time: number;
}

interface Slot {
  key: Key;
  event: string;
  start: State;
  recommended: State;
  finish: State;
  stimulusId: string;
  time: number;
}

/** A ring of the latest entries. Slots are used again, so that a long-lived worker allocates nothing for it. */
export class Story {
  readonly #slots: Slot[] = [];
  readonly #capacity: number;
  #next = 0;

  /** Makes an empty story. @param capacity How many entries are kept; Dask's `distributed.admin.low-level-log-length`. */
  constructor(capacity: number) {
    assert(capacity >= 1, () => `A story needs room for one entry, got ${capacity}`);
    this.#capacity = capacity;
  }

  // hot: per transition
  /** Adds an entry. */
  record(
    key: Key,
    event: string,
    start: State,
    recommended: State,
    finish: State,
    stimulusId: string,
    time: number,
  ): void {
    const slot = this.#slots[this.#next];
    if (slot === undefined) this.#slots.push({ key, event, start, recommended, finish, stimulusId, time });
    else {
      slot.key = key;
      slot.event = event;
      slot.start = start;
      slot.recommended = recommended;
      slot.finish = finish;
      slot.stimulusId = stimulusId;
      slot.time = time;
    }
    this.#next = this.#next + 1 === this.#capacity ? 0 : this.#next + 1;
  }

  /** Entries of a task, or all that have a stimulus id, oldest first; all entries if nothing is named. */
  entries(keyOrStimulusId?: string): StoryEntry[] {
    const entries: StoryEntry[] = [];
    const { length } = this.#slots;
    const first = length === this.#capacity ? this.#next : 0;
    for (let i = 0; i < length; i++) {
      const slot = this.#slots[(first + i) % length] as Slot;
      if (
        keyOrStimulusId === undefined || slot.key === keyOrStimulusId || slot.stimulusId === keyOrStimulusId
      ) {
        entries.push({
          key: slot.key,
          event: slot.event,
          start: stateName(slot.start),
          recommended: stateName(slot.recommended),
          finish: stateName(slot.finish),
          stimulusId: slot.stimulusId,
          time: slot.time,
        });
      }
    }
    return entries;
  }

  /** The entries of a task as text, one a line. */
  text(key: Key): string {
    return this.entries(key).map((entry) =>
      `  ${entry.time} ${entry.event} ${entry.start} -> ${entry.recommended} = ${entry.finish} (${entry.stimulusId})`
    ).join("\n");
  }
}

/** A task was to go where it can't from where it is. A bug of this package, never caught to go on. */
export class InvalidTransition extends Error {
  /** Class name. */
  override readonly name = "InvalidTransition";
  /** The task. */
  readonly key: Key;

  /** Takes the story of the task along. */
  constructor(key: Key, start: State, finish: State, story: Story, reason = "there is no such transition") {
    super(
      `Cannot move task "${key}" from "${stateName(start)}" to "${stateName(finish)}": ${reason}. Story:\n${
        story.text(key)
      }`,
    );
    this.key = key;
  }
}

/** A task and the collections it is in contradict each other. A bug of this package, never caught to go on. */
export class InvalidTaskState extends Error {
  /** Class name. */
  override readonly name = "InvalidTaskState";
  /** The task. */
  readonly key: Key;

  /** Takes the story of the task along. */
  constructor(key: Key, state: string, story: Story, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Invalid state of task "${key}" (${state}): ${reason}. Story:\n${story.text(key)}`, { cause });
    this.key = key;
  }
}
