/**
 * What must hold between stimuli. Mirrors `validate_task` and `validate_state` of
 * distributed/worker_state_machine.py.
 *
 * @module
 */

import { assert, AssertionError } from "../../internal/assert.ts";
import type { WorkerMachine } from "./machine.ts";
import { State, stateName, type TaskState } from "./task_state.ts";

/**
 * Checks that all tasks and collections of `m` agree with each other.
 *
 * @throws {AssertionError} If they do not; with the story of the task, if it is one.
 */
export function validateMachine(m: WorkerMachine): void {
  assert(m.recommendations.pop() === undefined, "There are recommendations left");
  assert(m.releasedNeeded.length === 0, "There are tasks left that may be needed again");
  const counts = m.counts.map(() => 0);
  let nbytes = 0;
  for (const [key, ts] of m.tasks) {
    assert(ts.key === key, () => `Task "${ts.key}" is filed as "${key}"`);
    counts[ts.state] = (counts[ts.state] ?? 0) + 1;
    if (ts.state === State.MEMORY) nbytes += ts.nbytes;
    validateTask(m, ts);
  }
  for (let state = 0; state < counts.length; state++) {
    assert(m.counts[state] === counts[state], () => {
      return `${m.counts[state]} tasks are counted as "${stateName(state as State)}", but it is ${
        counts[state]
      }`;
    });
  }
  assert(m.nbytes === nbytes, () => `All results have ${nbytes} bytes, but it is counted as ${m.nbytes}`);
  validateCollections(m);
  validatePeers(m);
  validateResources(m);
}

/**
 * Checks a task, its links, and the collections that it is in.
 *
 * @throws {AssertionError} If they contradict each other; with the story of the task.
 */
export function validateTask(m: WorkerMachine, ts: TaskState): void {
  try {
    validateLinks(m, ts);
    validateByState(m, ts);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AssertionError(
      `Task "${ts.key}", ${ts.describe()}: ${reason}. Story:\n${m.story.text(ts.key)}`,
    );
  }
}

function validateLinks(m: WorkerMachine, ts: TaskState): void {
  assert(ts.recommended === State.NONE && ts.payload === null, "It has a recommendation");
  for (const worker of ts.whoHas) {
    assert(worker !== m.address, "This worker is among the peers that hold it");
    assert(m.hasWhat.get(worker)?.has(ts), () => `"${worker}" holds it, but not the other way round`);
  }
  for (const dependency of ts.dependencies) {
    assert(m.tasks.get(dependency.key) === dependency, () => `Dependency "${dependency.key}" is not known`);
    assert(dependency.dependents.has(ts), () => `Dependency "${dependency.key}" does not know of it`);
  }
  for (const dependent of ts.dependents) {
    assert(m.tasks.get(dependent.key) === dependent, () => `Dependent "${dependent.key}" is not known`);
    assert(dependent.dependencies.has(ts), () => `Dependent "${dependent.key}" does not know of it`);
    assert(ts.state === State.MEMORY || !dependent.isReady(), () => `Dependent "${dependent.key}" is ready`);
  }
  for (const dependency of ts.waitingForData) {
    assert(ts.dependencies.has(dependency), () => `It waits for "${dependency.key}", no dependency`);
    assert(dependency.waiters.has(ts), () => `"${dependency.key}" does not know that it waits`);
    assert(dependency.state !== State.MEMORY, () => `It waits for "${dependency.key}", which is here`);
  }
  for (const waiter of ts.waiters) {
    assert(ts.dependents.has(waiter), () => `"${waiter.key}" waits for it and is no dependent`);
  }
}

function validateByState(m: WorkerMachine, ts: TaskState): void {
  assert(!ts.done || ts.state === State.MEMORY || ts.state === State.ERROR, "It is done");
  assert((ts.state === State.READY) === m.ready.has(ts), "Its state and the heap of ready tasks disagree");
  assert(
    (ts.state === State.CONSTRAINED) === m.constrained.has(ts),
    "Its state and the constrained disagree",
  );
  assert((ts.state === State.MISSING) === m.missing.has(ts), "Its state and the missing disagree");
  assert(isGoing(ts, State.EXECUTING) === m.executing.has(ts), "Its state and the executing disagree");
  assert(m.executing.has(ts) === (ts.executingRunId !== null), "Its run and the executing disagree");
  assert(isGoing(ts, State.FLIGHT) === m.inFlightTasks.has(ts), "Its state and the ones in flight disagree");
  switch (ts.state) {
    case State.WAITING:
      return validateWaiting(ts);
    case State.READY:
    case State.CONSTRAINED:
      assert(
        (ts.state === State.CONSTRAINED) === (ts.resources !== null),
        "Its resources and state disagree",
      );
      assert(!ts.holdsResources, "It holds resources");
      return validateRunnable(ts);
    case State.EXECUTING:
      return validateRunnable(ts);
    case State.FETCH:
      return validateFetch(m, ts);
    case State.FLIGHT:
      return validateFlight(m, ts);
    case State.MISSING:
      return assert(ts.whoHas.size === 0, "It has holders");
    case State.MEMORY:
      return validateMemory(ts);
    case State.CANCELLED:
      assert(ts.next === State.NONE, "It is cancelled and something is wanted");
      return validateGoing(m, ts);
    case State.RESUMED:
      assert(ts.next === (ts.previous === State.FLIGHT ? State.WAITING : State.FETCH), "Its next is odd");
      return validateGoing(m, ts);
    case State.RELEASED:
      assert(ts.dependents.size > 0, "It is not forgotten");
      return assert(ts.waitingForData.size === 0, "It waits");
    case State.ERROR:
      return assert(ts.waitingForData.size === 0, "It waits");
    default:
      assert(false, "That is no state to rest in");
  }
}

