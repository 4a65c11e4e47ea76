/**
 * What a worker knows of one task. Not to be confused with the scheduler's record of the same name.
 * Mirrors `TaskState` of distributed/worker_state_machine.py.
 *
 * @module
 */

import { assert, AssertionError } from "../../internal/assert.ts";
import type { Address, Key, Priority } from "../../messages/common.ts";
import type { RunSpec } from "../../messages/run_spec.ts";
import type { StartStop } from "../../messages/worker_scheduler.ts";
import type { ExecuteFailure, ExecuteSuccess } from "./stimulus.ts";

/** States as small integers: what the transition table is indexed by. */
export const State = {
  /** No state; used for "nothing recommended", "no previous" and "no next". */
  NONE: 0,
  /** Known, and nothing is done about it. */
  RELEASED: 1,
  /** To be run, but a dependency is not here. */
  WAITING: 2,
  /** Could run now. */
  READY: 3,
  /** Could run now if its abstract resources were free. */
  CONSTRAINED: 4,
  /** Handed to the executor. */
  EXECUTING: 5,
  /** To be gathered from a peer. */
  FETCH: 6,
  /** Being gathered. */
  FLIGHT: 7,
  /** To be gathered, but without a known holder. */
  MISSING: 8,
  /** Its result is here. */
  MEMORY: 9,
  /** Failed. */
  ERROR: 10,
  /** Not wanted any more while executing or in flight. */
  CANCELLED: 11,
  /** Cancelled, then wanted in another way than it is coming. */
  RESUMED: 12,
  /** Not a state to rest in: the task asked to be placed anew, or never began. */
  RESCHEDULED: 13,
  /** Removed; the object must not be used any more. */
  FORGOTTEN: 14,
} as const;

/** One of {@linkcode State}. */
export type State = typeof State[keyof typeof State];

/** Names of {@linkcode State}, as Dask spells them, by number. */
export const STATE_NAMES = [
  "none",
  "released",
  "waiting",
  "ready",
  "constrained",
  "executing",
  "fetch",
  "flight",
  "missing",
  "memory",
  "error",
  "cancelled",
  "resumed",
  "rescheduled",
  "forgotten",
] as const;

/** Name of a state. */
export type StateName = typeof STATE_NAMES[number];

/** Name of `state`, as Dask spells it. */
export function stateName(state: State): StateName {
  assert(state in STATE_NAMES, () => `State ${state} has no name`);
  return STATE_NAMES[state];
}

/** What comes with a recommendation: how the task ended. */
export type Payload = ExecuteSuccess | ExecuteFailure | null;

// Dask's distributed.scheduler.default-data-size
const DEFAULT_DATA_SIZE = 1024;

/**
 * Comes before every other tie-breaker: the priority of a replica has none, and a shorter tuple sorts first.
 */
export const NO_GENERATION: number = -Infinity;

/** The one empty set that all tasks start with: most tasks never need one of their own. */
const NO_TASKS: ReadonlySet<TaskState> = new Set();
const NO_ADDRESSES: ReadonlySet<Address> = new Set();
const NO_STARTSTOPS: readonly StartStop[] = [];

/**
 * One task. Fields are changed by the state machine alone. All fields are set here, in one order: it is made
 * per task.
 */
export class TaskState {
  /** Name. */
  readonly key: Key;
  /** Where it is. */
  state: State = State.RELEASED;
  /** The state that the running stimulus wants it in next, or `NONE`. */
  recommended: State = State.NONE;
  /** What comes with the recommendation. */
  payload: Payload = null;
  /** `EXECUTING` or `FLIGHT` if it is cancelled or resumed: what is still going on. */
  previous: State = State.NONE;
  /** `FETCH` or `WAITING` if it is resumed: what is wanted. */
  next: State = State.NONE;
  /** Whether what was going on has come to its end. */
  done: boolean = false;
  /** The latest assignment. */
  runId: number = -1;
  /** The assignment that the executor has, if any: not the latest one if that came while it ran. */
  executingRunId: number | null = null;
  /** When the executor was given it, in the machine's time. */
  executingSince: number = 0;
  /** What to run; `null` for a task that runs elsewhere, or ran. */
  runSpec: RunSpec | null = null;
  /** Whether a client waits for the result. */
  inlineResult: boolean = false;
  /** Smaller runs first. */
  priority: Priority;
  /** Breaks ties of priority: grows smaller with every task, so that the last comes first. */
  generation: number;
  /** Tasks whose results this one needs. */
  dependencies: ReadonlySet<TaskState> = NO_TASKS;
  /** Tasks that need this one's result. */
  dependents: ReadonlySet<TaskState> = NO_TASKS;
  /** Dependencies that are not in memory. */
  waitingForData: ReadonlySet<TaskState> = NO_TASKS;
  /** Dependents that were not in memory when they began to wait. */
  waiters: ReadonlySet<TaskState> = NO_TASKS;
  /** Peers that are believed to hold the result. */
  whoHas: ReadonlySet<Address> = NO_ADDRESSES;
  /** The peer it is being gathered from. */
  comingFrom: Address | null = null;
  /** Abstract resources that it needs to run. */
  resources: Readonly<Record<string, number>> | null = null;
  /** Whether they are taken. */
  holdsResources: boolean = false;
  /** Bytes of the result; -1 if unknown. */
  nbytes: number = -1;
  /** Pickle of the result's type, or of its name; `null` if unknown. */
  type: Uint8Array | null = null;
  /** Name of the result's type. */
  typename: string = "";
  /** Which thread ran it. */
  thread: number | null = null;
  /** What was timed. */
  startstops: readonly StartStop[] = NO_STARTSTOPS;

