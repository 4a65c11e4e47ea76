/**
 * Runs transitions (`distributed/scheduler.py`, `_transition`, `_transitions`).
 *
 * A transition changes one task, recommends transitions of other tasks, and puts messages into the outbox. A
 * pair of states that is not in the table goes through `released`.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import { NO_STATE } from "../../internal/recommendations.ts";
import { InvalidTransition } from "../../internal/story.ts";
import { TransitionTable } from "../../internal/transition_table.ts";
import type { TaskFinished } from "../../messages/worker_scheduler.ts";
import type { SchedulerMachine } from "./machine.ts";
import type { Pool } from "./pool.ts";
import { State, STATE_NAMES, stateName, type TaskState } from "./task_state.ts";
import {
  forget,
  memoryReleased,
  processingErred,
  processingReleased,
  releasedErred,
  releasedWaiting,
  unplacedReleased,
} from "./transitions_down.ts";
import { erredReleased, waitingReleased } from "./transitions_down.ts";
import {
  noWorkerProcessing,
  processingMemory,
  queuedProcessing,
  waitingNoWorker,
  waitingProcessing,
  waitingQueued,
} from "./transitions_up.ts";
import { validateTask } from "./validate.ts";

/**
 * Makes one transition. `finished` is the worker's message about the result, only for the step to `memory`.
 */
export type Step = (m: SchedulerMachine, ts: TaskState, finished: TaskFinished | null) => void;

/**
 * All steps. Dask's table has a few more that are impossible here: results of tasks that were not sent to a
 * worker, and failures of tasks that wait for a worker (when a dependency is lost, they wait for it again).
 */
export const TRANSITIONS: TransitionTable<State, Step> = new TransitionTable(STATE_NAMES.length, [
  [State.RELEASED, State.WAITING, releasedWaiting],
  [State.RELEASED, State.ERRED, releasedErred],
  [State.RELEASED, State.FORGOTTEN, forget],
  [State.WAITING, State.RELEASED, waitingReleased],
  [State.WAITING, State.PROCESSING, waitingProcessing],
  [State.WAITING, State.NO_WORKER, waitingNoWorker],
  [State.WAITING, State.QUEUED, waitingQueued],
  [State.QUEUED, State.RELEASED, unplacedReleased],
  [State.QUEUED, State.PROCESSING, queuedProcessing],
  [State.NO_WORKER, State.RELEASED, unplacedReleased],
  [State.NO_WORKER, State.PROCESSING, noWorkerProcessing],
  [State.PROCESSING, State.RELEASED, processingReleased],
  [State.PROCESSING, State.MEMORY, processingMemory],
  [State.PROCESSING, State.ERRED, processingErred],
  [State.MEMORY, State.RELEASED, memoryReleased],
  [State.MEMORY, State.FORGOTTEN, forget],
  [State.ERRED, State.RELEASED, erredReleased],
]);

/** Makes the transition of one task. Transitions that follow from it are only recommended. */
export function transition(
  m: SchedulerMachine,
  ts: TaskState,
  finish: State,
  finished: TaskFinished | null = null,
): void { // hot: per transition
  const start = ts.state;
  if (start === finish || start === State.FORGOTTEN) return;
  const step = TRANSITIONS.get(start, finish);
  if (step !== undefined) {
    step(m, ts, finished);
    noteTransition(m, ts, start, finish);
  } else if (start !== State.RELEASED && finish !== State.RELEASED) {
    transition(m, ts, State.RELEASED);
    const instead = m.recommendations.take(ts);
    transition(m, ts, instead === NO_STATE ? finish : instead);
  } else {
    const reason = `there is no such transition (${m.stimulusId})`;
    const story = m.story.text(ts.key);
    throw new InvalidTransition(ts.key, stateName(start), stateName(finish), reason, story);
  }
}

/** Adds a transition to the story. */
function noteTransition(m: SchedulerMachine, ts: TaskState, start: State, recommended: State): void {
  m.transitionCounter++;
  assert(
    m.transitionCounterMax === 0 || m.transitionCounter < m.transitionCounterMax,
    () =>
      `More than ${m.transitionCounterMax} transitions; last of "${ts.key}". Story:\n${m.story.text(ts.key)}`,
  );
  m.story.add(ts.key, start, recommended, ts.state, m.stimulusId, m.now);
  if (m.validate) m.touched.add(ts);
}

/** Makes transitions until none is recommended. */
export function runTransitions(m: SchedulerMachine): void {
  for (;;) {
    const ts = m.recommendations.pop();
    if (ts === undefined) break;
    const finish = m.recommendations.take(ts);
    if (finish !== NO_STATE) transition(m, ts, finish);
  }
  if (m.touched.size > 0) {
    for (const ts of m.touched) validateTask(m, ts);
    m.touched.clear();
  }
}

/** Sends queued tasks to workers while a worker has room, the most urgent first. */
export function fillSlots(m: SchedulerMachine): void {
  for (const pool of m.pools) fillPool(m, pool);
}

function fillPool(m: SchedulerMachine, { notFull, queued }: Pool): void {
  for (;;) {
    if (notFull.size === 0) return;
    const ts = queued.peek();
    if (ts === undefined) return;
    m.recommendations.add(ts, State.PROCESSING);
    runTransitions(m);
    if (ts.state === State.QUEUED) return;
  }
}
