/**
 * Bodies of functions: kept as long as a client that sent one is connected and has not released it, or a task
 * names it; given to a worker before its first task that does (`docs/wire.md`, "Function bodies").
 *
 * @module
 */

import type { ClientState } from "./client_state.ts";
import type { SchedulerMachine } from "./machine.ts";
import type { TaskGroup } from "./task_group.ts";
import type { WorkerState } from "./worker_state.ts";

/** A client sent a body. The first one to come is kept: the hash tells that they are equal. */
export function addBody(group: TaskGroup, body: Uint8Array, cs: ClientState): void {
  group.body ??= ownBytes(body);
  group.owners.add(cs);
  cs.functions.add(group);
}

/** A body that does not keep the whole message alive. */
function ownBytes(body: Uint8Array): Uint8Array {
  return body.byteLength < body.buffer.byteLength ? body.slice() : body;
}

/** A client will not name the function without sending the body again. */
export function releaseBody(m: SchedulerMachine, group: TaskGroup, cs: ClientState): void {
  group.owners.delete(cs);
  cs.functions.delete(group);
  dropUnusedGroup(m, group);
}

/** Forgets a function that nobody names, here and on the workers. */
export function dropUnusedGroup(m: SchedulerMachine, group: TaskGroup): void {
  if (group.taskCount > 0) return;
  group.reset();
  if (group.owners.size > 0) return;
  for (const ws of group.workers) {
    ws.functions.delete(group);
    m.outbox.tellWorker(ws, { op: "free-functions", functions: [group.hash] });
  }
  group.workers.clear();
  group.body = null;
  m.dropGroup(group);
}

/** Sees to it that a worker has the body before it is told to run a task of the group. */
export function registerFunction(m: SchedulerMachine, group: TaskGroup, ws: WorkerState): void {
  if (group.body === null || group.workers.has(ws)) return;
  group.workers.add(ws);
  ws.functions.add(group);
  m.outbox.tellWorker(ws, { op: "register-functions", functions: { [group.hash]: group.body } });
}

/** Forgets what a worker was given. */
export function forgetWorkerFunctions(ws: WorkerState): void {
  for (const group of ws.functions) group.workers.delete(ws);
  ws.functions.clear();
}
