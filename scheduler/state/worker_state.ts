/**
 * What the scheduler knows of one worker (`distributed/scheduler.py`, `WorkerState`).
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

/** What a worker tells of itself when it registers, and what is used of it here. */
export type WorkerInfo =
  & Pick<RegisterWorker, "address" | "status" | "nthreads" | "name" | "memory_limit">
  & Partial<Pick<RegisterWorker, "resources" | "local_directory" | "services" | "nanny" | "metrics">>;

/** What is told about a worker. */
export interface WorkerFacts {
  /** Where peers dial it. */
  readonly address: Address;
  /** Unique in the cluster. */
  readonly name: string;
  /** Host part of the address. */
  readonly host: string;
  /** Tasks at once. */
  readonly nthreads: number;
  /** Bytes of memory, or null for no limit. */
  readonly memoryLimit: number | null;
  /** When it last said something, in seconds since the epoch. */
  readonly lastSeen: number;
  /** Status. */
  readonly status: WorkerStatus;
  /** What it said with its last heartbeat, or when it registered. */
  readonly metrics: WorkerMetrics | null;
  /** Abstract resources. */
  readonly resources: Readonly<Record<string, number>>;
  /** Where it spills. */
  readonly localDirectory: string;
  /** Ports of HTTP services. */
  readonly services: Readonly<Record<string, number>>;
  /** Its nanny, if any. */
  readonly nanny: Address | null;
}

/** One worker. Fields are written by this folder only. */
export class WorkerState {
  /** Where peers dial it. */
  readonly address: Address;
  /** Unique in the cluster. */
  readonly name: string;
  /** Host part of the address. */
  readonly host: string;
  /** Workers of its kind. */
  readonly pool: Pool;
  /** Tasks at once. */
  readonly nthreads: number;
  /** Bytes, 0 for no limit. */
  readonly memoryLimit: number;
  /** Only a running one gets tasks. */
  status: WorkerStatus;
  /** Tasks that it was told to run. */
  readonly processing: Set<TaskState> = new Set();
  /** Those of `processing` that left the thread pool. */
  readonly longRunning: Set<TaskState> = new Set();
  /** Tasks whose results it holds. */
  readonly hasWhat: Set<TaskState> = new Set();
  /** Bytes of the results it holds. */
  nbytes = 0;
  /** Results it must fetch, and for how many of its tasks. */
  readonly needsWhat: Map<TaskState, number> = new Map();
  /** Bytes that it must fetch. */
  networkBytes = 0;
  /** Number of tasks in `processing`, without the long-running, by kind. */
  readonly prefixCounts: Map<TaskPrefix, number> = new Map();
  /** When it last said something, in seconds since the epoch. */
  lastSeen: number;
  /** What it said with its last heartbeat, or when it registered. */
  metrics: WorkerMetrics | null;
  /** What it registered with. */
  readonly info: WorkerInfo;
  /** Messages to be sent. Owned by `Outbox`. */
  outbox: WorkerCommand[] = [];

  /** Makes a worker without tasks. */
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

  /** Tasks that fill threads. */
  get busy(): number {
    return this.processing.size - this.longRunning.size;
  }
}

/** What is told about a worker. */
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
