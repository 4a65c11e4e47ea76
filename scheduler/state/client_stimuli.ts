/**
 * Clients' messages, except graphs (`distributed/scheduler.py`, `client_desires_keys`, `stimulus_cancel`, …).
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { CancelKeys } from "../../messages/client_scheduler.ts";
import type { ClientId, Key } from "../../messages/common.ts";
import { ClientState } from "./client_state.ts";
import { wantTask } from "./graph.ts";
import type { Afterwards, SchedulerMachine } from "./machine.ts";
import { reportTask } from "./reports.ts";
import { State, type TaskState } from "./task_state.ts";
import type { AddClient, Retry } from "./stimulus.ts";

const UNKNOWN_KEY = "unknown key";

/** Registers a client, unless its name is taken. */
export function registerClient(m: SchedulerMachine, { ask, client }: AddClient): void {
  if (m.clients.has(client)) {
    const refusal = `Cannot register client "${client}": it is connected`;
    return m.answer(ask, { op: "add-client", refusal });
  }
  m.clients.set(client, new ClientState(client, m.now));
  m.answer(ask, { op: "add-client" });
  m.tell({ event: "client-added", client });
}

/** Removes a client, and releases all keys that it wanted. Ignored if it is unknown. */
export function removeClient(m: SchedulerMachine, id: ClientId): Afterwards {
  const cs = m.clients.get(id);
  if (cs === undefined) return;
  m.clients.delete(id);
  m.tell({ event: "client-removed", client: id });
  for (const ts of [...cs.wantsWhat]) releaseTask(m, cs, ts);
  return () => m.extensions.clientLeft(m, cs);
}

/**
 * A client wants keys that other clients submitted. An unknown key is reported as cancelled; with Dask, the
 * client would wait for ever.
 */
export function desireKeys(m: SchedulerMachine, cs: ClientState, keys: readonly Key[]): void {
  for (const key of keys) {
    const ts = m.tasks.get(key);
    if (ts === undefined) {
      m.outbox.cancelKey(cs, key, UNKNOWN_KEY);
      continue;
    }
    wantTask(cs, ts);
    if (ts.state === State.RELEASED) m.recommendations.add(ts, State.WAITING);
    reportTask(m, ts, cs);
  }
}

/** A client no longer wants keys. */
export function releaseKeys(m: SchedulerMachine, cs: ClientState, keys: readonly Key[]): void {
  for (const key of keys) {
    const ts = m.tasks.get(key);
    if (ts !== undefined && cs.wantsWhat.has(ts)) releaseTask(m, cs, ts);
  }
}

/** `_client_releases_keys` */
function releaseTask(m: SchedulerMachine, cs: ClientState, ts: TaskState): void {
  assert(cs.wantsWhat.delete(ts) && ts.whoWants.delete(cs), "A client releases a task that it does not want");
  if (ts.whoWants.size > 0) return;
  if (ts.dependents.size === 0) m.recommendations.add(ts, State.FORGOTTEN);
  else if (ts.state !== State.ERRED && ts.waiters.size === 0) m.recommendations.add(ts, State.RELEASED);
}

/** A client asks what became of a key. */
export function reportKey(m: SchedulerMachine, cs: ClientState, key: Key): void {
  const ts = m.tasks.get(key);
  if (ts !== undefined) reportTask(m, ts, cs);
  else m.outbox.cancelKey(cs, key, UNKNOWN_KEY);
}

/**
 * A client cancels keys, and the tasks that depend on them. Without `force`, tasks that other clients want
 * are kept. All clients that wanted a cancelled key are told.
 */
export function cancelKeys(m: SchedulerMachine, cs: ClientState, message: CancelKeys): Afterwards {
  const cancelled = new Set<TaskState>();
  const stack: TaskState[] = [];
  for (const key of message.keys) {
    const ts = m.tasks.get(key);
    if (ts !== undefined) stack.push(ts);
  }
  const named = new Set(stack);
  const keys = new Map<ClientState, Key[]>([[cs, []]]);
  for (let ts = stack.pop(); ts !== undefined; ts = stack.pop()) {
    if (cancelled.has(ts)) continue;
    if (!message.force && !isWantedOnlyBy(ts, cs)) {
      // The other clients keep it. Reported once, because the client counts answers.
      if (cs.wantsWhat.has(ts) && named.delete(ts)) keys.get(cs)?.push(ts.key);
      continue;
    }
    cancelled.add(ts);
    for (const dts of ts.dependents) stack.push(dts);
    for (const wanter of ts.whoWants) {
      const wanted = keys.get(wanter);
      if (wanted === undefined) keys.set(wanter, [ts.key]);
      else wanted.push(ts.key);
    }
  }
  for (const [wanter, wanted] of keys) releaseKeys(m, wanter, wanted);
  return () => {
    for (const [wanter, wanted] of keys) {
      if (wanted.length === 0) continue;
      const { reason, msg } = message;
      m.outbox.tellClient(wanter, { op: "cancelled-keys", keys: wanted, reason, msg });
    }
  };
}

/** Whether no other client wants it. That includes an intermediate task, which no client wants. */
function isWantedOnlyBy(ts: TaskState, cs: ClientState): boolean {
  return ts.whoWants.size === 0 || (ts.whoWants.size === 1 && ts.whoWants.has(cs));
}

/** Runs failed tasks again, beginning with the tasks that raised the errors. */
export function retryKeys(m: SchedulerMachine, { ask, keys }: Retry): Afterwards {
  const seen = new Set<TaskState>();
  const stack: TaskState[] = [];
  for (const key of keys) {
    const ts = m.tasks.get(key);
    if (ts !== undefined && ts.state === State.ERRED) stack.push(ts);
  }
  for (let ts = stack.pop(); ts !== undefined; ts = stack.pop()) {
    if (seen.has(ts)) continue;
    seen.add(ts);
    let isRoot = true;
    for (const dts of ts.dependencies) {
      if (dts.state !== State.ERRED) continue;
      isRoot = false;
      stack.push(dts);
    }
    if (isRoot) m.recommendations.add(ts, State.WAITING);
  }
  // Leaves out tasks that failed again at once: the caller would wait for a report that never comes. Dask
  // includes them.
  return () => {
    const running = [...seen].filter((ts) => ts.state !== State.ERRED);
    m.answer(ask, { op: "retry", keys: running.map((ts) => ts.key) });
  };
}
