/**
 * In which order the tasks of a graph should run: depth first, so that a result is used up before the next
 * one is made (the idea of `dask.order`). On the way, tasks that can't run are found.
 *
 * @module
 */

import type { FunctionHash, Key } from "../../messages/common.ts";
import type { TaskRow } from "../../messages/client_scheduler.ts";

/** A task that a graph brings. */
export class GraphRow {
  /** Its key. */
  readonly key: Key;
  /** Its function. */
  readonly hash: FunctionHash;
  /** As it was sent. */
  readonly row: TaskRow;
  /** Those of its dependencies that the graph brings too. */
  readonly dependencies: GraphRow[] = [];
  /** Whether another task of the graph depends on it. */
  hasDependents = false;
  /** Place in the order, -1 if not known yet. */
  order: number = -1;
  /** Whether it is on the path that is being walked. */
  onPath = false;
  /** Why it can't run; empty if it can. */
  refusal: string;

  /** Makes a row without a place. */
  constructor(hash: FunctionHash, row: TaskRow, refusal: string) {
    this.key = row[0];
    this.hash = hash;
    this.row = row;
    this.refusal = refusal;
  }
}

/**
 * Gives every row its place, and a refusal to those that depend on themselves or on refused ones. Walks from
 * each task that no other depends on, first come first, to its dependencies; what remains then has a cycle.
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
  const next: number[] = [0]; // per row of the path: which dependency to look at
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
