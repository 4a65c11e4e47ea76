/**
 * What must hold when nothing is under way: everybody agrees on who has and wants what; and when all was released,
 * nothing is left.
 *
 * @module
 */

import type { Address, ClientId, Key } from "../../messages/common.ts";
import type { ClientNode } from "./client_node.ts";
import type { SchedulerNode } from "./scheduler_node.ts";
import type { WorkerNode } from "./worker_node.ts";
import { check } from "./world.ts";

/** A cluster at rest. */
export interface Cluster {
  /** The scheduler. */
  readonly scheduler: SchedulerNode;
  /** Workers that can be reached. */
  readonly workers: ReadonlyMap<Address, WorkerNode>;
  /** Clients that are connected. */
  readonly clients: readonly ClientNode[];
  /** Which client put a value on a worker. */
  readonly scattered: ReadonlyMap<Key, ClientId>;
}

/** Values whose client went before it told the scheduler of them, so that nobody ever frees them; as in Dask. */
function orphansOn({ scheduler, clients, scattered }: Cluster, worker: WorkerNode): Set<Key> {
  const orphans = new Set<Key>();
  for (const key of worker.store.keys()) {
    const owner = scattered.get(key);
    const isOwned = owner === undefined || clients.some(({ id }) => id === owner);
    if (!isOwned && !scheduler.state.tasks.has(key)) orphans.add(key);
  }
  return orphans;
}

/** What has not ended, for a message. */
export function describePending({ state }: SchedulerNode, clients: readonly ClientNode[]): string {
  const pending: string[] = [];
  for (const client of clients) {
    for (const { state: known } of client.handles) {
      if (known.ended) continue;
      const ts = state.tasks.get(known.key);
      const where = ts?.processingOn === undefined || ts.processingOn === null
        ? ""
        : ` on ${ts.processingOn.address}`;
      pending.push(`${known.key} ${known.status} for ${client.id}, ${ts?.stateName ?? "unknown"}${where}`);
    }
    if (client.fetches > 0) pending.push(`${client.fetches} fetches of ${client.id}`);
  }
  return pending.join("; ");
}

function listed(keys: Iterable<string>): string {
  return `[${[...keys].sort().join(" ")}]`;
}

/** Checks that scheduler, workers and clients know the same. */
export function checkAgreement(cluster: Cluster): void {
  const { scheduler, workers, clients } = cluster;
  const { state } = scheduler;
  check(listed(state.workers.keys()) === listed(workers.keys()), () => {
    return `S knows workers ${listed(state.workers.keys())}, there are ${listed(workers.keys())}`;
  });
  for (const [address, worker] of workers) {
    const ws = state.workers.get(address);
    const claimed = listed(Array.from(ws?.hasWhat ?? [], (ts) => ts.key));
    const held = listed(new Set(worker.store.keys()).difference(orphansOn(cluster, worker)));
    check(claimed === held, () => `${address} holds ${held}, and S takes it for ${claimed}`);
    const given = listed(ws === undefined ? [] : state.functions.givenTo(ws));
    const here = listed(worker.threads.functions);
    check(given === here, () => `${address} has functions ${here}, and S takes it for ${given}`);
    check(worker.threads.count === 0 && (ws?.processing.size ?? 0) === 0, () => `${address} is still busy`);
  }
  check(listed(state.clients.keys()) === listed(clients.map(({ id }) => id)), () => "S knows other clients");
  for (const client of clients) checkClient(scheduler, client);
}

function checkClient({ state }: SchedulerNode, client: ClientNode): void {
  const cs = state.clients.get(client.id);
  const wanted = new Set<Key>();
  for (const { state: known } of client.handles) {
    if (known.status !== "cancelled" && client.state.get(known.key) === known) wanted.add(known.key);
  }
  // News of an earlier cancellation may have met a key that was asked for again: it is released with its future.
  const noted = Array.from(cs?.wantsWhat ?? [], (ts) => ts.key)
    .filter((key) => client.state.get(key)?.status !== "cancelled");
  check(listed(wanted) === listed(noted), () => {
    return `${client.id} wants ${listed(wanted)}, and S takes it for ${listed(noted)}`;
  });
  for (const { state: known } of client.handles) {
    const ts = state.tasks.get(known.key);
    const agrees = known.status === "cancelled" ||
      (known.status === "finished" && ts?.stateName === "memory") ||
      (known.status === "error" && ts?.stateName === "erred");
    check(agrees, () => `"${known.key}" is ${known.status} for ${client.id}, and ${ts?.stateName} for S`);
  }
}

/** Checks that nothing is kept that nobody wants. */
export function checkNothingIsLeft(cluster: Cluster): void {
  const { workers, clients } = cluster;
  checkScheduler(cluster.scheduler);
  for (const worker of workers.values()) checkWorker(worker, orphansOn(cluster, worker).size);
  for (const client of clients) {
    const { keys, functions, waiting } = client.state.snapshot();
    check(keys.length === 0, () => `${client.id} keeps ${keys.length} keys`);
    check(
      functions.size === 0,
      () => `${client.id} keeps ${functions.size} functions`,
    );
    check(waiting === 0, () => `${client.id} has something to say`);
  }
}

function checkScheduler({ state }: SchedulerNode): void {
  const { bodies } = state.functions;
  check(state.tasks.size === 0, () => `S keeps tasks ${listed(state.tasks.keys())}`);
  check(state.groups.size === 0, () => `S keeps ${state.groups.size} groups of tasks`);
  check(bodies.size === 0, () => `S keeps functions ${listed(bodies.keys())}`);
  check(state.totalOccupancy === 0 && state.queuedCount === 0, () => "S takes workers for busy");
  for (const ws of state.workers.values()) {
    check(
      ws.nbytes === 0 && ws.networkBytes === 0 && ws.needsWhat.size === 0 && ws.prefixCounts.size === 0,
      () => `S counts ${ws.nbytes} bytes for ${ws.address}, and ${ws.networkBytes} to fetch`,
    );
  }
}

function checkWorker({ address, state, store, threads }: WorkerNode, orphans: number): void {
  const kept = () => listed(state.snapshot().tasks.map((ts) => `${ts.key} ${ts.state}`));
  check(state.taskCount === orphans, () => `${address} keeps ${kept()}`);
  check(store.size === orphans, () => `${address} stores ${listed(store.keys())}`);
  check(threads.functions.size === 0, () => `${address} keeps functions ${listed(threads.functions)}`);
  check(state.nbytes === store.nbytes, () => `${address} counts ${state.nbytes} bytes, not ${store.nbytes}`);
  check(state.transferIncomingBytes === 0, () => `${address} takes itself for fetching`);
  check(Object.keys(state.snapshot().has_what).length === 0, () => `${address} remembers holders`);
}
