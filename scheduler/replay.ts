/**
 * Feeds a recorded run to a fresh machine.
 *
 * @module
 */

import { digestOf } from "./recorder.ts";
import { decodeEntry } from "./state/journal.ts";
import type { SchedulerStateOptions } from "./state/machine.ts";
import { standardState } from "./standard_state.ts";
import type { SchedulerState } from "./state/scheduler_state.ts";

/** What a replay went through. */
export interface ReplayReport {
  /** Number of stimuli. */
  readonly stimuli: number;
  /** Number of digests that were equal. */
  readonly digests: number;
  /** Number of transitions. */
  readonly transitions: number;
}

/** A recorded run that does not replay: where, and why. */
export class ReplayError extends Error {
  /** Number of the stimulus, from 1; those that were handled together count as the last of them. */
  readonly stimulus: number;
  /** Number of the line, from 1. */
  readonly line: number;

  /** Names the place. */
  constructor(stimulus: number, line: number, cause: unknown) {
    const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`Stimulus ${stimulus} (line ${line}): ${what}`, { cause });
    this.name = "ReplayError";
    this.stimulus = stimulus;
    this.line = line;
  }
}

/**
 * Replays a journal. The machine checks itself after each stimulus, and is compared with each digest.
 *
 * @param makeState Makes the machine. Default: the real one.
 * @throws {ReplayError} If a line can't be read, an invariant broke, or the state is another than it was.
 */
export async function replay(
  lines: AsyncIterable<string> | Iterable<string>,
  makeState: (options: SchedulerStateOptions) => SchedulerState = standardState,
): Promise<ReplayReport> {
  let state: SchedulerState | undefined;
  let [stimuli, digests, line] = [0, 0, 0];
  for await (const text of lines) {
    line++;
    if (text === "") continue;
    try {
      const entry = decodeEntry(text);
      if ("journal" in entry) {
        state = makeState({ ...entry.options, validate: true });
      } else if (state === undefined) {
        throw new SyntaxError("The first line of a journal is missing");
      } else if ("digest" in entry) {
        if (digestOf(state.snapshot()) !== entry.digest) throw new Error("The state is not what it was here");
        digests++;
      } else {
        stimuli += entry.stimuli.length;
        state.handle(entry.stimuli, entry.now);
        state.validateState();
      }
    } catch (cause) {
      throw new ReplayError(stimuli, line, cause);
    }
  }
  if (state === undefined) throw new ReplayError(0, line, new SyntaxError("It is empty"));
  return { stimuli, digests, transitions: state.transitionCount };
}
