/**
 * What a scheduler answers to clients, workers and tools.
 *
 * @module
 */

import type { Comm } from "../comm/comm.ts";
import type { UpdateData } from "../messages/client_scheduler.ts";
import { type Address, type ClientId, type Key, MessageError } from "../messages/common.ts";
import type { LinkFacts, SchedulerIdentity, WorkerIdentity } from "../messages/facts.ts";
import type {
  HeartbeatWorker,
  HeartbeatWorkerReply,
  RegisterClient,
  RegisterWorker,
  RetireWorkers,
  Unregister,
} from "../messages/membership.ts";
import type { Scatter } from "../messages/results.ts";
import type { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import type { Handlers } from "../rpc/handlers.ts";
import type { ConnectionPool } from "../rpc/pool.ts";
import type { Departures, RetireOptions } from "./departures.ts";
import type { Gatherer } from "./gather.ts";
import { taskPrefixStates } from "./identity.ts";
import { scatterToWorkers } from "./scatter.ts";
import type { SchedulerState } from "./state/scheduler_state.ts";

/** What the operations need of their scheduler. */
export interface OperationHost {
  /** What it knows. */
  readonly state: SchedulerState;
  /** Reaches workers. */
  readonly pool: ConnectionPool;
  /** Collects results. */
  readonly gatherer: Gatherer;
  /** Lets workers go. */
  readonly departures: Departures;
  /** Runs a stimulus, and sends what came of it. */
  stimulate(stimulus: (now: number) => void): void;
  /** Itself and at most `nWorkers` workers; -1 for all. */
  identity(nWorkers: number): SchedulerIdentity;
  /** Open links. */
  links(): LinkFacts[];
  /** Whether a client of this name is connected. */
  hasClient(client: ClientId): boolean;
  /** Checks that the peer of `comm` may speak for the worker at `address`. Throws if not. */
  checkSpeaksFor(comm: Comm, op: string, address: Address): void;
  /** Makes `comm` a client's stream, and serves it to its end. */
  serveClient(request: RegisterClient, comm: Comm): Promise<void>;
  /** Makes `comm` a worker's stream, and serves it to its end. */
  serveWorker(request: RegisterWorker, comm: Comm): Promise<void>;
  /** Ends the scheduler once the answer is on its way. */
  closeSoon(): void;
}

/** Handlers by operation. */
export function schedulerOperations(host: OperationHost): Handlers<typeof SCHEDULER_OPERATIONS> {
  const operations = new Operations(host);
  const { state, gatherer } = host;
  return {
    close: () => "OK",
    identity: ({ n_workers: nWorkers }) => host.identity(nWorkers ?? -1),
    links: () => host.links(),
    ncores: () => Object.fromEntries(Array.from(state.workers, ([address, ws]) => [address, ws.nthreads])),
    who_has: ({ keys }) => Object.fromEntries(state.whoHas(keys)),
    has_what: ({ workers }) => Object.fromEntries(state.hasWhat(workers)),
    processing: ({ workers }) => Object.fromEntries(state.processing(workers)),
    get_task_prefix_states: () => taskPrefixStates(state),
    gather: ({ keys }, _comm, signal) => gatherer.gather(keys, signal),
    scatter: (request, _comm, signal) => operations.scatter(request, signal),
    update_data: (message) => operations.updateData(message),
    retry: ({ keys }) => operations.retry(keys),
    "register-client": (request, comm) => host.serveClient(request, comm),
    "register-worker": (request, comm) => host.serveWorker(request, comm),
    heartbeat_worker: (request, comm) => operations.heartbeatWorker(request, comm),
    unregister: (request, comm) => operations.unregister(request, comm),
    retire_workers: (request, comm) => operations.retireWorkers(request, comm),
    terminate: () => {
      host.closeSoon();
      return "OK";
    },
  };
}

class Operations {
  readonly #host: OperationHost;
  #scatterTurn = 0;

  constructor(host: OperationHost) {
    this.#host = host;
  }

  retry(keys: readonly Key[]): Key[] {
    let running: Key[] = [];
    this.#host.stimulate((now) => running = this.#host.state.retry(keys, now));
    return running;
  }

  async scatter(request: Scatter, signal: AbortSignal): Promise<Key[]> {
    const { state, pool } = this.#host;
    const turn = this.#scatterTurn++;
    const { client, whoHas, nbytes } = await scatterToWorkers(request, state, pool, turn, signal);
    this.updateData({ op: "update-data", who_has: whoHas, nbytes, client });
    return Object.keys(whoHas) as Key[];
  }

  updateData(message: UpdateData): null {
    if (!this.#host.hasClient(message.client)) {
      throw new MessageError(`Cannot take values for client "${message.client}": it is not connected`);
    }
    this.#host.stimulate((now) => this.#host.state.handleClientMessage(message.client, message, now));
    return null;
  }

  heartbeatWorker({ address, metrics, executing }: HeartbeatWorker, comm: Comm): HeartbeatWorkerReply {
    this.#host.checkSpeaksFor(comm, "heartbeat_worker", address);
    let reply: HeartbeatWorkerReply = { status: "missing" };
    this.#host.stimulate((now) => {
      reply = this.#host.state.heartbeat(address, metrics, executing, now);
    });
    return reply;
  }

  /** A worker may retire itself, an administrator any. */
  retireWorkers(request: RetireWorkers, comm: Comm): Promise<Record<Address, WorkerIdentity>> {
    const { departures } = this.#host;
    const options = retireOptions(request);
    if (comm.tls?.peer.grant?.role === "worker") {
      for (const address of departures.choose(options)) {
        this.#host.checkSpeaksFor(comm, "retire_workers", address);
      }
    }
    return departures.retire(options);
  }

  /** A worker says goodbye; its stream ends right after. */
  unregister({ address, stimulus_id: stimulusId }: Unregister, comm: Comm): null {
    this.#host.checkSpeaksFor(comm, "unregister", address);
    this.#host.departures.remove(address, {
      stimulusId: stimulusId ?? `unregister-${Date.now() / 1000}`,
      expected: true,
    });
    return null;
  }
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
