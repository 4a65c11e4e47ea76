/**
 * Feeds a recorded run to a fresh machine.
 *
 * @module
 */

import { encodeError } from "../protocol/remote_error.ts";
import { DIGEST_EVERY, digestOf } from "./recorder.ts";
import { decodeEntry } from "./state/journal.ts";
import type { SchedulerStateOptions } from "./state/machine.ts";
import { standardState } from "./standard_state.ts";
import type { SchedulerState } from "./state/scheduler_state.ts";

/** Counts of a replay. */
export interface ReplayReport {
  /** Number of stimuli. */
  readonly stimuli: number;
  /** Number of digests that were equal. */
  readonly digests: number;
  /** Number of transitions. */
  readonly transitions: number;
}

/** A recorded run that can't be replayed: the place and the reason. */
export class ReplayError extends Error {
  /** Class name. */
  override readonly name = "ReplayError";
  /** Number of the stimulus, from 1. Of stimuli that were handled together, the number of the last one. */
  readonly stimulus: number;
  /** Number of the line, from 1. */
  readonly line: number;
  /** Number of stimuli after which all invariants still held. */
  readonly soundUntil: number;

  /** Puts the place into the message. */
  constructor(stimulus: number, line: number, soundUntil: number, cause: unknown) {
    const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`Stimulus ${stimulus} (line ${line}): ${what}`, { cause });
    this.stimulus = stimulus;
    this.line = line;
    this.soundUntil = soundUntil;
  }
}

type Lines = AsyncIterable<string> | Iterable<string>;
type MakeState = (options: SchedulerStateOptions) => SchedulerState;

/**
 * Replays a journal. After each stimulus the machine checks the tasks that it touched; after each hundredth
 * it checks the whole state, which takes time in proportion to the number of tasks. If that fails, the
 * journal is replayed again, and the whole state is checked after each of the last stimuli.
 *
 * @param lines The journal. Iterated over twice if a check fails.
 * @param makeState Creates the machine. Default: the machine of a scheduler.
 * @throws {ReplayError} If a line can't be read, an invariant broke, or the state differs from the recorded
 * one.
 */
export async function replay(lines: Lines, makeState: MakeState = recordedState): Promise<ReplayReport> {
  try {
    return await pass(lines, makeState, Infinity);
  } catch (error) {
    if (error instanceof ReplayError) await pass(lines, makeState, error.soundUntil);
    throw error;
  }
}

function recordedState(options: SchedulerStateOptions): SchedulerState {
  return standardState({ ...options, encodeError });
}

/** @param closelyFrom Number of the stimulus from which on the whole state is checked after each stimulus. */
async function pass(lines: Lines, makeState: MakeState, closelyFrom: number): Promise<ReplayReport> {
  const run = new Run(makeState, closelyFrom);
  for await (const text of lines) run.at(() => run.take(text));
  return run.at(() => run.end());
}

/** One pass over a journal. */
class Run {
  readonly #makeState: MakeState;
  readonly #closelyFrom: number;
  #state: SchedulerState | undefined;
  #stimuli = 0;
  #digests = 0;
  #line = 0;
  #soundUntil = 0;

  constructor(makeState: MakeState, closelyFrom: number) {
    this.#makeState = makeState;
    this.#closelyFrom = closelyFrom;
  }

  /** Calls `act`; an error gets the current place. */
  at<Result>(act: () => Result): Result {
    try {
      return act();
    } catch (cause) {
      throw new ReplayError(this.#stimuli, this.#line, this.#soundUntil, cause);
    }
  }

  take(text: string): void {
    this.#line++;
    if (text === "") return;
    const entry = decodeEntry(text);
    if ("journal" in entry) {
      this.#state = this.#makeState({ ...entry.options, validate: true });
      return;
    }
    if (this.#state === undefined) throw new SyntaxError("The first line of a journal is missing");
    if ("digest" in entry) {
      if (digestOf(this.#state.snapshot()) !== entry.digest) {
        throw new Error("The state is not what it was here");
      }
      this.#digests++;
      return;
    }
    this.#stimuli += entry.stimuli.length;
    this.#state.handle(entry.stimuli, entry.now);
    if (this.#stimuli - this.#soundUntil < DIGEST_EVERY && this.#stimuli <= this.#closelyFrom) return;
    this.#state.validateState();
    this.#soundUntil = this.#stimuli;
  }

  end(): ReplayReport {
    if (this.#state === undefined) throw new SyntaxError("It is empty");
    this.#state.validateState();
    return {
      stimuli: this.#stimuli,
      digests: this.#digests,
      transitions: this.#state.transitionCount,
    };
  }
}
