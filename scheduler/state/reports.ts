/**
 * Messages to clients and workers about a task.
 *
 * @module
 */

import type { Address } from "../../messages/common.ts";
import type { ClientReport } from "../../messages/client_scheduler.ts";
import { assert } from "../../internal/assert.ts";
import type { ClientState } from "./client_state.ts";
import type { SchedulerMachine } from "./machine.ts";
import { State, type TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

const NOTHING: Readonly<Record<string, never>> = Object.freeze({});

/** Tells a worker to run a task. If the function is new to it, the body is sent first (`_task_to_msg`). */
export function sendTask(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void {
  const { runSpec } = ts;
  assert(runSpec !== null, () => `Task "${ts.key}" is data, and is to run`);
  assert(ts.processingOn === ws && m.runId >= ts.runId, "A worker is told to run the task of another");
  m.extensions.taskPlaced(m, ts, ws);
  ts.runId = ++m.runId;
  let whoHas: Readonly<Record<string, readonly Address[]>> = NOTHING;
  let nbytes: Readonly<Record<string, number>> = NOTHING;
  if (ts.dependencies.size > 0) {
    // Without a prototype, because a key can have any name.
    const byKey: Record<string, readonly Address[]> = Object.create(null);
    const sizes: Record<string, number> = Object.create(null);
    for (const dts of ts.dependencies) {
      assert(dts.whoHas.size > 0, "A task is sent before its inputs are there");
      byKey[dts.key] = holders(dts);
      sizes[dts.key] = dts.nbytes;
    }
    whoHas = byKey;
    nbytes = sizes;
  }
  m.outbox.tellWorker(ws, {
    op: "compute-task",
    key: ts.key,
    run_id: ts.runId,
    priority: ts.priority,
    stimulus_id: m.stimulusId,
    who_has: whoHas,
    nbytes,
    run_spec: runSpec,
    resource_restrictions: null,
    actor: false,
    annotations: ts.annotations,
    span_id: null,
    inline_result: ts.whoWants.size > 0,
  });
}

/** Returns the addresses of the workers that hold the result. */
export function holders(ts: TaskState): Address[] {
  const addresses: Address[] = [];
  for (const ws of ts.whoHas) addresses.push(ws.address);
  return addresses;
}

/** Sends a report to all clients that want the task. */
export function tellWanters(m: SchedulerMachine, ts: TaskState, report: ClientReport): void {
  for (const cs of ts.whoWants) m.outbox.tellClient(cs, report);
}

/** Returns the report that a task failed (`task-erred`). */
export function erredReport(ts: TaskState): ClientReport {
  assert(ts.failure !== null, () => `Task "${ts.key}" is erred, and has no failure`);
  return { op: "task-erred", key: ts.key, exception: ts.failure.exception, traceback: ts.failure.traceback };
}

/** Reports to a client how a task ended, if it has (`report_on_key`). */
export function reportTask(m: SchedulerMachine, ts: TaskState, cs: ClientState): void {
  if (ts.state === State.MEMORY) {
    m.outbox.tellClient(cs, { op: "key-in-memory", key: ts.key, type: ts.type, workers: holders(ts) });
  } else if (ts.state === State.ERRED) {
    m.outbox.tellClient(cs, erredReport(ts));
  }
}
