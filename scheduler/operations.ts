/**
 * Handlers of requests from clients, workers and tools.
 *
 * @module
 */

import type { Comm } from "../comm/comm.ts";
import type { UpdateData } from "../messages/client_scheduler.ts";
import { type Address, type Key, MessageError } from "../messages/common.ts";
import type { LinkFacts, SchedulerIdentity, WorkerIdentity } from "../messages/facts.ts";
import type {
  HeartbeatWorker,
  HeartbeatWorkerReply,
  RegisterClient,
  RegisterWorker,
  RetireWorkers,
  Unregister,
} from "../messages/membership.ts";
import type { GatherReply, Scatter } from "../messages/results.ts";
import type { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import type { Handlers } from "../rpc/handlers.ts";
import { workerIdentity } from "./identity.ts";
import { checkRetireOptions } from "./state/retire.ts";
import type { RetireOptions } from "./state/retirement.ts";
import type { SchedulerState } from "./state/scheduler_state.ts";
import type { Heartbeat, RemoveWorker, WaitForWorkers } from "./state/stimulus.ts";
import type { WorkerFacts } from "./state/worker_state.ts";

/** What to wait for. */
export type WorkersWanted = Omit<WaitForWorkers, "op" | "ask">;

/** What the handlers need from their scheduler. */
export interface OperationHost {
  /** The state machine; handlers only read it. */
  readonly state: SchedulerState;
  /** Collects results from workers. */
  gather(keys: readonly Key[], signal: AbortSignal): Promise<GatherReply>;
  /** Stores values on workers, and notes that a client wants them. Returns their keys. */
  scatter(request: Scatter, signal: AbortSignal): Promise<Key[]>;
  /** Registers values that a client stored on workers. */
  updateData(message: UpdateData): void;
  /** Runs failed tasks again. Returns the keys that run again. */
  retry(keys: readonly Key[]): readonly Key[];
  /** Handles a worker's heartbeat. */
  heartbeat(heartbeat: Omit<Heartbeat, "op" | "ask">): HeartbeatWorkerReply;
  /** Removes a worker that leaves. */
  removeWorker(removal: Omit<RemoveWorker, "op">): void;
  /**
   * Moves the results of workers to other workers, then removes the workers. Returns facts about the workers
   * that could be emptied.
   */
  retire(options: RetireOptions, signal: AbortSignal): Promise<Record<Address, WorkerFacts>>;
  /** Waits until enough workers run. Returns their addresses, or null after the time-out. */
  waitForWorkers(request: WorkersWanted, signal: AbortSignal): Promise<readonly Address[] | null>;
  /** Describes the scheduler and at most `nWorkers` workers; -1 for all. */
  identity(nWorkers: number): SchedulerIdentity;
  /** Open links. */
  links(): LinkFacts[];
  /** Checks that the peer of `comm` may speak for the worker at `address`. Throws if not. */
  checkSpeaksFor(comm: Comm, op: string, address: Address): void;
  /** Turns `comm` into a client's stream, and serves it until it ends. */
  serveClient(request: RegisterClient, comm: Comm): Promise<void>;
  /** Turns `comm` into a worker's stream, and serves it until it ends. */
  serveWorker(request: RegisterWorker, comm: Comm): Promise<void>;
  /** Seconds since the epoch. */
  time(): number;
  /** Closes the scheduler after the answer was sent. */
  closeSoon(): void;
}

/** Returns the handlers by operation. */
export function schedulerOperations(host: OperationHost): Handlers<typeof SCHEDULER_OPERATIONS> {
  const { state } = host;
  return {
    close: () => "OK",
    identity: ({ n_workers: nWorkers }) => host.identity(nWorkers ?? -1),
    links: () => host.links(),
    ncores: () => Object.fromEntries(state.ncores()),
    who_has: ({ keys }) => Object.fromEntries(state.whoHas(keys)),
    has_what: ({ workers }) => Object.fromEntries(state.hasWhat(workers)),
    processing: ({ workers }) => Object.fromEntries(state.processing(workers)),
    get_task_prefix_states: () => state.prefixStates(),
    gather: ({ keys }, _comm, signal) => host.gather(keys, signal),
    scatter: (request, _comm, signal) => host.scatter(request, signal),
    update_data: (message) => updateData(host, message),
    retry: ({ keys }) => [...host.retry(keys)],
    wait_for_workers: ({ n, workers, timeout }, _comm, signal) =>
      host.waitForWorkers({ count: n, among: workers, timeout }, signal),
    "register-client": (request, comm) => host.serveClient(request, comm),
    "register-worker": (request, comm) => host.serveWorker(request, comm),
    heartbeat_worker: (request, comm) => heartbeatWorker(host, request, comm),
    unregister: (request, comm) => unregister(host, request, comm),
    retire_workers: (request, comm, signal) => retireWorkers(host, request, comm, signal),
    terminate: () => {
      host.closeSoon();
      return "OK";
    },
  };
}

function updateData(host: OperationHost, message: UpdateData): null {
  if (!host.state.hasClient(message.client)) {
    throw new MessageError(`Cannot take values for client "${message.client}": it is not connected`);
  }
  host.updateData(message);
  return null;
}

function heartbeatWorker(
  host: OperationHost,
  { address, metrics, executing }: HeartbeatWorker,
  comm: Comm,
): HeartbeatWorkerReply {
  host.checkSpeaksFor(comm, "heartbeat_worker", address);
  return host.heartbeat({ worker: address, metrics, executing });
}

/** Handles a worker's goodbye; its stream ends right after. */
function unregister(host: OperationHost, { address, stimulus_id }: Unregister, comm: Comm): null {
  host.checkSpeaksFor(comm, "unregister", address);
  host.removeWorker({
    worker: address,
    stimulusId: stimulus_id ?? `unregister-${host.time()}`,
    expected: true,
  });
  return null;
}

/** A worker may retire only itself; an administrator may retire all workers. */
async function retireWorkers(
  host: OperationHost,
  request: RetireWorkers,
  comm: Comm,
  signal: AbortSignal,
): Promise<Record<Address, WorkerIdentity>> {
  const options = retireOptions(request);
  checkRetireOptions(options);
  if (comm.tls?.peer.grant?.role === "worker") {
    for (const address of host.state.workersToRetire(options)) {
      host.checkSpeaksFor(comm, "retire_workers", address);
    }
  }
  return identities(await host.retire(options, signal));
}

/** Returns the workers as `identity` lists them. */
export function identities(
  workers: Readonly<Record<Address, WorkerFacts>>,
): Record<Address, WorkerIdentity> {
  return Object.fromEntries(
    Object.values(workers).map((worker) => [worker.address, workerIdentity(worker)]),
  );
}

function retireOptions(request: RetireWorkers): RetireOptions {
  const { workers, names, n, target, minimum, remove } = request;
  return {
    workers,
    names,
    n,
    target,
    minimum,
    memoryRatio: request.memory_ratio,
    closeWorkers: request.close_workers,
    remove,
    stimulusId: request.stimulus_id,
  };
}
