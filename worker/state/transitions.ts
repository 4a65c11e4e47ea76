/**
 * The engine of transitions, and the table of all of them. A step changes the machine, recommends further
 * transitions and adds instructions. A pair of states that the table lacks is taken by way of `released`.
 * Mirrors `_transition` and `_transitions` of distributed/worker_state_machine.py.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import { InvalidTransition } from "../../internal/story.ts";
import { TransitionTable } from "../../internal/transition_table.ts";
import type { WorkerMachine } from "./machine.ts";
import { type Payload, State, STATE_NAMES, stateName, type TaskState } from "./task_state.ts";
import {
  cancelledFetch,
  cancelledReleased,
  cancelledWaiting,
  resumedFetch,
  resumedMemory,
  resumedNext,
  resumedReleased,
} from "./transitions_cancel.ts";
import {
  executingError,
  executingMemory,
  executingReady,
  executingReleased,
  executingRescheduled,
  readyExecuting,
  releasedWaiting,
  waitingConstrained,
  waitingReady,
} from "./transitions_execute.ts";
import {
  fetchFlight,
  flightFetch,
  flightMemory,
  flightReleased,
  missingFetch,
  missingWaiting,
  receiveData,
  toFetch,
  toMissing,
} from "./transitions_gather.ts";
import { memoryReleased, releasedForgotten, toReleased } from "./transitions_release.ts";

/** Makes one transition. */
export type Step = (m: WorkerMachine, ts: TaskState, payload: Payload) => void;

/** Event of the story: a pair of states that is no row was taken by way of `released`. */
export const VIA_RELEASED = "via-released";

/** All steps. */
export const TRANSITIONS: TransitionTable<State, Step> = new TransitionTable(STATE_NAMES.length, [
  [State.CANCELLED, State.ERROR, cancelledReleased],
  [State.CANCELLED, State.FETCH, cancelledFetch],
  [State.CANCELLED, State.MEMORY, cancelledReleased],
  [State.CANCELLED, State.RELEASED, cancelledReleased],
  [State.CANCELLED, State.RESCHEDULED, cancelledReleased],
  [State.CANCELLED, State.WAITING, cancelledWaiting],
  [State.RESUMED, State.ERROR, resumedNext],
  [State.RESUMED, State.FETCH, resumedFetch],
  [State.RESUMED, State.MEMORY, resumedMemory],
  [State.RESUMED, State.RELEASED, resumedReleased],
  [State.RESUMED, State.RESCHEDULED, resumedNext],
  [State.CONSTRAINED, State.EXECUTING, readyExecuting],
  [State.CONSTRAINED, State.RELEASED, toReleased],
  [State.ERROR, State.RELEASED, toReleased],
  [State.EXECUTING, State.ERROR, executingError],
  [State.EXECUTING, State.MEMORY, executingMemory],
  [State.EXECUTING, State.READY, executingReady],
  [State.EXECUTING, State.RELEASED, executingReleased],
  [State.EXECUTING, State.RESCHEDULED, executingRescheduled],
  [State.FETCH, State.FLIGHT, fetchFlight],
  [State.FETCH, State.MEMORY, receiveData],
  [State.FETCH, State.MISSING, toMissing],
  [State.FETCH, State.RELEASED, toReleased],
  [State.FLIGHT, State.FETCH, flightFetch],
  [State.FLIGHT, State.MEMORY, flightMemory],
  [State.FLIGHT, State.MISSING, toMissing],
  [State.FLIGHT, State.RELEASED, flightReleased],
  [State.MEMORY, State.RELEASED, memoryReleased],
  [State.MISSING, State.FETCH, missingFetch],
  [State.MISSING, State.MEMORY, receiveData],
  [State.MISSING, State.RELEASED, toReleased],
  [State.MISSING, State.WAITING, missingWaiting],
  [State.READY, State.EXECUTING, readyExecuting],
  [State.READY, State.RELEASED, toReleased],
  [State.RELEASED, State.FETCH, toFetch],
  [State.RELEASED, State.FORGOTTEN, releasedForgotten],
  [State.RELEASED, State.MEMORY, receiveData],
  [State.RELEASED, State.MISSING, toMissing],
  [State.RELEASED, State.WAITING, releasedWaiting],
  [State.WAITING, State.CONSTRAINED, waitingConstrained],
  [State.WAITING, State.READY, waitingReady],
  [State.WAITING, State.RELEASED, toReleased],
]);

/**
 * Makes all recommended transitions, and those that they recommend, until there are none. Ours: what was
 * released on the way, and a task that was not released waits for, is gathered again; in Dask that task would
 * wait for ever.
 */
export function runTransitions(m: WorkerMachine): void { // hot: per task
  makeTransitions(m);
  if (m.releasedNeeded.length === 0) return;
  for (let ts = m.releasedNeeded.pop(); ts !== undefined; ts = m.releasedNeeded.pop()) {
    if ((ts.state === State.RELEASED || ts.state === State.CANCELLED) && isNeeded(ts)) {
      m.recommend(ts, State.FETCH);
    }
  }
  makeTransitions(m);
  assert(m.releasedNeeded.length === 0, "What was gathered again was released again");
}

function isNeeded(ts: TaskState): boolean {
  for (const waiter of ts.waiters) if (waiter.state === State.WAITING) return true;
  return false;
}

function makeTransitions(m: WorkerMachine): void { // hot: per task
  for (let ts = m.recommendations.pop(); ts !== undefined; ts = m.recommendations.pop()) {
    const { payload } = ts;
    const finish = takeRecommendation(m, ts);
    transition(m, ts, finish, payload);
  }
}

function takeRecommendation(m: WorkerMachine, ts: TaskState): State {
  ts.payload = null;
  return m.recommendations.take(ts);
}

/** Moves one task; what follows from it is only recommended. */
export function transition(m: WorkerMachine, ts: TaskState, finish: State, payload: Payload): void { // hot: per transition
  const start = ts.state;
  if (start === finish) return;
  if (++m.transitionCounter >= m.transitionCounterMax) {
    throw invalid(m, ts, finish, "too many transitions, this may be a loop");
  }
  const step = TRANSITIONS.get(start, finish);
  if (step !== undefined) {
    step(m, ts, payload);
    m.story.add(ts.key, start, finish, ts.state, m.stimulusId, m.now);
  } else if (start !== State.RELEASED && finish !== State.RELEASED) {
    viaReleased(m, ts, finish, payload);
    m.story.add(ts.key, start, finish, ts.state, m.stimulusId, m.now, VIA_RELEASED);
  } else {
    throw invalid(m, ts, finish, "there is no such transition");
  }
}

function viaReleased(m: WorkerMachine, ts: TaskState, finish: State, payload: Payload): void {
  transition(m, ts, State.RELEASED, null);
  while (ts.recommended !== State.NONE) {
    const nextPayload = ts.payload;
    const next = takeRecommendation(m, ts);
    // The purpose of this path is to get to `finish`, not to forget.
    if (next !== State.FORGOTTEN) transition(m, ts, next, nextPayload);
  }
  transition(m, ts, finish, payload);
}

function invalid(m: WorkerMachine, ts: TaskState, finish: State, reason: string): InvalidTransition {
  return new InvalidTransition(ts.key, stateName(ts.state), stateName(finish), reason, m.story.text(ts.key));
}
