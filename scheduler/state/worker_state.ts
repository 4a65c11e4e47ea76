/**
 * The scheduler's record of one worker (`distributed/scheduler.py`, `WorkerState`).
 *
 * @module
 */

import { hostOf } from "../../messages/address.ts";
import type { Address, WorkerStatus } from "../../messages/common.ts";
import type { WorkerMetrics } from "../../messages/facts.ts";
import type { RegisterWorker } from "../../messages/membership.ts";
import type { WorkerCommand } from "../../messages/worker_scheduler.ts";
import type { Pool } from "./pool.ts";
import type { TaskPrefix } from "./task_prefix.ts";
import type { TaskState } from "./task_state.ts";

/** The part of a worker's registration that the machine uses. */
export type WorkerInfo =
  & Pick<RegisterWorker, "address" | "status" | "nthreads" | "name" | "memory_limit">
  & Partial<Pick<RegisterWorker, "resources" | "local_directory" | "services" | "nanny" | "metrics">>;

/** Facts about a worker. */
export interface WorkerFacts {
  /** Address that peers dial. */
  readonly address: Address;
  /** Unique in the cluster. */
  readonly name: string;
  /** Host part of the address. */
  readonly host: string;
  /** Number of tasks that it runs at once. */
  readonly nthreads: number;
  /** Bytes of memory, or null for no limit. */
  readonly memoryLimit: number | null;
  /** Time of its last message, in seconds since the epoch. */
  readonly lastSeen: number;
  /** Status. */
  readonly status: WorkerStatus;
  /** Metrics of its last heartbeat, or of its registration. */
  readonly metrics: WorkerMetrics | null;
  /** Abstract resources. */
  readonly resources: Readonly<Record<string, number>>;
  /** Folder that it spills to. */
  readonly localDirectory: string;
  /** Ports of HTTP services. */
  readonly services: Readonly<Record<string, number>>;
  /** Its nanny, if any. */
  readonly nanny: Address | null;
}

/** One worker. Fields are written by this folder only. */
export class WorkerState {
  /** Address that peers dial. */
  readonly address: Address;
  /** Unique in the cluster. */
  readonly name: string;
  /** Host part of the address. */
  readonly host: string;
  /** Pool of workers with the same runtime. */
  readonly pool: Pool;
  /** Number of tasks that it runs at once. */
  readonly nthreads: number;
  /** Bytes, 0 for no limit. */
  readonly memoryLimit: number;
  /** Status; only a running worker gets tasks. */
  status: WorkerStatus;
  /** Tasks that were assigned to it. */
  readonly processing: Set<TaskState> = new Set();
  /** Tasks in `processing` that left the thread pool. */
  readonly longRunning: Set<TaskState> = new Set();
  /** Tasks whose results it holds. */
  readonly hasWhat: Set<TaskState> = new Set();
  /** Bytes of the results it holds. */
  nbytes = 0;
  /** Results that it must fetch, with the number of its tasks that need each. */
  readonly needsWhat: Map<TaskState, number> = new Map();
  /** Bytes that it must fetch. */
  networkBytes = 0;
  /** Number of tasks in `processing` by prefix, without long-running tasks. */
  readonly prefixCounts: Map<TaskPrefix, number> = new Map();
  /** Time of its last message, in seconds since the epoch. */
  lastSeen: number;
  /** Metrics of its last heartbeat, or of its registration. */
  metrics: WorkerMetrics | null;
  /** Its registration. */
  readonly info: WorkerInfo;
  /** Messages to be sent. Owned by `Outbox`. */
  outbox: WorkerCommand[] = [];

  constructor(info: WorkerInfo, pool: Pool, now: number) {
    this.address = info.address;
    this.name = info.name;
    this.host = hostOf(info.address);
    this.pool = pool;
    this.nthreads = Math.max(info.nthreads, 1);
    this.memoryLimit = info.memory_limit ?? 0;
    this.status = info.status;
    this.metrics = info.metrics ?? null;
    this.info = info;
    this.lastSeen = now;
  }

  /** Number of tasks that occupy threads. */
  get busy(): number {
    return this.processing.size - this.longRunning.size;
  }
}

/** Facts about a worker. */
export function factsOf(ws: WorkerState): WorkerFacts {
  const { info } = ws;
  return {
    address: ws.address,
    name: ws.name,
    host: ws.host,
    nthreads: ws.nthreads,
    memoryLimit: info.memory_limit ?? null,
    lastSeen: ws.lastSeen,
    status: ws.status,
    metrics: ws.metrics,
    resources: info.resources ?? {},
    localDirectory: info.local_directory ?? "",
    services: info.services ?? {},
    nanny: info.nanny ?? null,
  };
}
