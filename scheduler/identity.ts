/**
 * What a scheduler answers to `identity`, spelled as Dask spells it.
 *
 * @module
 */

import type { Address } from "../messages/common.ts";
import type { SchedulerIdentity, SecurityFacts, WorkerIdentity } from "../messages/facts.ts";
import type { RegisterWorker } from "../messages/membership.ts";
import type { SchedulerState } from "./state/scheduler_state.ts";
import { STATE_NAMES } from "./state/task_state.ts";
import type { WorkerState } from "./state/worker_state.ts";

/** Facts of a scheduler that its state machine does not need. */
export interface SchedulerFacts {
  /** `Scheduler-<uuid>`. */
  readonly id: string;
  /** Contact address. */
  readonly address: Address;
  /** Seconds since the epoch. */
  readonly started: number;
  /** What workers registered with. */
  readonly registrations: ReadonlyMap<Address, RegisterWorker>;
  /** Certificates and refusals; nothing without TLS. */
  readonly security: SecurityFacts | undefined;
}

/** `nWorkers`: at most so many workers are listed; -1 for all. */
export function schedulerIdentity(
  state: SchedulerState,
  facts: SchedulerFacts,
  nWorkers: number,
): SchedulerIdentity {
  const workers: Record<string, WorkerIdentity> = {};
  let threads = 0;
  let memory = 0;
  let listed = 0;
  for (const worker of state.workers.values()) {
    threads += worker.nthreads;
    memory += worker.memoryLimit;
    if (nWorkers >= 0 && listed >= nWorkers) continue;
    listed++;
    workers[worker.address] = workerIdentity(worker, facts.registrations.get(worker.address));
  }
  return {
    type: "Scheduler",
    id: facts.id,
    address: facts.address,
    services: {},
    started: facts.started,
    n_workers: state.workers.size,
    total_threads: threads,
    total_memory: memory,
    workers,
    ...facts.security !== undefined && { security: facts.security },
  };
}

/** One worker; `registered`: what it registered with, if it is still here. */
export function workerIdentity(
  worker: WorkerState,
  registered: RegisterWorker | undefined,
): WorkerIdentity {
  const metrics = worker.metrics ?? registered?.metrics;
  return {
    type: "Worker",
    id: worker.name,
    host: worker.host,
    name: worker.name,
    nthreads: worker.nthreads,
    memory_limit: registered?.memory_limit ?? null,
    last_seen: worker.lastSeen,
    status: worker.status,
    resources: registered?.resources ?? {},
    local_directory: registered?.local_directory ?? "",
    services: registered?.services ?? {},
    nanny: registered?.nanny ?? null,
    ...metrics !== undefined && { metrics },
  } as WorkerIdentity;
}

/**
 * Number of tasks by state, by name of the tasks (`get_task_prefix_states`). Dask leaves out the states `queued` and
 * `no-worker`.
 */
export function taskPrefixStates(state: SchedulerState): Record<string, Record<string, number>> {
  const found = new Map<string, Record<string, number>>();
  for (const group of state.groups.values()) {
    if (group.taskCount <= 0) continue;
    const counts = found.get(group.name) ?? {};
    STATE_NAMES.forEach((name, code) => {
      if (name !== "none" && name !== "forgotten") {
        counts[name] = (counts[name] ?? 0) + (group.counts[code] ?? 0);
      }
    });
    found.set(group.name, counts);
  }
  return Object.fromEntries(found);
}
