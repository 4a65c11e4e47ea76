/**
 * Invariants that hold between two stimuli (`distributed/scheduler.py`, `validate_*`).
 *
 * @module
 */

import { AssertionError } from "../../internal/assert.ts";
import type { SchedulerMachine } from "./machine.ts";
import type { Check } from "./extension.ts";
import { isWorkerFull } from "./placement.ts";
import type { Pool } from "./pool.ts";
import type { TaskGroup } from "./task_group.ts";
import { areSharedSetsEmpty, State, STATE_NAMES, type TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** Checks a task and its links. Throws `AssertionError` with its story if an invariant is broken. */
export function validateTask(m: SchedulerMachine, ts: TaskState): void {
  const check: Check = (condition, what) => {
    if (condition) return;
    throw new AssertionError(`Task "${ts.key}", ${ts.stateName}: ${what}. Story:\n${m.story.text(ts.key)}`);
  };
  if (ts.state === State.FORGOTTEN) {
    check(m.tasks.get(ts.key) !== ts, "is forgotten, and known");
    return;
  }
  check(m.tasks.get(ts.key) === ts, "is not known");
  check(ts.recommended === State.NONE, "has a recommendation left");
  checkHolders(check, m, ts);
  checkLinks(check, ts);
  checkState(check, ts);
}

function isPending(ts: TaskState): boolean {
  return ts.state === State.WAITING || ts.state === State.QUEUED || ts.state === State.PROCESSING ||
    ts.state === State.NO_WORKER;
}

function checkHolders(check: Check, m: SchedulerMachine, ts: TaskState): void {
  check((ts.processingOn !== null) === (ts.state === State.PROCESSING), "processing means having a worker");
  check(ts.whoHas.size > 0 === (ts.state === State.MEMORY), "memory means having holders");
  check(
    (ts.pool?.queued.has(ts) ?? false) === (ts.state === State.QUEUED),
    "queued means being in the queue",
  );
  check(
    (ts.pool?.unrunnable.has(ts) ?? false) === (ts.state === State.NO_WORKER),
    "no-worker means being unrunnable",
  );
  check(ts.processingOn === null || ts.processingOn.processing.has(ts), "its worker does not know of it");
  for (const ws of ts.whoHas) {
    check(ws.hasWhat.has(ts) && m.workers.get(ws.address) === ws, `holder ${ws.address} does not have it`);
  }
  for (const cs of ts.whoWants) {
    check(cs.wantsWhat.has(ts) && m.clients.get(cs.id) === cs, `client ${cs.id} does not want it`);
  }
}

function checkLinks(check: Check, ts: TaskState): void {
  for (const dts of ts.waitingOn) {
    check(ts.dependencies.has(dts), `waits for "${dts.key}", which is no dependency`);
  }
  for (const dts of ts.waiters) {
    check(ts.dependents.has(dts) && isPending(dts), `waiter "${dts.key}" is ${dts.stateName}`);
  }
  for (const dts of ts.dependencies) {
    check(
      dts.dependents.has(ts) && dts.state !== State.FORGOTTEN,
      `dependency "${dts.key}" does not know it`,
    );
    if (!isPending(ts)) continue;
    check(dts.waiters.has(ts), `dependency "${dts.key}" does not know that it waits`);
    check(ts.waitingOn.has(dts) === (dts.whoHas.size === 0), `waits wrongly for "${dts.key}"`);
    check(
      dts.state !== State.RELEASED && dts.state !== State.ERRED,
      `dependency "${dts.key}" is ${dts.stateName}`,
    );
  }
  for (const dts of ts.dependents) {
    check(
      dts.dependencies.has(ts) && dts.state !== State.FORGOTTEN,
      `dependent "${dts.key}" does not know it`,
    );
    check(ts.waiters.has(dts) === isPending(dts), `dependent "${dts.key}" is ${dts.stateName}`);
  }
}

function checkState(check: Check, ts: TaskState): void {
  const isReady = ts.state === State.QUEUED || ts.state === State.PROCESSING || ts.state === State.NO_WORKER;
  check(isReady ? ts.waitingOn.size === 0 : true, "is ready, and waits");
  check(
    ts.state === State.WAITING ? ts.waitingOn.size > 0 : ts.waitingOn.size === 0,
    "waiting means waiting for",
  );
  check((ts.failure !== null) === (ts.state === State.ERRED), "erred means having a failure");
  if (ts.state === State.RELEASED) check(ts.waiters.size === 0, "is released, and has waiters");
  if (ts.state === State.QUEUED) check(ts.restrictions === null, "is queued, and restricted");
  if (ts.state === State.RELEASED) check(ts.whoWants.size === 0, "is wanted, and nothing is done");
  if (isPending(ts) || ts.state === State.MEMORY) check(ts.needed, "is not needed");
  if (isPending(ts)) check(!ts.hasLostDependencies, "can't run, and tries");
  check(ts.dependents.size > 0 || ts.whoWants.size > 0, "should be forgotten");
}

/** Checks the whole state. The time grows with the number of tasks and workers. */
export function validateMachine(m: SchedulerMachine): void {
  const check: Check = (condition, what) => {
    if (!condition) throw new AssertionError(`Scheduler state is wrong: ${what}`);
  };
  check(areSharedSetsEmpty(), "a shared empty set is not empty");
  check(m.recommendations.pop() === undefined, "recommendations are left");
  for (const ts of m.tasks.values()) validateTask(m, ts);
  for (const ws of m.workers.values()) checkWorker(check, ws);
  for (const pool of m.pools) checkPool(check, m, pool);
  checkGroups(check, m);
  m.extensions.validate(m, check);
  for (const cs of m.clients.values()) {
    for (const ts of cs.wantsWhat) check(ts.whoWants.has(cs), `"${ts.key}" does not know client ${cs.id}`);
  }
}

function checkWorker(check: Check, ws: WorkerState): void {
  const name = ws.address;
  const { pool } = ws;
  check(pool.workers.includes(ws), `${name} is in no pool`);
  check((ws.status === "running") === pool.running.has(ws), `${name} is ${ws.status}`);
  for (const ts of ws.longRunning) check(ws.processing.has(ts), `${name} does not run "${ts.key}"`);
  if (pool.running.has(ws) && ws.processing.size < ws.nthreads) check(pool.idle.has(ws), `${name} is idle`);
  const needs = new Map<TaskState, number>();
  for (const ts of ws.processing) {
    check(ts.processingOn === ws && ts.pool === pool, `"${ts.key}" is not with ${name}`);
    for (const dts of ts.dependencies) {
      if (!ws.hasWhat.has(dts)) needs.set(dts, (needs.get(dts) ?? 0) + 1);
    }
  }
  check(needs.size === ws.needsWhat.size, `${name} needs ${needs.size} results, not ${ws.needsWhat.size}`);
  for (const [ts, count] of needs) check(ws.needsWhat.get(ts) === count, `${name} needs "${ts.key}"`);
  check(ws.needsWhat.size > 0 || ws.networkBytes === 0, `${name} has nothing to fetch`);
  let nbytes = 0;
  for (const ts of ws.hasWhat) {
    check(ts.whoHas.has(ws), `"${ts.key}" is not held by ${name}`);
    nbytes += ts.size;
  }
  check(nbytes === ws.nbytes, `${name} holds ${nbytes} bytes, not ${ws.nbytes}`);
  let counted = 0;
  for (const [prefix, count] of ws.prefixCounts) {
    check(count > 0 && pool.activePrefixes.has(prefix), `${name} runs tasks of ${prefix.name}`);
    counted += count;
  }
  check(counted === ws.busy, `${name} is busy with ${counted} tasks, not ${ws.busy}`);
}

function checkPool(check: Check, m: SchedulerMachine, pool: Pool): void {
  const { workers, running, idle, saturated, notFull, queued, unrunnable } = pool;
  for (const ws of workers) check(m.workers.get(ws.address) === ws, `${ws.address} is unknown`);
  for (const ws of running) check(workers.includes(ws), `${ws.address} runs, and is unknown`);
  for (const ws of idle) check(running.has(ws) && !saturated.has(ws), `${ws.address} is not idle`);
  for (const ws of saturated) check(running.has(ws), `${ws.address} is not saturated`);
  for (const ws of notFull) check(running.has(ws), `${ws.address} takes no tasks`);
  for (const ts of queued.values()) check(ts.state === State.QUEUED, `"${ts.key}" is in a queue`);
  for (const ts of unrunnable) check(ts.state === State.NO_WORKER, `"${ts.key}" has no worker`);
  if (queued.size > 0) {
    for (const ws of running) {
      const spare = ws.busy < Math.ceil(m.workerSaturation * ws.nthreads);
      check(!spare || isWorkerFull(m, ws), `${ws.address} has room, and tasks are queued`);
    }
  }
  const threads = sum(workers, (ws) => ws.nthreads);
  const network = sum(workers, (ws) => ws.networkBytes);
  check(threads === pool.nthreads, `${threads} threads, not ${pool.nthreads}`);
  check(network === pool.networkBytes, `${network} bytes to fetch, not ${pool.networkBytes}`);
  for (const prefix of pool.activePrefixes) {
    const processing = sum(workers, (ws) => ws.prefixCounts.get(prefix) ?? 0);
    check(
      processing > 0 && processing === prefix.processing,
      `${processing} of ${prefix.name} run, not ${prefix.processing}`,
    );
  }
}

function checkGroups(check: Check, m: SchedulerMachine): void {
  const counted = countTasks(m);
  check(counted.size === m.groups.size, `${counted.size} groups have tasks, ${m.groups.size} are known`);
  for (const group of m.groups.values()) {
    const { name, counts, prefix, taskCount } = group;
    const expected = counted.get(group) ?? [];
    const known = sum(expected, (count) => count);
    check(known === taskCount, `${name} has ${known} tasks, not ${taskCount}`);
    for (const [state, count] of expected.entries()) {
      check(
        state === State.FORGOTTEN || counts[state] === count,
        `${count} of ${name} are in state ${state}`,
      );
    }
    const isActive = m.pools.some((pool) => pool.activePrefixes.has(prefix));
    check((prefix.processing > 0) === isActive, `${name} is active`);
  }
}

/** Counts the known tasks of each group, by state. */
function countTasks(m: SchedulerMachine): Map<TaskGroup, number[]> {
  const counted = new Map<TaskGroup, number[]>();
  for (const { group, state } of m.tasks.values()) {
    const counts = counted.get(group) ?? STATE_NAMES.map(() => 0);
    counts[state] = (counts[state] ?? 0) + 1;
    counted.set(group, counts);
  }
  return counted;
}

function sum<Item>(items: readonly Item[], amount: (item: Item) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}
