/**
 * Orders the tasks of a graph depth first, so that a result is used before the next one is computed (the idea
 * of `dask.order`). It also finds tasks that can't run.
 *
 * @module
 */

import type { FunctionHash, Key } from "../../messages/common.ts";
import type { TaskRow } from "../../messages/client_scheduler.ts";

/** A new task of a graph. */
export class GraphRow {
  /** Its key. */
  readonly key: Key;
  /** Its function. */
  readonly hash: FunctionHash;
  /** As it was sent. */
  readonly row: TaskRow;
  /** Dependencies that are new tasks of the graph, too. */
  readonly dependencies: GraphRow[] = [];
  /** Whether another task of the graph depends on it. */
  hasDependents = false;
  /** Position in the order, -1 until it is known. */
  order: number = -1;
  /** Whether it is on the path of the current walk. */
  onPath = false;
  /** Why it can't run; empty if it can. */
  refusal: string;

  constructor(hash: FunctionHash, row: TaskRow, refusal: string) {
    this.key = row[0];
    this.hash = hash;
    this.row = row;
    this.refusal = refusal;
  }
}

/**
 * Sets the position of each row, and refuses rows that depend on themselves or on refused rows. Walks to the
 * dependencies of each task that no other task depends on, in the order of the message. Rows that were not
 * reached are in, or behind, a cycle.
 */
export function orderRows(rows: readonly GraphRow[]): void {
  let order = 0;
  for (const row of rows) {
    if (!row.hasDependents) order = walk(row, order);
  }
  for (const row of rows) {
    if (row.order < 0) order = walk(row, order);
  }
}

function walk(start: GraphRow, order: number): number {
  const path: GraphRow[] = [start];
  const next: number[] = [0]; // per row of the path: index of its next dependency
  start.onPath = true;
  for (;;) {
    const depth = path.length - 1;
    const row = path[depth];
    if (row === undefined) return order;
    const index = next[depth] ?? 0;
    const dependency = row.dependencies[index];
    if (dependency === undefined) {
      row.onPath = false;
      row.order = order++;
      inheritRefusal(row);
      path.pop();
      next.pop();
    } else {
      next[depth] = index + 1;
      if (dependency.onPath) {
        row.refusal ||= "cyclic dependencies";
      } else if (dependency.order < 0) {
        dependency.onPath = true;
        path.push(dependency);
        next.push(0);
      }
    }
  }
}

function inheritRefusal(row: GraphRow): void {
  for (let i = 0; i < row.dependencies.length && row.refusal === ""; i++) {
    row.refusal = row.dependencies[i]?.refusal ?? "";
  }
}
