/**
 * What a worker answers to peers, clients and the scheduler.
 *
 * @module
 */

import { type Clock, systemClock } from "../internal/clock.ts";
import { sameHost } from "../comm/host.ts";
import type { Comm } from "../comm/comm.ts";

import { DONT_REPLY, type Handlers } from "../rpc/server.ts";
import {
  type Address,
  checkKeys,
  checkRecord,
  type Key,
  MessageError,
  type RawMessage,
} from "../messages/common.ts";
import type { LinkFacts, SecurityFacts } from "../messages/rpc.ts";
import { Serialized } from "../protocol/serialized.ts";
import type { DataStore } from "./memory/store.ts";

/** Milliseconds that a peer which was sent nothing big may take to say "OK". */
const TRANSFER_MS = 10_000;
/** Bytes per millisecond that the slowest peer takes. */
const SLOWEST_RATE = 50;

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
  /** Certificates around it, and whom it refused; nothing without TLS. */
  security(): SecurityFacts | undefined;
  /** Ends it once the answer is on its way. */
  closeSoon(): void;
}

/**
 * Handlers by operation. `worker` gives nothing while it starts; `takeData` keeps values, and returns the bytes of those
 * that it took. `transfersMax` peers are sent data at once (`distributed.worker.connections.incoming`), twice as many on
 * the same host. A transfer that takes longer than by `clock` it should stops counting, so that peers which fell silent
 * can't keep others from their data.
 */
export function workerHandlers(
  store: DataStore,
  worker: () => ServedWorker | undefined,
  takeData: (data: ReadonlyMap<Key, Serialized>) => Record<string, number>,
  transfersMax: number,
  clock: Clock = systemClock,
): Handlers {
  const started = (): ServedWorker => {
    const found = worker();
    if (found === undefined) throw new MessageError("This worker is still starting");
    return found;
  };
  const data = new DataServer(store, transfersMax, clock);
  return {
    get_data: (request, comm) => data.serve(request, comm),
    keys: () => [...store.keys()],
    identity: () => {
      const { name, schedulerAddress, nthreads } = started();
      const security = started().security();
      return {
        type: "Worker",
        id: name,
        scheduler: schedulerAddress,
        nthreads,
        memory_limit: null,
        ...security !== undefined && { security },
      };
    },
    update_data: (request) => {
      started(); // before that, nobody would keep them
      return { nbytes: takeData(valuesOf(request)), status: "OK" };
    },
    links: () => started().links(),
    ping: () => new TextEncoder().encode("pong"),
    terminate: () => {
      queueMicrotask(() => started().closeSoon());
      return "OK";
    },
  };
}

function valuesOf(request: RawMessage): Map<Key, Serialized> {
  const values = new Map<Key, Serialized>();
  for (const [key, value] of Object.entries(checkRecord(request, "data"))) {
    if (!(value instanceof Serialized)) {
      throw new MessageError(`Cannot keep "${key}": its value is not serialized`);
    }
    values.set(key as Key, value);
  }
  return values;
}

/** Sends results, to so many peers at a time. */
class DataServer {
  #store: DataStore;
  #transfersMax: number;
  #clock: Clock;
  #transfers = 0;

  constructor(store: DataStore, transfersMax: number, clock: Clock) {
    this.#store = store;
    this.#transfersMax = transfersMax;
    this.#clock = clock;
  }

  /** The reply, then the asker's `"OK"`: until then its transfer counts, if that does not take too long. */
  async serve(request: RawMessage, comm: Comm): Promise<unknown> {
    const keys = checkKeys(request, "keys");
    const limit = sameHost(comm.localAddress, comm.peerAddress) ? 2 * this.#transfersMax : this.#transfersMax;
    if (this.#transfers >= limit) return { status: "busy" };
    const data: Record<string, Serialized> = {};
    let nbytes = 0;
    for (const key of keys) {
      const value = this.#store.get(key);
      if (value === undefined) continue;
      data[key] = value;
      nbytes += value.nbytes;
    }
    using _transfer = this.#begin(nbytes);
    await comm.write({ status: "OK", data });
    const answer = await comm.read();
    if (answer !== "OK") throw new MessageError(`Expected "OK" after get_data`);
    return DONT_REPLY;
  }

  /** Counts a transfer until it is disposed, or is overdue. */
  #begin(nbytes: number): Disposable {
    let isCounted = true;
    this.#transfers++;
    const end = () => {
      if (isCounted) this.#transfers--;
      isCounted = false;
    };
    const cancel = this.#clock.timer(TRANSFER_MS + nbytes / SLOWEST_RATE, end);
    return {
      [Symbol.dispose]: () => {
        cancel();
        end();
      },
    };
  }
}
