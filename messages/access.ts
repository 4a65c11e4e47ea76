/**
 * Who may use which operation, once `authorization` is configured: one table per kind of link. What is not in a table
 * is for administrators only.
 *
 * @module
 */

import { type ClientAccess, type Grant, includes } from "./grant.ts";
import type { ClientStreamMessage } from "./client_scheduler.ts";
import type { WorkerStreamMessage } from "./worker_scheduler.ts";

/** Who may use an operation. */
export interface OperationAccess {
  /** The least that a client needs. Absent: clients can't, whatever they may do. */
  readonly client?: ClientAccess;
  /** Other roles that may. */
  readonly roles?: readonly ("scheduler" | "worker")[];
}

/** Operations in wire spelling, and who may use them. */
export type AccessTable = Readonly<Record<string, OperationAccess>>;

const OBSERVE: OperationAccess = { client: "observe" };
const SUBMIT: OperationAccess = { client: "submit" };
const ADMINISTER: OperationAccess = { client: "administer" };
const WORKER: OperationAccess = { roles: ["worker"] };

/** Requests to a scheduler. */
export const SCHEDULER_ACCESS: AccessTable = {
  "identity": { client: "observe", roles: ["worker"] },
  "links": OBSERVE,
  "ncores": OBSERVE,
  "who_has": { client: "observe", roles: ["worker"] },
  "has_what": OBSERVE,
  "get_task_prefix_states": OBSERVE,
  "gather": SUBMIT,
  "processing": OBSERVE,
  "retry": SUBMIT,
  "scatter": SUBMIT,
  "update_data": SUBMIT,
  "register-client": OBSERVE,
  "register-worker": WORKER,
  "heartbeat_worker": WORKER,
  "unregister": WORKER,
  "retire_workers": { client: "administer", roles: ["worker"] },
  "terminate": ADMINISTER,
};

/** Requests to a worker. */
export const WORKER_ACCESS: AccessTable = {
  "identity": { client: "observe", roles: ["scheduler", "worker"] },
  "links": OBSERVE,
  "ping": { client: "observe", roles: ["scheduler", "worker"] },
  "keys": OBSERVE,
  "get_data": { client: "submit", roles: ["scheduler", "worker"] },
  "update_data": { client: "submit", roles: ["scheduler"] },
  "terminate": { client: "administer", roles: ["scheduler"] },
};

/** What a client says on its stream. */
export const CLIENT_STREAM_ACCESS = {
  "update-graph": SUBMIT,
  "client-releases-functions": SUBMIT,
  "client-desires-keys": SUBMIT,
  "client-releases-keys": SUBMIT,
  "cancel-keys": SUBMIT,
  "update-data": SUBMIT,
  // Its answer may hold a small result, or an error with arguments in it.
  "report-key": SUBMIT,
  "heartbeat-client": OBSERVE,
  "close-client": OBSERVE,
  "close-stream": OBSERVE,
} satisfies Readonly<Record<ClientStreamMessage["op"], OperationAccess>>;

/** What a worker says on its stream, which only `register-worker` opens. */
export const WORKER_STREAM_ACCESS = {
  "task-finished": WORKER,
  "task-erred": WORKER,
  "add-keys": WORKER,
  "release-worker-data": WORKER,
  "reschedule": WORKER,
  "long-running": WORKER,
  "request-refresh-who-has": WORKER,
  "worker-status-change": WORKER,
  "keep-alive": WORKER,
  "log-event": WORKER,
  "close-stream": WORKER,
} satisfies Readonly<Record<WorkerStreamMessage["op"], OperationAccess>>;

/** Whether the owner of `grant` may use operation `op`. */
export function mayUse(table: AccessTable, op: string, grant: Grant): boolean {
  const access = Object.hasOwn(table, op) ? table[op] : ADMINISTER;
  if (access === undefined) return false;
  const { client, roles } = access;
  if (grant.role === "client") return client !== undefined && includes(grant.access, client);
  return roles !== undefined && roles.includes(grant.role);
}
