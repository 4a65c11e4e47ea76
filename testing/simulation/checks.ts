/**
 * What must hold when nothing is under way: everybody agrees on who has and wants what; and when all was
 * released, nothing is left.
 *
 * @module
 */

import type { Address, Key } from "../../messages/common.ts";
import type { Program } from "./program.ts";
import type { SchedulerMember } from "./scheduler_member.ts";
import type { WorkerMember } from "./worker_member.ts";
import { check } from "./world.ts";

/** Most seconds between two signs of life of a worker that nothing is done to. */
const SILENT_MAX = 1.5;

/** A cluster at rest. */
export interface Cluster {
  /** The scheduler. */
  readonly scheduler: SchedulerMember;
  /** Workers that can be reached. */
  readonly workers: ReadonlyMap<Address, WorkerMember>;
  /** Programs that are connected. */
  readonly programs: readonly Program[];
  /** Whether a worker may keep a value though the scheduler does not know that it does; as in Dask. */
  readonly orphans: (worker: Address, key: Key) => boolean;
}

/** Values that a worker keeps for ever, as the scheduler was never told of them. */
function orphansOn({ scheduler, orphans }: Cluster, worker: WorkerMember): Set<Key> {
  const ws = scheduler.machine.workers.get(worker.address);
  const claimed = new Set(Array.from(ws?.hasWhat ?? [], (ts) => ts.key));
  const found = new Set<Key>();
  for (const key of worker.store.keys()) {
    if (!claimed.has(key) && orphans(worker.address, key)) found.add(key);
  }
  return found;
}

/** What has not ended, for a message. */
export function describePending({ machine }: SchedulerMember, programs: readonly Program[]): string {
  const pending: string[] = [];
  for (const program of programs) {
    for (const { state: known } of program.handles) {
      if (known.ended) continue;
      const ts = machine.tasks.get(known.key);
      const where = ts?.processingOn === undefined || ts.processingOn === null
        ? ""
        : ` on ${ts.processingOn.address}`;
      pending.push(
        `${known.key} ${known.status} for ${program.role.name}, ${ts?.stateName ?? "unknown"}${where}`,
      );
    }
    if (program.pending > 0) pending.push(`${program.pending} requests of ${program.role.name}`);
  }
  return pending.join("; ");
}

function listed(keys: Iterable<string>): string {
  return `[${[...keys].sort().join(" ")}]`;
}

/** Checks that scheduler, workers and clients know the same. */
export function checkAgreement(cluster: Cluster): void {
  const { scheduler, workers, programs } = cluster;
  const { machine } = scheduler;
  check(listed(machine.workers.keys()) === listed(workers.keys()), () => {
    return `S knows workers ${listed(machine.workers.keys())}, there are ${listed(workers.keys())}`;
  });
  for (const [address, worker] of workers) {
    const ws = machine.workers.get(address);
    const claimed = listed(Array.from(ws?.hasWhat ?? [], (ts) => ts.key));
    const held = listed(new Set(worker.store.keys()).difference(orphansOn(cluster, worker)));
    check(claimed === held, () => `${address} holds ${held}, and S takes it for ${claimed}`);
    const given = listed(ws === undefined ? [] : scheduler.functions.givenTo(ws));
    const here = listed(worker.executor.functions);
    check(given === here, () => `${address} has functions ${here}, and S takes it for ${given}`);
    const silent = scheduler.now - (ws?.lastSeen ?? 0);
    check(silent < SILENT_MAX, () => `${address} has been silent for ${silent} s`);
    check(worker.executor.count === 0 && (ws?.processing.size ?? 0) === 0, () => `${address} is still busy`);
  }
  check(
    listed(machine.clients.keys()) === listed(programs.map(({ id }) => id)),
    () => "S knows other clients",
  );
  for (const program of programs) checkClient(scheduler, program);
}

function checkClient({ machine }: SchedulerMember, client: Program): void {
  const cs = machine.clients.get(client.id);
  const wanted = new Set<Key>();
  for (const { state: known } of client.handles) {
    if (known.status !== "cancelled" && client.state.get(known.key) === known) wanted.add(known.key);
  }
  // News of an earlier cancellation may have met a key that was asked for again: its future releases it.
  const noted = Array.from(cs?.wantsWhat ?? [], (ts) => ts.key)
    .filter((key) => client.state.get(key)?.status !== "cancelled");
  check(listed(wanted) === listed(noted), () => {
    return `${client.id} wants ${listed(wanted)}, and S takes it for ${listed(noted)}`;
  });
  for (const { state: known } of client.handles) {
    const ts = machine.tasks.get(known.key);
    const agrees = known.status === "cancelled" ||
      (known.status === "finished" && ts?.stateName === "memory") ||
      (known.status === "error" && ts?.stateName === "erred");
    check(agrees, () => `"${known.key}" is ${known.status} for ${client.id}, and ${ts?.stateName} for S`);
  }
}

/** Checks that nothing is kept that nobody wants. */
export function checkNothingIsLeft(cluster: Cluster): void {
  const { workers, programs } = cluster;
  checkScheduler(cluster.scheduler);
  for (const worker of workers.values()) checkWorker(worker, orphansOn(cluster, worker).size);
  for (const client of programs) {
    const { keys, functions, waiting } = client.state.snapshot();
    check(keys.length === 0, () => `${client.role.name} keeps ${keys.length} keys`);
    check(functions.size === 0, () => `${client.role.name} keeps ${functions.size} functions`);
    check(waiting === 0, () => `${client.role.name} has something to say`);
  }
}

function checkScheduler({ machine, state, functions: { bodies } }: SchedulerMember): void {
  check(machine.tasks.size === 0, () => `S keeps tasks ${listed(machine.tasks.keys())}`);
  check(machine.groups.size === 0, () => `S keeps ${machine.groups.size} groups of tasks`);
  check(bodies.size === 0, () => `S keeps functions ${listed(bodies.keys())}`);
  check(state.totalOccupancy === 0 && state.queuedCount === 0, () => "S takes workers for busy");
  for (const ws of machine.workers.values()) {
    check(
      ws.nbytes === 0 && ws.networkBytes === 0 && ws.needsWhat.size === 0 && ws.prefixCounts.size === 0,
      () => `S counts ${ws.nbytes} bytes for ${ws.address}, and ${ws.networkBytes} to fetch`,
    );
  }
}

function checkWorker({ address, state, store, executor }: WorkerMember, orphans: number): void {
  const kept = () => listed(state.snapshot().tasks.map((ts) => `${ts.key} ${ts.state}`));
  check(state.taskCount === orphans, () => `${address} keeps ${kept()}`);
  check(store.size === orphans, () => `${address} stores ${listed(store.keys())}`);
  check(executor.functions.size === 0, () => `${address} keeps functions ${listed(executor.functions)}`);
  const { memory } = store.nbytes;
  check(state.nbytes === memory, () => `${address} counts ${state.nbytes} bytes, not ${memory}`);
  check(state.transferIncomingBytes === 0, () => `${address} takes itself for fetching`);
  check(Object.keys(state.snapshot().has_what).length === 0, () => `${address} remembers holders`);
}
