/**
 * A worker's state as plain data. Spelled as Dask's cluster dump; empty fields are left out.
 *
 * @module
 */

import type { Address, Key } from "../../messages/common.ts";
import type { WorkerMachine } from "./machine.ts";
import { NO_GENERATION, State, stateName, type TaskState } from "./task_state.ts";

/** One task in a {@linkcode WorkerStateSnapshot}. */
export interface TaskSnapshot {
  /** Name. */
  readonly key: Key;
  /** State. */
  readonly state: string;
  /** What is still going on, if cancelled or resumed. */
  readonly previous: string | null;
  /** What is wanted, if resumed. */
  readonly next: string | null;
  /** Whether what was going on has come to its end. */
  readonly done: boolean;
  /** The latest assignment. */
  readonly run_id: number;
  /** Scheduler's priority, then the generation. */
  readonly priority: readonly number[];
  /** Bytes of the result, if known. */
  readonly nbytes: number | null;
  /** Peer it is being gathered from. */
  readonly coming_from: Address | null;
  /** Keys it needs. */
  readonly dependencies: readonly Key[];
  /** Keys that need it. */
  readonly dependents: readonly Key[];
  /** Keys it waits for. */
  readonly waiting_for_data: readonly Key[];
  /** Keys that wait for it, or did. */
  readonly waiters: readonly Key[];
  /** Peers that are believed to hold it. */
  readonly who_has: readonly Address[];
}

/** A worker's state. */
export interface WorkerStateSnapshot {
  /** All tasks. */
  readonly tasks: readonly TaskSnapshot[];
  /** Keys with results here. */
  readonly data: readonly Key[];
  /** Keys to be run, by priority. */
  readonly ready: readonly Key[];
  /** Keys to be run that need resources, by priority. */
  readonly constrained: readonly Key[];
  /** Keys that take a slot. */
  readonly executing: readonly Key[];
  /** Keys being gathered. */
  readonly in_flight_tasks: readonly Key[];
  /** Keys by peer that is being asked. */
  readonly in_flight_workers: Readonly<Record<Address, readonly Key[]>>;
  /** Keys to be gathered, by peer and priority. */
  readonly data_needed: Readonly<Record<Address, readonly Key[]>>;
  /** Keys by peer that is believed to hold them. */
  readonly has_what: Readonly<Record<Address, readonly Key[]>>;
  /** Keys without a known holder. */
  readonly missing: readonly Key[];
  /** Peers that asked for some rest. */
  readonly busy_workers: readonly Address[];
  /** Resources that are not taken. */
  readonly available_resources: Readonly<Record<string, number>>;
  /** Bytes of all results. */
  readonly nbytes: number;
  /** Bytes under way. */
  readonly transfer_incoming_bytes: number;
  /** Requests under way. */
  readonly transfer_incoming_count: number;
  /** Requests ever made. */
  readonly transfer_incoming_count_total: number;
  /** See {@linkcode TaskState.generation}. */
  readonly generation: number;
  /** False while paused. */
  readonly running: boolean;
  /** Tasks that came to an end in a thread. */
  readonly executed_count: number;
  /** Tasks to be gathered. */
  readonly fetch_count: number;
}

/** Copies the state of `m`. */
export function snapshot(m: WorkerMachine): WorkerStateSnapshot {
  const tasks = [...m.tasks.values()];
  return {
    tasks: tasks.map(taskSnapshot),
    data: keysOf(tasks.filter((ts) => ts.state === State.MEMORY)),
    ready: keysOf(m.ready.sorted()),
    constrained: keysOf(m.constrained.sorted()),
    executing: keysOf(m.executing),
    in_flight_tasks: keysOf(m.inFlightTasks),
    in_flight_workers: byPeer(m.inFlightWorkers, (transfer) => keysOf(transfer.tasks)),
    data_needed: byPeer(m.dataNeeded, (needed) => keysOf(needed.sorted())),
    has_what: byPeer(m.hasWhat, keysOf),
    missing: keysOf(m.missing),
    busy_workers: [...m.busyWorkers.keys()],
    available_resources: Object.fromEntries(m.availableResources),
    nbytes: m.nbytes,
    transfer_incoming_bytes: m.transferIncomingBytes,
    transfer_incoming_count: m.inFlightWorkers.size,
    transfer_incoming_count_total: m.transferIncomingCountTotal,
    generation: m.generation,
    running: m.running,
    executed_count: m.executedCount,
    fetch_count: m.counts[State.FETCH] ?? 0,
  };
}

function taskSnapshot(ts: TaskState): TaskSnapshot {
  return {
    key: ts.key,
    state: stateName(ts.state),
    previous: ts.previous === State.NONE ? null : stateName(ts.previous),
    next: ts.next === State.NONE ? null : stateName(ts.next),
    done: ts.done,
    run_id: ts.runId,
    priority: ts.generation === NO_GENERATION ? ts.priority : [...ts.priority, ts.generation],
    nbytes: ts.nbytes < 0 ? null : ts.nbytes,
    coming_from: ts.comingFrom,
    dependencies: keysOf(ts.dependencies),
    dependents: keysOf(ts.dependents),
    waiting_for_data: keysOf(ts.waitingForData),
    waiters: keysOf(ts.waiters),
    who_has: [...ts.whoHas],
  };
}

function keysOf(tasks: Iterable<TaskState>): Key[] {
  return Array.from(tasks, (ts) => ts.key);
}

function byPeer<T>(map: ReadonlyMap<Address, T>, keys: (value: T) => Key[]): Record<Address, Key[]> {
  const record: Record<Address, Key[]> = {};
  for (const [peer, value] of map) record[peer] = keys(value);
  return record;
}
