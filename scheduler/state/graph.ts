/**
 * Registers a client's graph (`distributed/scheduler.py`, `update_graph`).
 *
 * A message contains all tasks that the program submitted in one turn. So if a task can't run, only this task
 * and those that depend on it are refused. Dask refuses the whole message.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { GraphAnnotations, UpdateGraph } from "../../messages/client_scheduler.ts";
import type { Key } from "../../messages/common.ts";
import type { NativeSpec } from "../../messages/run_spec.ts";
import type { ClientState } from "./client_state.ts";
import type { SchedulerMachine } from "./machine.ts";
import { GraphRow, orderRows } from "./order.ts";
import { reportTask } from "./reports.ts";
import { comparePriority, State, type TaskState } from "./task_state.ts";

/** Maximum number of worker names in the annotations that are sent with a task. */
const NAMES_SENT = 100;
const NO_ANNOTATIONS: Readonly<Record<string, never>> = Object.freeze({});

/** The tasks of a graph. */
export interface GraphTasks {
  /** New tasks, in the order of their keys in the message. */
  readonly created: readonly TaskState[];
  /** Tasks that were known before; they keep their old definition. */
  readonly known: readonly TaskState[];
}

/** Handles `update-graph`: all keys are wanted by the sender. */
export function updateGraph(m: SchedulerMachine, cs: ClientState, message: UpdateGraph): void {
  const tasks = addTasks(m, cs, message);
  for (const ts of tasks.created) wantTask(cs, ts);
  for (const ts of tasks.known) wantTask(cs, ts);
  startTasks(m, cs, tasks);
}

/** Notes that a client wants a task. */
export function wantTask(cs: ClientState, ts: TaskState): void {
  ts.addWanter(cs);
  cs.wantsWhat.add(ts);
}

/** Creates the tasks of a graph, in the state `released`. No client wants them yet. */
export function addTasks(m: SchedulerMachine, cs: ClientState, message: UpdateGraph): GraphTasks {
  m.extensions.graphArrived(m, cs, message);
  const known: TaskState[] = [];
  const rows = collectRows(m, message, known);
  const ordered = [...rows.values()];
  if (linkRows(m, rows)) {
    orderRows(ordered);
  } else {
    let order = 0;
    for (const row of ordered) row.order = order++;
  }
  const accepted = ordered.filter((row) => accept(m, cs, row));
  if (accepted.length + known.length > 0) beginGeneration(m, message.fifo_timeout);
  return { created: createTasks(m, accepted, message), known };
}

/** Returns the rows of new tasks. */
function collectRows(m: SchedulerMachine, message: UpdateGraph, known: TaskState[]): Map<Key, GraphRow> {
  const rows = new Map<Key, GraphRow>();
  for (const { function: hash, tasks } of message.groups) {
    const refusal = m.extensions.refusal(hash);
    for (const row of tasks) {
      const ts = m.tasks.get(row[0]);
      if (ts !== undefined) known.push(ts);
      else if (!rows.has(row[0])) rows.set(row[0], new GraphRow(hash, row, refusal));
    }
  }
  return rows;
}

/** Links rows to the rows that they refer to. Returns whether rows have to be ordered or refused. */
function linkRows(m: SchedulerMachine, rows: Map<Key, GraphRow>): boolean {
  let linked = false;
  for (const row of rows.values()) {
    for (const [key] of row.row[2]) {
      const dependency = rows.get(key);
      if (dependency !== undefined) {
        row.dependencies.push(dependency);
        dependency.hasDependents = true;
        linked = true;
      } else if (!m.tasks.has(key)) {
        row.refusal ||= "lost dependencies";
      }
    }
  }
  return linked;
}

function accept(m: SchedulerMachine, cs: ClientState, row: GraphRow): boolean {
  if (row.refusal === "") return true;
  m.outbox.cancelKey(cs, row.key, row.refusal);
  return false;
}

/** Older graphs run first. Graphs that arrive within `timeout` seconds count as one. */
function beginGeneration(m: SchedulerMachine, timeout: number): void {
  if (m.generationTime + timeout >= m.now) return;
  m.generation++;
  m.generationTime = m.now;
}

function createTasks(m: SchedulerMachine, rows: readonly GraphRow[], message: UpdateGraph): TaskState[] {
  const { annotations } = message;
  const userPriority = -(annotations.priority ?? 0) + 0; // + 0 avoids negative zero
  const sent = annotationsToSend(annotations);
  const created: TaskState[] = [];
  for (const row of rows) {
    assert(
      row.refusal === "" && row.order >= 0,
      "A task is made that was refused, or has no place in the order",
    );
    const spec: NativeSpec = [row.hash, row.row[1], row.row[2]];
    const priority = [userPriority, m.generation, row.order];
    const ts = m.addTask(row.key, spec, m.groups.ofFunction(row.hash, row.key), priority, sent);
    annotate(ts, annotations);
    created.push(ts);
  }
  created.forEach((ts, i) => {
    for (const [key] of rows[i]?.row[2] ?? []) {
      const dts = m.tasks.get(key);
      assert(dts !== undefined, () => `Task "${ts.key}" is made without "${key}"`);
      ts.addDependency(dts);
    }
  });
  return created;
}

/**
 * Returns the annotations that are sent with each task. A long list of workers is left out, because it would
 * be larger than the tasks.
 */
function annotationsToSend({ workers, ...others }: GraphAnnotations): Readonly<Record<string, unknown>> {
  const sent = workers === undefined || workers.length > NAMES_SENT ? others : { workers, ...others };
  for (const _ in sent) return sent;
  return NO_ANNOTATIONS;
}

function annotate(ts: TaskState, annotations: GraphAnnotations): void {
  ts.retries = annotations.retries ?? 0;
  const { workers } = annotations;
  if (workers !== undefined && workers.length > 0) ts.restrictions = workers;
  ts.looseRestrictions = annotations.allow_other_workers ?? false;
}

/** Starts the wanted tasks, and reports tasks that have already ended. */
export function startTasks(m: SchedulerMachine, cs: ClientState, { created, known }: GraphTasks): void {
  const wanted: TaskState[] = [];
  for (const ts of created) if (ts.whoWants.size > 0) wanted.push(ts);
  for (const ts of known) if (ts.state === State.RELEASED && ts.whoWants.size > 0) wanted.push(ts);
  wanted.sort(comparePriority);
  // The last recommendation is followed first.
  for (let i = wanted.length - 1; i >= 0; i--) {
    const ts = wanted[i];
    if (ts !== undefined) m.recommendations.add(ts, State.WAITING);
  }
  for (const ts of known) reportTask(m, ts, cs);
}