/** Whether `state` is what goes on with `ts`, be it cancelled or resumed. */
function isGoing(ts: TaskState, state: State): boolean {
  if (ts.state === State.CANCELLED || ts.state === State.RESUMED) return ts.previous === state;
  assert(
    ts.previous === State.NONE && ts.next === State.NONE,
    "It is not cancelled and has a previous or a next",
  );
  return ts.state === state;
}

function validateWaiting(ts: TaskState): void {
  assert(ts.runSpec !== null, "It has nothing to run");
  assert(ts.waitingForData.size > 0, "It waits for nothing");
  for (const dependency of ts.dependencies) {
    const here = dependency.state === State.MEMORY;
    assert(
      here !== ts.waitingForData.has(dependency),
      () => `Whether it waits for "${dependency.key}" is wrong`,
    );
  }
}

function validateRunnable(ts: TaskState): void {
  assert(ts.runSpec !== null, "It has nothing to run");
  assert(ts.waitingForData.size === 0, "It waits");
}

function validateFetch(m: WorkerMachine, ts: TaskState): void {
  assert(ts.whoHas.size > 0, "Nobody holds it");
  for (const worker of ts.whoHas) {
    assert(m.dataNeeded.get(worker)?.has(ts), () => `It is not among what "${worker}" is needed for`);
  }
}

function validateFlight(m: WorkerMachine, ts: TaskState): void {
  assert(ts.comingFrom !== null, "It comes from nowhere");
  assert(m.inFlightWorkers.get(ts.comingFrom)?.tasks.includes(ts), "Its transfer does not know of it");
}

function validateMemory(ts: TaskState): void {
  assert(ts.nbytes >= 0, "Its result has no size");
  assert(ts.waitingForData.size === 0, "It waits");
  assert(ts.runSpec === null, "It keeps its arguments");
}

function validateGoing(m: WorkerMachine, ts: TaskState): void {
  if (ts.previous === State.FLIGHT) validateFlight(m, ts);
  else assert(ts.runSpec !== null, "It has nothing to run");
}

function validateCollections(m: WorkerMachine): void {
  for (const tasks of [m.ready.tasks(), m.constrained.tasks(), m.missing, m.executing, m.inFlightTasks]) {
    for (const ts of tasks) {
      assert(m.tasks.get(ts.key) === ts, () => `Task "${ts.key}" is forgotten and still in a collection`);
    }
  }
  if (m.running && m.executing.size < m.feedAhead.slots) {
    assert(!m.hasRunnable(), "There are tasks to run, and free slots");
  }
}

function validatePeers(m: WorkerMachine): void {
  for (const [worker, held] of m.hasWhat) {
    assert(worker !== m.address && held.size > 0, () => `"${worker}" has no place among the peers`);
    for (const ts of held) {
      assert(m.tasks.get(ts.key) === ts, () => `"${worker}" holds "${ts.key}", which is forgotten`);
      assert(ts.whoHas.has(worker), () => `"${ts.key}" does not know that "${worker}" holds it`);
    }
  }
  for (const [worker, needed] of m.dataNeeded) {
    for (const ts of needed.tasks()) {
      assert(
        ts.state === State.FETCH && ts.whoHas.has(worker),
        () => `"${ts.key}" is not needed of "${worker}"`,
      );
    }
  }
  let nbytes = 0;
  let tasks = 0;
  for (const [worker, transfer] of m.inFlightWorkers) {
    assert(!m.busyWorkers.has(worker), () => `"${worker}" is asked although it is busy`);
    nbytes += transfer.nbytes;
    tasks += transfer.tasks.length;
  }
  assert(m.transferIncomingBytes === nbytes, () => {
    return `Transfers have ${nbytes} bytes, but it is counted as ${m.transferIncomingBytes}`;
  });
  assert(
    m.inFlightTasks.size === tasks,
    () => `${tasks} tasks are in flight, but ${m.inFlightTasks.size} say so`,
  );
}

function validateResources(m: WorkerMachine): void {
  for (const [name, total] of m.totalResources) {
    let taken = 0;
    for (const ts of m.executing) if (ts.holdsResources) taken += ts.resources?.[name] ?? 0;
    const available = m.availableResources.get(name) ?? 0;
    assert(Math.abs(total - taken - available) < 1e-6, () => {
      return `${available} of resource "${name}" is free, but ${taken} of ${total} is taken`;
    });
  }
}
