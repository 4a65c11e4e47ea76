/**
 * A scheduler's answer to `identity`, in Dask's spelling.
 *
 * @module
 */

import type { Address } from "../messages/common.ts";
import type { SchedulerIdentity, SecurityFacts, WorkerIdentity } from "../messages/facts.ts";
import type { SchedulerState } from "./state/scheduler_state.ts";
import type { WorkerFacts } from "./state/worker_state.ts";

/** Facts of a scheduler that its state machine does not need. */
export interface SchedulerFacts {
  /** `Scheduler-<uuid>`. */
  readonly id: string;
  /** Contact address. */
  readonly address: Address;
  /** Seconds since the epoch. */
  readonly started: number;
  /** Certificates and refusals; undefined without TLS. */
  readonly security: SecurityFacts | undefined;
}

/** Returns the answer to `identity`. `nWorkers`: maximum number of workers in it; -1 for all. */
export function schedulerIdentity(
  state: SchedulerState,
  facts: SchedulerFacts,
  nWorkers: number,
): SchedulerIdentity {
  const workers: Record<string, WorkerIdentity> = {};
  for (const worker of state.workerFacts(nWorkers < 0 ? Infinity : nWorkers)) {
    workers[worker.address] = workerIdentity(worker);
  }
  return {
    type: "Scheduler",
    id: facts.id,
    address: facts.address,
    services: {},
    started: facts.started,
    n_workers: state.workerCount,
    total_threads: state.totalNthreads,
    total_memory: state.totalMemory,
    workers,
    ...facts.security !== undefined && { security: facts.security },
  };
}

/** Returns the facts of one worker. */
export function workerIdentity(worker: WorkerFacts): WorkerIdentity {
  const { metrics } = worker;
  return {
    type: "Worker",
    id: worker.name,
    host: worker.host,
    name: worker.name,
    nthreads: worker.nthreads,
    memory_limit: worker.memoryLimit,
    last_seen: worker.lastSeen,
    status: worker.status,
    resources: worker.resources,
    local_directory: worker.localDirectory,
    services: worker.services,
    nanny: worker.nanny,
    ...metrics !== null && { metrics },
  } as WorkerIdentity;
}
