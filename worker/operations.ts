/**
 * What a worker answers to peers, clients and the scheduler.
 *
 * @module
 */

import { type Clock, systemClock } from "../internal/clock.ts";
import { sameHost } from "../comm/host.ts";
import type { Comm } from "../comm/comm.ts";
import { type Address, type Key, MessageError } from "../messages/common.ts";
import type { LinkFacts, SecurityFacts, WorkerSelf } from "../messages/facts.ts";
import { CONFIRMATION } from "../messages/operations.ts";
import type { GetData, GetDataReply } from "../messages/results.ts";
import type { WORKER_OPERATIONS } from "../messages/worker_operations.ts";
import type { Serialized } from "../protocol/serialized.ts";
import { DONT_REPLY, type Handlers } from "../rpc/handlers.ts";
import type { Held, Store } from "./memory/store.ts";
import { Transfers } from "./transfers.ts";

/** Answer to `ping`. */
const PONG = new TextEncoder().encode("pong");

/** What the handlers need of their worker. */
export interface ServedWorker {
  /** Contact address. */
  readonly address: Address;
  /** Unique in the cluster. */
  readonly name: string;
  /** Tasks at once. */
  readonly nthreads: number;
  /** Whom it works for. */
  readonly schedulerAddress: Address;
  /** Open links. */
  links(): LinkFacts[];
  /** Its certificate, its peers' certificates and its refusals; `undefined` without TLS. */
  security(): SecurityFacts | undefined;
  /** Ends it once the answer is on its way. */
  closeSoon(): void;
}

/**
 * Handlers by operation. `worker` gives nothing while it starts; `takeData` keeps values, and returns the
 * bytes of those that it took. `transfersMax` peers are sent data at once
 * (`distributed.worker.connections.incoming`), twice as many on the same host. A transfer that takes longer
 * than by `clock` it should stops counting, so that peers which fell silent can't keep others from their
 * data.
 */
export function workerOperations(
  store: Store,
  worker: () => ServedWorker | undefined,
  takeData: (data: ReadonlyMap<Key, Serialized>) => Record<string, number>,
  transfersMax: number,
  clock: Clock = systemClock,
): Handlers<typeof WORKER_OPERATIONS> {
  const started = (): ServedWorker => {
    const found = worker();
    if (found === undefined) throw new MessageError("This worker is still starting");
    return found;
  };
  const data = new DataServer(store, transfersMax, clock);
  return {
    close: () => "OK",
    identity: () => identityOf(started()),
    links: () => started().links(),
    ping: () => PONG,
    keys: () => [...store.keys()],
    get_data: (request, comm) => data.serve(request, comm),
    update_data: (request) => {
      started(); // before that, nothing would keep them
      const values = new Map(Object.entries(request.data)) as Map<Key, Serialized>;
      return { nbytes: takeData(values), status: "OK" };
    },
    terminate: () => {
      queueMicrotask(() => started().closeSoon());
      return "OK";
    },
  };
}

function identityOf(worker: ServedWorker): WorkerSelf {
  const { name, schedulerAddress, nthreads } = worker;
  const security = worker.security();
  return {
    type: "Worker",
    id: name,
    scheduler: schedulerAddress,
    nthreads,
    memory_limit: null,
    ...security !== undefined && { security },
  };
}

/** Sends results, to a limited number of peers at a time. */
class DataServer {
  #store: Store;
  #transfersMax: number;
  #transfers: Transfers;

  constructor(store: Store, transfersMax: number, clock: Clock) {
    this.#store = store;
    this.#transfersMax = transfersMax;
    this.#transfers = new Transfers(clock);
  }

  /** The reply, then the asker's `"OK"`: until then its transfer counts, if that does not take too long. */
  async serve({ keys }: GetData, comm: Comm): Promise<GetDataReply | typeof DONT_REPLY> {
    const limit = sameHost(comm.localAddress, comm.peerAddress) ? 2 * this.#transfersMax : this.#transfersMax;
    if (this.#transfers.count >= limit) return { status: "busy" };
    const taken = this.#store.take(keys);
    using held = taken instanceof Promise ? await this.#read(taken) : taken;
    const data: Record<string, Serialized> = {};
    let nbytes = 0;
    for (const [key, value] of held.values) {
      data[key] = value;
      nbytes += value.nbytes;
    }
    using _transfer = this.#transfers.begin(nbytes);
    await comm.write({ status: "OK", data } satisfies GetDataReply);
    const answer = await comm.read();
    if (answer !== CONFIRMATION) throw new MessageError(`Expected "${CONFIRMATION}" after get_data`);
    return DONT_REPLY;
  }

  /** Waits until results are in memory, which is a part of their transfer. */
  async #read(taken: Promise<Held>): Promise<Held> {
    using _transfer = this.#transfers.begin(0);
    return await taken;
  }
}
