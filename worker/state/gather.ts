/**
 * Which results to ask of which peers: few large requests, the most urgent first, within limits.
 * Mirrors `_ensure_communicating` and its helpers of distributed/worker_state_machine.py.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import { hostOf } from "../../messages/address.ts";
import type { Address, Key } from "../../messages/common.ts";
import type { WorkerMachine } from "./machine.ts";
import { TaskHeap } from "./task_heap.ts";
import { State, type TaskState } from "./task_state.ts";
import { transition } from "./transitions.ts";

// Below this many bytes under way the number of requests is not limited (Dask:
// transfer_incoming_bytes_throttle_threshold).
const THROTTLE_THRESHOLD = 10_000_000;

/** A peer that could be asked now. */
interface Candidate {
  readonly worker: Address;
  readonly needed: TaskHeap;
  readonly isRemote: boolean;
  readonly tieBreaker: number;
}

/** Begins transfers of tasks in `FETCH` until there are none or a limit is reached. */
export function ensureCommunicating(m: WorkerMachine): void {
  if (!m.running || m.dataNeeded.size === 0 || shouldThrottle(m)) return;
  const candidates = findCandidates(m);
  while (candidates.length > 0) {
    const candidate = takeBest(candidates);
    if (candidate === undefined) break;
    const nbytes = gatherFrom(m, candidate);
    if (nbytes < 0 || shouldThrottle(m)) break;
  }
}

function shouldThrottle(m: WorkerMachine): boolean {
  return m.transferIncomingBytes >= m.transferIncomingBytesLimit ||
    (m.inFlightWorkers.size >= m.transferIncomingCountLimit && m.transferIncomingBytes >= THROTTLE_THRESHOLD);
}

function findCandidates(m: WorkerMachine): Candidate[] {
  const host = hostOf(m.address);
  const candidates: Candidate[] = [];
  for (const [worker, needed] of m.dataNeeded) {
    if (needed.size === 0) m.dataNeeded.delete(worker);
    else if (!m.inFlightWorkers.has(worker) && !m.busyWorkers.has(worker)) {
      candidates.push({ worker, needed, isRemote: hostOf(worker) !== host, tieBreaker: m.nextRandom() });
    }
  }
  return candidates;
}

/**
 * Takes out the peer to ask next. By the most urgent task, then this host first, then by the number of tasks.
 * A scan per request, since each request changes what the other peers are needed for.
 */
function takeBest(candidates: Candidate[]): Candidate | undefined {
  let best: Candidate | undefined;
  let bestIndex = -1;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    if (candidate.needed.size > 0 && (best === undefined || isBetter(candidate, best))) {
      best = candidate;
      bestIndex = i;
    }
  }
  if (best === undefined) return undefined;
  const last = candidates.pop();
  if (last !== undefined && last !== best) candidates[bestIndex] = last;
  return best;
}

function isBetter(a: Candidate, b: Candidate): boolean {
  const first = a.needed.peek(), second = b.needed.peek();
  if (first === undefined || second === undefined) return second === undefined;
  const difference = TaskHeap.compare(first, second);
  if (difference !== 0) return difference < 0;
  if (a.isRemote !== b.isRemote) return b.isRemote;
  if (a.needed.size !== b.needed.size) return a.needed.size > b.needed.size;
  return a.tieBreaker < b.tieBreaker;
}

/** Begins one transfer; returns its bytes, or -1 if the limits allow none. */
function gatherFrom(m: WorkerMachine, { worker, needed }: Candidate): number {
  assert(worker !== m.address, () => `Worker "${worker}" is to gather from itself`);
  assert(!m.inFlightWorkers.has(worker), () => `"${worker}" is to be asked while it is being asked`);
  assert(!m.busyWorkers.has(worker), () => `"${worker}" is to be asked although it is busy`);
  const tasks: TaskState[] = [];
  const keys: Key[] = [];
  let nbytes = 0;
  for (let ts = needed.peek(); ts !== undefined; ts = needed.peek()) {
    if (exceedsLimits(m, ts, nbytes, tasks.length)) break;
    for (const holder of ts.whoHas) m.dataNeeded.get(holder)?.remove(ts);
    tasks.push(ts);
    keys.push(ts.key);
    nbytes += ts.expectedNbytes();
  }
  if (tasks.length === 0) return -1;
  if (needed.size === 0) m.dataNeeded.delete(worker);
  for (const ts of tasks) {
    assert(ts.whoHas.has(worker), () => `"${worker}" is to be asked for "${ts.key}", which it does not hold`);
    ts.comingFrom = worker;
    transition(m, ts, State.FLIGHT, null);
  }
  m.instructions.push({ op: "gather-dep", worker, keys, totalNbytes: nbytes });
  m.inFlightWorkers.set(worker, { tasks, nbytes });
  m.transferIncomingCountTotal++;
  m.transferIncomingBytes += nbytes;
  return nbytes;
}

function exceedsLimits(m: WorkerMachine, ts: TaskState, messageNbytes: number, count: number): boolean {
  // The first of all goes whatever its size, so that there is progress.
  if (m.inFlightWorkers.size === 0 && count === 0) return false;
  let allowance = m.transferIncomingBytesLimit - m.transferIncomingBytes;
  if (count > 0) allowance = Math.min(allowance, m.transferMessageBytesLimit) - messageNbytes;
  return ts.expectedNbytes() > allowance;
}
