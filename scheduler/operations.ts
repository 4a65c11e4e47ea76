/**
 * What a scheduler answers to clients, workers and tools.
 *
 * @module
 */

import type { Comm } from "../comm/comm.ts";
import type { UpdateData } from "../messages/client_scheduler.ts";
import { parseUpdateData } from "../messages/client_scheduler.ts";
import {
  type Address,
  checkAddress,
  checkKeys,
  checkRecord,
  type ClientId,
  type Key,
  MessageError,
  type RawMessage,
} from "../messages/common.ts";
import type { HeartbeatWorkerReply, LinkFacts, SchedulerIdentity, WorkerIdentity } from "../messages/rpc.ts";
import type { ConnectionPool } from "../rpc/pool.ts";
import type { Handlers } from "../rpc/server.ts";
import type { Departures, RetireOptions } from "./departures.ts";
import type { Gatherer } from "./gather.ts";
import { taskPrefixStates } from "./identity.ts";
import { parseMetrics, parseRetireWorkers } from "./registration.ts";
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
  serveClient(request: RawMessage, comm: Comm): Promise<unknown>;
  /** Makes `comm` a worker's stream, and serves it to its end. */
  serveWorker(request: RawMessage, comm: Comm): Promise<unknown>;
  /** Ends the scheduler once the answer is on its way. */
  closeSoon(): void;
}

/** Handlers by operation. */
export function schedulerOperations(host: OperationHost): Handlers {
  const operations = new Operations(host);
  const { state, gatherer } = host;
  return {
    identity: ({ n_workers: nWorkers }) => host.identity(typeof nWorkers === "number" ? nWorkers : -1),
    gather: (request, _comm, signal) => gatherer.gather(checkKeys(request, "keys"), signal),
    who_has: (request) => operations.whoHas(request),
    has_what: (request) => Object.fromEntries(state.hasWhat(workersOf(request))),
    processing: (request) => Object.fromEntries(state.processing(workersOf(request))),
    retry: (request) => operations.retry(checkKeys(request, "keys")),
    scatter: (request, _comm, signal) => operations.scatter(request, signal),
    update_data: (request) => operations.updateData(parseUpdateData(request)),
    ncores: () => Object.fromEntries(Array.from(state.workers, ([address, ws]) => [address, ws.nthreads])),
    get_task_prefix_states: () => taskPrefixStates(state),
    heartbeat_worker: (request, comm) => operations.heartbeatWorker(request, comm),
    links: () => host.links(),
    retire_workers: (request, comm) => operations.retireWorkers(parseRetireWorkers(request), comm),
    unregister: (request, comm) => operations.unregister(request, comm),
    terminate: () => {
      host.closeSoon();
      return "OK";
    },
    "register-client": (request, comm) => host.serveClient(request, comm),
    "register-worker": (request, comm) => host.serveWorker(request, comm),
  };
}

class Operations {
  readonly #host: OperationHost;
  #scatterTurn = 0;

  constructor(host: OperationHost) {
    this.#host = host;
  }

  whoHas(request: RawMessage): Record<string, Address[]> {
    const isAll = request["keys"] === null || request["keys"] === undefined;
    return Object.fromEntries(this.#host.state.whoHas(isAll ? null : checkKeys(request, "keys")));
  }

  retry(keys: readonly Key[]): Key[] {
    let running: Key[] = [];
    this.#host.stimulate((now) => running = this.#host.state.retry(keys, now));
    return running;
  }

  async scatter(request: RawMessage, signal: AbortSignal): Promise<Key[]> {
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

  heartbeatWorker(request: RawMessage, comm: Comm): HeartbeatWorkerReply {
    const address = checkAddress(request, "address");
    this.#host.checkSpeaksFor(comm, "heartbeat_worker", address);
    const executing = checkRecord(request, "executing") as Readonly<Record<string, number>>;
    const metrics = parseMetrics(request);
    let reply: HeartbeatWorkerReply = { status: "missing" };
    this.#host.stimulate((now) => {
      reply = this.#host.state.heartbeat(address, metrics, executing, now);
    });
    return reply;
  }

  /** A worker may retire itself, an administrator any. */
  retireWorkers(options: RetireOptions, comm: Comm): Promise<Record<Address, WorkerIdentity>> {
    const { departures } = this.#host;
    if (comm.tls?.peer.grant?.role === "worker") {
      for (const address of departures.choose(options)) {
        this.#host.checkSpeaksFor(comm, "retire_workers", address);
      }
    }
    return departures.retire(options);
  }

  /** A worker says goodbye; its stream ends right after. */
  unregister(request: RawMessage, comm: Comm): null {
    const address = checkAddress(request, "address");
    this.#host.checkSpeaksFor(comm, "unregister", address);
    const { stimulus_id: stimulusId } = request;
    this.#host.departures.remove(address, {
      stimulusId: typeof stimulusId === "string" ? stimulusId : `unregister-${Date.now() / 1000}`,
      expected: true,
    });
    return null;
  }
}

/** Addresses that a request asks about; nothing for all. */
function workersOf({ workers }: RawMessage): Address[] | null {
  return Array.isArray(workers) ? workers as Address[] : null;
}
