/**
 * Requests that wait until enough workers run (`Client.wait_for_workers`, and the wait of
 * `Scheduler.scatter`).
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Address } from "../../messages/common.ts";
import type { SchedulerMachine } from "./machine.ts";
import type { WaitForWorkers } from "./stimulus.ts";

/** Begins to wait; the door answers at once if there are enough workers. */
export function waitForWorkers(m: SchedulerMachine, stimulus: WaitForWorkers, now: number): void {
  const { ask, count, among, timeout } = stimulus;
  assert(!m.waits.has(ask), () => `Two wait for workers under the number ${ask}`);
  m.waits.set(ask, { count, among, deadline: timeout === null ? Infinity : now + timeout });
}

/** When the next one gives up; `Infinity` if none does. */
export function waitDeadline(m: SchedulerMachine): number {
  let next = Infinity;
  for (const { deadline } of m.waits.values()) next = Math.min(next, deadline);
  return next;
}

/** Answers those for which there are enough workers, and those whose time is up. */
export function answerWaits(m: SchedulerMachine, now: number): void {
  for (const [ask, wait] of m.waits) {
    const workers = runningAmong(m, wait.among);
    if (workers.length < wait.count && now < wait.deadline) continue;
    m.waits.delete(ask);
    const isEnough = workers.length >= wait.count;
    m.answer(ask, { op: "wait-for-workers", workers: isEnough ? workers.sort() : null });
  }
}

function runningAmong(m: SchedulerMachine, among: readonly string[] | null): Address[] {
  const found: Address[] = [];
  for (const ws of m.workers.values()) {
    if (!ws.pool.running.has(ws)) continue;
    const isMeant = among === null || among.includes(ws.address) || among.includes(ws.name) ||
      among.includes(ws.host);
    if (isMeant) found.push(ws.address);
  }
  return found;
}
