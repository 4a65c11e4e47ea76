/**
 * Requests to a scheduler.
 *
 * @module
 */

import {
  type Address,
  checkNumber,
  checkSize,
  isNumber,
  isRecord,
  isText,
  listOf,
  mapOf,
  MessageError,
  type RawMessage,
} from "./common.ts";
import type { SchedulerIdentity, WorkerIdentity } from "./facts.ts";
import {
  isHeartbeatWorkerReply,
  isRegisterWorkerReply,
  isStreamStart,
  parseHeartbeatWorker,
  parseRegisterClient,
  parseRegisterWorker,
  parseRetireWorkers,
  parseUnregister,
  type RegisterWorkerReply,
  type StreamStart,
} from "./membership.ts";
import {
  ADMINISTER,
  expecting,
  lacking,
  named,
  nothing,
  OBSERVE,
  type Plain,
  plain,
  SUBMIT,
  WORKERS,
} from "./operations.ts";
import {
  isGatherReply,
  isHolders,
  isKeys,
  isKeysByWorker,
  parseGather,
  parseHasWhat,
  parseProcessing,
  parseRetry,
  parseScatter,
  parseUpdateDataRequest,
  parseWhoHas,
} from "./results.ts";
import { CLOSE, LINKS } from "./server_operations.ts";

/** Any peer → scheduler: asks for its description and its workers. */
export interface Identity extends Plain<"identity"> {
  /** Maximum number of listed workers; -1 for all. Default: all. */
  readonly n_workers?: number;
}

/** Any peer → scheduler: asks for the number of threads of each worker. */
export interface Ncores extends Plain<"ncores"> {
  /** Always null: all workers. */
  readonly workers: null;
}

/** Not in Dask, client → scheduler: waits until enough workers run. */
export interface WaitForWorkers extends Plain<"wait_for_workers"> {
  /** Number of running workers to wait for. */
  readonly n: number;
  /** Addresses, names or hosts of the workers that count; null for all. */
  readonly workers: readonly string[] | null;
  /** Seconds to wait; null for no limit. */
  readonly timeout: number | null;
}