  /** Makes a released task. */
  constructor(key: Key, priority: Priority, generation: number) {
    this.key = key;
    this.priority = priority;
    this.generation = generation;
  }

  /** Bytes of the result as far as known, else Dask's default guess. */
  expectedNbytes(): number {
    return this.nbytes < 0 ? DEFAULT_DATA_SIZE : this.nbytes;
  }

  /** Whether it is ready, or would be if resources were free. */
  isReady(): boolean {
    return this.state === State.READY || this.state === State.CONSTRAINED;
  }

  /** Whether it is to be run here, or is running. */
  isProcessing(): boolean {
    return this.state >= State.WAITING && this.state <= State.EXECUTING;
  }

  /** Links `dependency` to this task, both ways. */
  addDependency(dependency: TaskState): void {
    this.dependencies = withTask(this.dependencies, dependency);
    dependency.dependents = withTask(dependency.dependents, this);
  }

  /** Notes that this task waits for `dependency`, both ways. */
  addWaitingFor(dependency: TaskState): void {
    this.waitingForData = withTask(this.waitingForData, dependency);
    dependency.waiters = withTask(dependency.waiters, this);
  }

  /** Notes that the result of `dependency` is here. */
  removeWaitingFor(dependency: TaskState): void {
    assert(this.dependencies.has(dependency), "A task waits for what it does not depend on");
    (this.waitingForData as Set<TaskState>).delete(dependency);
  }

  /** Forgets what this task waited for, both ways. */
  clearWaitingFor(): void {
    for (const dependency of this.dependencies) (dependency.waiters as Set<TaskState>).delete(this);
    this.waitingForData = NO_TASKS;
  }

  /** Notes that `dependent` is forgotten. */
  removeDependent(dependent: TaskState): void {
    assert(this.dependents.has(dependent), () => `"${dependent.key}" does not depend on "${this.key}"`);
    (this.dependents as Set<TaskState>).delete(dependent);
  }

  /** Notes that `peer` holds the result. */
  addHolder(peer: Address): void {
    if (this.whoHas === NO_ADDRESSES) this.whoHas = new Set([peer]);
    else (this.whoHas as Set<Address>).add(peer);
  }

  /** Notes that `peer` does not hold the result. */
  removeHolder(peer: Address): void {
    (this.whoHas as Set<Address>).delete(peer);
  }

  /** Notes that the result has no known holder. */
  clearHolders(): void {
    this.whoHas = NO_ADDRESSES;
  }

  /** Adds a timed step. */
  addStartStop(startstop: StartStop): void {
    this.startstops = this.startstops.length === 0 ? [startstop] : [...this.startstops, startstop];
  }

  /** Name of the state with what is going on and what is wanted, as Dask prints it. */
  describe(): string {
    const name = stateName(this.state);
    if (this.state === State.CANCELLED) return `${name}(${stateName(this.previous)})`;
    if (this.state === State.RESUMED) return `${name}(${stateName(this.previous)}->${stateName(this.next)})`;
    return name;
  }
}

function withTask(tasks: ReadonlySet<TaskState>, task: TaskState): ReadonlySet<TaskState> {
  if (tasks === NO_TASKS) return new Set([task]);
  (tasks as Set<TaskState>).add(task);
  return tasks;
}

/**
 * As `assert`, of a task: the message is put together only if it is needed, and costs no closure.
 *
 * @throws {AssertionError} If `condition` does not hold.
 */
export function assertTask(condition: unknown, ts: TaskState, what: string): asserts condition { // hot: per task
  if (!condition) throw new AssertionError(`Task "${ts.key}" ${what}`);
}
