/**
 * The engine of transitions (`distributed/scheduler.py`, `_transition`, `_transitions`).
 *
 * A transition changes one task, recommends transitions of others, and leaves messages in the outbox. A pair of
 * states that the table lacks is taken by way of `released`.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import { InvalidTransition } from "./errors.ts";
import type { Machine } from "./machine.ts";
import {
  ERRED,
  FORGOTTEN,
  MEMORY,
  NO_WORKER,
  PROCESSING,
  QUEUED,
  RELEASED,
  STATE_COUNT,
  STATE_NAMES,
  type StateCode,
  type TaskState,
  WAITING,
} from "./task_state.ts";
import {
  forget,
  memoryReleased,
  processingErred,
  processingReleased,
  releasedErred,
  releasedWaiting,
  unplacedErred,
  unplacedReleased,
} from "./transitions_down.ts";
import { erredReleased, waitingReleased } from "./transitions_down.ts";
import { noWorkerProcessing, queuedProcessing, waitingProcessing } from "./transitions_up.ts";
import { waitingNoWorker, waitingQueued } from "./transitions_up.ts";
import { validateTask } from "./validate.ts";

type Step = (m: Machine, ts: TaskState) => void;

const TABLE: (Step | null)[] = new Array<Step | null>(STATE_COUNT * STATE_COUNT).fill(null);

function on(start: StateCode, finish: StateCode, step: Step): void {
  TABLE[start * STATE_COUNT + finish] = step;
}

on(RELEASED, WAITING, releasedWaiting);
on(RELEASED, ERRED, releasedErred);
on(RELEASED, FORGOTTEN, forget);
on(WAITING, RELEASED, waitingReleased);
on(WAITING, PROCESSING, waitingProcessing);
on(WAITING, NO_WORKER, waitingNoWorker);
on(WAITING, QUEUED, waitingQueued);
on(QUEUED, RELEASED, unplacedReleased);
on(QUEUED, PROCESSING, queuedProcessing);
on(QUEUED, ERRED, unplacedErred);
on(NO_WORKER, RELEASED, unplacedReleased);
on(NO_WORKER, PROCESSING, noWorkerProcessing);
on(NO_WORKER, ERRED, unplacedErred);
on(PROCESSING, RELEASED, processingReleased);
on(PROCESSING, ERRED, processingErred);
on(MEMORY, RELEASED, memoryReleased);
on(MEMORY, FORGOTTEN, forget);
on(ERRED, RELEASED, erredReleased);

/** Moves one task; what follows from it is only recommended. */
export function transition(m: Machine, ts: TaskState, finish: StateCode): void {
  const start = ts.state;
  if (start === finish || start === FORGOTTEN) return;
  const step = TABLE[start * STATE_COUNT + finish];
  if (step) {
    step(m, ts);
    noteTransition(m, ts, start);
  } else if (start !== RELEASED && finish !== RELEASED) {
    transition(m, ts, RELEASED);
    const instead = m.recommendations.take(ts);
    transition(m, ts, instead === -1 ? finish : instead);
  } else {
    throw new InvalidTransition(
      `Cannot move task "${ts.key}" from ${STATE_NAMES[start]} to ${STATE_NAMES[finish]} ` +
        `(${m.stimulusId}). This is a bug. Story: ${tell(m, ts)}`,
    );
  }
}

/** Writes down a transition that was made. */
export function noteTransition(m: Machine, ts: TaskState, start: StateCode): void {
  m.transitionCounter++;
  assert(
    m.transitionCounterMax === 0 || m.transitionCounter < m.transitionCounterMax,
    () => `More than ${m.transitionCounterMax} transitions; last of "${ts.key}". Story: ${tell(m, ts)}`,
  );
  m.story.add(ts.key, start, ts.state, m.stimulusId, m.now);
  if (m.validate) m.touched.add(ts);
}

/** Moves tasks until nothing is recommended any more. */
export function runTransitions(m: Machine): void {
  for (;;) {
    const ts = m.recommendations.pop();
    if (ts === undefined) break;
    const finish = m.recommendations.take(ts);
    if (finish !== -1) transition(m, ts, finish);
  }
  if (m.touched.size > 0) {
    for (const ts of m.touched) validateTask(m, ts);
    m.touched.clear();
  }
}

/** Sends queued tasks, the most urgent first, as long as some worker has room. */
export function fillSlots(m: Machine): void {
  for (;;) {
    if (m.notFull.size === 0) return;
    const ts = m.queued.peek();
    if (ts === undefined) return;
    m.recommendations.add(ts, PROCESSING);
    runTransitions(m);
    if (ts.state === QUEUED) return;
  }
}

function tell(m: Machine, ts: TaskState): string {
  return m.story.of(ts.key)
    .map((step) => `${step.start} → ${step.finish} (${step.stimulusId})`)
    .join(", ");
}