/** Requests to a scheduler. */
export const SCHEDULER_OPERATIONS = named({
  "close": CLOSE,
  "identity": {
    access: { client: "observe", roles: ["worker"] },
    answer: "question",
    request: parseIdentity,
    reply: expecting("what a scheduler is", isSchedulerIdentity),
  },
  "links": LINKS,
  "ncores": {
    access: OBSERVE,
    answer: "question",
    request: parseNcores,
    reply: expecting("a map of numbers", mapOf(isNumber)),
  },
  "who_has": {
    access: { client: "observe", roles: ["worker"] },
    answer: "question",
    request: parseWhoHas,
    reply: expecting("a map from keys to addresses", isHolders),
  },
  "has_what": {
    access: OBSERVE,
    answer: "question",
    request: parseHasWhat,
    reply: expecting("a map from addresses to keys", isKeysByWorker),
  },
  "processing": {
    access: OBSERVE,
    answer: "question",
    request: parseProcessing,
    reply: expecting("a map from addresses to keys", isKeysByWorker),
  },
  "get_task_prefix_states": {
    access: OBSERVE,
    answer: "question",
    request: plain("get_task_prefix_states"),
    reply: expecting("a map of numbers by state", mapOf(mapOf(isNumber))),
  },
  "gather": {
    access: SUBMIT,
    answer: "large",
    request: parseGather,
    reply: expecting("results, or the keys that are missing", isGatherReply),
  },
  "scatter": {
    access: SUBMIT,
    answer: "small",
    request: parseScatter,
    reply: expecting("a list of keys", isKeys),
  },
  "update_data": {
    access: SUBMIT,
    answer: "small",
    request: parseUpdateDataRequest,
    reply: nothing,
  },
  "retry": {
    access: SUBMIT,
    answer: "small",
    request: parseRetry,
    reply: expecting("a list of keys", isKeys),
  },
  "wait_for_workers": {
    access: OBSERVE,
    answer: "small",
    request: parseWaitForWorkers,
    reply: expecting("a list of addresses, or nothing", isAddressesOrNothing),
    mayWait: true,
  },
  "register-client": {
    access: OBSERVE,
    answer: "stream",
    request: parseRegisterClient,
    reply: expecting("the beginning of a stream", isStreamStart),
    refusal: (text: string): readonly [StreamStart] => [{ op: "stream-start", error: text }],
  },
  "register-worker": {
    access: WORKERS,
    answer: "stream",
    request: parseRegisterWorker,
    reply: expecting(`a map with "status"`, isRegisterWorkerReply),
    refusal: (text: string, time: number): RegisterWorkerReply => ({ status: "error", message: text, time }),
  },
  "heartbeat_worker": {
    access: WORKERS,
    answer: "small",
    request: parseHeartbeatWorker,
    reply: expecting(`a map with "status"`, isHeartbeatWorkerReply),
  },
  "unregister": {
    access: WORKERS,
    answer: "small",
    request: parseUnregister,
    reply: nothing,
  },
  "retire_workers": {
    access: { client: "administer", roles: ["worker"] },
    answer: "small",
    request: parseRetireWorkers,
    reply: expecting("a map of workers", mapOf((worker): worker is WorkerIdentity => isRecord(worker))),
  },
  "terminate": {
    access: ADMINISTER,
    answer: "small",
    request: plain("terminate"),
    reply: expecting("a text", isText),
  },
  ...lacking([
    "adaptive_target",
    "add_keys",
    "amm_handler",
    "benchmark_hardware",
    "broadcast",
    "call_stack",
    "check_idle",
    "connection_stream",
    "dump_cluster_state_to_url",
    "dump_state",
    "echo",
    "event_clear",
    "event_is_set",
    "event_set",
    "event_wait",
    "events",
    "feed",
    "get_cluster_state",
    "get_error_cause",
    "get_logs",
    "get_metadata",
    "get_runspec",
    "get_story",
    "get_task_status",
    "get_task_stream",
    "get_task_stream_index",
    "log_event",
    "logs",
    "memory_sampler_start",
    "memory_sampler_stop",
    "multi_lock_acquire",
    "multi_lock_release",
    "nbytes",
    "ncores_running",
    "performance_report",
    "profile",
    "proxy",
    "publish_delete",
    "publish_get",
    "publish_list",
    "publish_put",
    "queue_create",
    "queue_get",
    "queue_put",
    "queue_qsize",
    "rebalance",
    "register_nanny",
    "register_nanny_plugin",
    "register_scheduler_plugin",
    "register_worker_plugin",
    "replicate",
    "restart",
    "restart_workers",
    "run_function",
    "semaphore_acquire",
    "semaphore_close",
    "semaphore_refresh_leases",
    "semaphore_register",
    "semaphore_release",
    "semaphore_value",
    "set_metadata",
    "set_resources",
    "set_restrictions",
    "shuffle_barrier",
    "shuffle_get",
    "shuffle_get_or_create",
    "shuffle_restrict_task",
    "start_task_metadata",
    "stop_task_metadata",
    "subscribe_worker_status",
    "unregister_nanny_plugin",
    "unregister_scheduler_plugin",
    "unregister_worker_plugin",
    "variable_get",
    "variable_set",
    "versions",
    "worker_logs",
    "workers_to_close",
  ]),
});

function parseIdentity({ n_workers }: RawMessage): Identity {
  return { op: "identity", ...isNumber(n_workers) && { n_workers } };
}

function parseNcores(): Ncores {
  return { op: "ncores", workers: null };
}

function parseWaitForWorkers(message: RawMessage): WaitForWorkers {
  const { timeout, workers } = message as Partial<Record<keyof WaitForWorkers, unknown>>;
  if (workers !== null && workers !== undefined && !isNames(workers)) {
    throw new MessageError(`Cannot handle "wait_for_workers": field "workers" must be a list of names`);
  }
  return {
    op: "wait_for_workers",
    n: checkSize(message, "n"),
    workers: workers ?? null,
    timeout: timeout === null || timeout === undefined ? null : checkNumber(message, "timeout"),
  };
}

const isNames = listOf(isText);
const isAddresses = listOf((address): address is Address => isText(address));

function isAddressesOrNothing(value: unknown): value is readonly Address[] | null {
  return value === null || isAddresses(value);
}

/** Whether `value` is a {@linkcode SchedulerIdentity}. */
export function isSchedulerIdentity(value: unknown): value is SchedulerIdentity {
  return isRecord(value) && value["type"] === "Scheduler" && isRecord(value["workers"]);
}
