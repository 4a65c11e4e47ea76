/**
 * Requests that wait until enough workers run (`Client.wait_for_workers`, and the wait of
 * `Scheduler.scatter`).
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Address } from "../../messages/common.ts";
import type { SchedulerMachine, Wait } from "./machine.ts";
import type { WaitForWorkers } from "./stimulus.ts";

/** Answers at once if there are enough workers or there is no time; else begins to wait. */
export function waitForWorkers(m: SchedulerMachine, stimulus: WaitForWorkers, now: number): void {
  const { ask, count, among, timeout } = stimulus;
  assert(!m.waits.has(ask), () => `Two wait for workers under the number ${ask}`);
  const deadline = timeout === null ? Infinity : now + timeout;
  const wait: Wait = { count, among: among === null ? null : new Set(among), deadline };
  if (!answered(m, ask, wait, now)) m.waits.set(ask, wait);
}

/** Earliest deadline of all waits; `Infinity` if there is none. */
export function waitDeadline(m: SchedulerMachine): number {
  let next = Infinity;
  for (const { deadline } of m.waits.values()) next = Math.min(next, deadline);
  return next;
}

/** Answers waits for which enough workers run, and waits whose deadline has passed. */
export function answerWaits(m: SchedulerMachine, now: number): void {
  const isNews = m.hasWorkerNews;
  m.hasWorkerNews = false;
  for (const [ask, wait] of m.waits) {
    if ((isNews || now >= wait.deadline) && answered(m, ask, wait, now)) m.waits.delete(ask);
  }
}

function answered(m: SchedulerMachine, ask: number, wait: Wait, now: number): boolean {
  const workers = runningAmong(m, wait.among);
  const isEnough = workers.length >= wait.count;
  if (!isEnough && now < wait.deadline) return false;
  m.answer(ask, { op: "wait-for-workers", workers: isEnough ? workers.sort() : null });
  return true;
}

function runningAmong(m: SchedulerMachine, among: ReadonlySet<string> | null): Address[] {
  const found: Address[] = [];
  for (const ws of m.workers.values()) {
    if (!ws.pool.running.has(ws)) continue;
    if (among === null || among.has(ws.address) || among.has(ws.name) || among.has(ws.host)) {
      found.push(ws.address);
    }
  }
  return found;
}
