/**
 * Requests to a worker.
 *
 * @module
 */

import { isRecord, isText } from "./common.ts";
import type { WorkerSelf } from "./facts.ts";
import { ADMINISTER, EVERYBODY, expecting, lacking, named, OBSERVE, plain } from "./operations.ts";
import {
  type GetDataReply,
  isGetDataReply,
  isKeys,
  isUpdateWorkerDataReply,
  parseGetData,
  parseUpdateWorkerData,
} from "./results.ts";
import { SCHEDULER_OPERATIONS } from "./scheduler_operations.ts";
import { CLOSE, LINKS } from "./server_operations.ts";

/** Requests to a worker. */
export const WORKER_OPERATIONS = named({
  "close": CLOSE,
  "identity": {
    access: EVERYBODY,
    answer: "question",
    request: plain("identity"),
    reply: expecting("what a worker is", isWorkerSelf),
  },
  "links": LINKS,
  "ping": {
    access: EVERYBODY,
    answer: "small",
    request: plain("ping"),
    reply: expecting("bytes", (value): value is Uint8Array => value instanceof Uint8Array),
  },
  "keys": {
    access: OBSERVE,
    answer: "question",
    request: plain("keys"),
    reply: expecting("a list of keys", isKeys),
  },
  "get_data": {
    access: { client: "submit", roles: ["scheduler", "worker"] },
    answer: "counted",
    request: parseGetData,
    reply: expecting("results", isGetDataReply),
    isConfirmed: ({ status }: GetDataReply): boolean => status === "OK",
  },
  "update_data": {
    access: { client: "submit", roles: ["scheduler"] },
    answer: "small",
    request: parseUpdateWorkerData,
    reply: expecting("sizes of the values", isUpdateWorkerDataReply),
  },
  "terminate": {
    access: { client: "administer", roles: ["scheduler"] },
    answer: "small",
    request: plain("terminate"),
    reply: expecting("a text", isText),
  },
  // The caller took this role for a scheduler, and waits for a scheduler's answer.
  "register-client": misplaced(SCHEDULER_OPERATIONS["register-client"]),
  "register-worker": misplaced(SCHEDULER_OPERATIONS["register-worker"]),
  ...lacking([
    "actor_attribute",
    "actor_execute",
    "benchmark_disk",
    "benchmark_memory",
    "benchmark_network",
    "call_stack",
    "connection_stream",
    "dump_state",
    "echo",
    "free_keys",
    "gather",
    "get_logs",
    "get_monitor_info",
    "get_story",
    "plugin-add",
    "plugin-remove",
    "profile",
    "profile_metadata",
    "run",
    "run_coroutine",
    "shuffle_inputs_done",
    "shuffle_receive",
    "upload_file",
    "versions",
  ]),
});

function misplaced({ refusal }: { refusal(text: string, time: number): unknown }) {
  return { access: ADMINISTER, isLacking: true, refusal } as const;
}

function isWorkerSelf(value: unknown): value is WorkerSelf {
  return isRecord(value) && value["type"] === "Worker";
}
