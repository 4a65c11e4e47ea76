/**
 * Bodies of functions. A body is kept while a task names it, or while a client that sent it is connected and
 * has not released it. A worker gets it before the first task that names it (`docs/wire.md`, "Function
 * bodies").
 *
 * @module
 */

import { assert } from "../../../internal/assert.ts";
import type { UpdateGraph } from "../../../messages/client_scheduler.ts";
import type { FunctionHash } from "../../../messages/common.ts";
import type { ClientState } from "../../state/client_state.ts";
import type { Check, Extension, ExtensionHandlers } from "../../state/extension.ts";
import type { SchedulerMachine } from "../../state/machine.ts";
import type { TaskGroup } from "../../state/task_group.ts";
import type { TaskState } from "../../state/task_state.ts";
import type { WorkerState } from "../../state/worker_state.ts";

/** One function, as clients send it. */
export class FunctionBody {
  /** SHA-256 of the body. */
  readonly hash: FunctionHash;
  /** The body, see `docs/wire.md`. */
  readonly bytes: Uint8Array;
  /** Clients that sent the body and did not release it. */
  readonly owners: Set<ClientState> = new Set();
  /** Workers that were given the body. */
  readonly workers: Set<WorkerState> = new Set();

  /** Copies a view of a message, so that it does not keep the whole message in memory. */
  constructor(hash: FunctionHash, bytes: Uint8Array) {
    this.hash = hash;
    this.bytes = bytes.byteLength < bytes.buffer.byteLength ? bytes.slice() : bytes;
  }
}

/** All bodies that a scheduler keeps. */
export class FunctionBodies implements Extension {
  readonly #bodies: Map<FunctionHash, FunctionBody> = new Map();
  /** Bodies that each client sent and did not release. */
  readonly #owned: Map<ClientState, Set<FunctionBody>> = new Map();
  /** Bodies that each worker was given. */
  readonly #given: Map<WorkerState, Set<FunctionBody>> = new Map();

  /** Handlers of clients' messages, by operation. */
  readonly clientStream: ExtensionHandlers = {
    "client-releases-functions": (m, cs, { functions }) => {
      for (const hash of functions) {
        const body = this.#bodies.get(hash);
        if (body !== undefined) this.#release(m, body, cs);
      }
    },
  };

  /** The bodies, by hash. */
  get bodies(): ReadonlyMap<FunctionHash, FunctionBody> {
    return this.#bodies;
  }

  /**
   * Stores the bodies that come with a graph. A known body is not replaced: bodies with the same hash are
   * equal.
   */
  graphArrived(_m: SchedulerMachine, cs: ClientState, { functions }: UpdateGraph): void {
    for (const name in functions) {
      const hash = name as FunctionHash;
      const bytes = functions[hash];
      if (bytes === undefined) continue;
      let body = this.#bodies.get(hash);
      if (body === undefined) this.#bodies.set(hash, body = new FunctionBody(hash, bytes));
      body.owners.add(cs);
      addTo(this.#owned, cs, body);
    }
  }

  /** A function without a body can't run. */
  refusal(hash: FunctionHash): string | undefined {
    return this.#bodies.has(hash) ? undefined : "unknown function";
  }

  /** Sends the body to the worker, if it does not have it yet, before the task. */
  taskPlaced(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void { // hot: per task
    const hash = ts.group.function;
    if (hash === null) return;
    const body = this.#bodies.get(hash);
    assert(body !== undefined, () => `Task "${ts.key}" is to run function ${hash}, which has no body`);
    if (body.workers.has(ws)) return;
    body.workers.add(ws);
    addTo(this.#given, ws, body);
    m.outbox.tellWorker(ws, { op: "register-functions", functions: { [hash]: body.bytes } });
  }

  /** Drops the body of a function that no task names, unless a client still owns it. */
  groupEnded(m: SchedulerMachine, group: TaskGroup): void {
    const body = group.function === null ? undefined : this.#bodies.get(group.function);
    if (body !== undefined && body.owners.size === 0) this.#drop(m, body);
  }

  /** Releases the bodies of a client that left. */
  clientLeft(m: SchedulerMachine, cs: ClientState): void {
    for (const body of [...this.#owned.get(cs) ?? []]) this.#release(m, body, cs);
    this.#owned.delete(cs);
  }

  /** Forgets the bodies that a worker was given. */
  workerLeft(_m: SchedulerMachine, ws: WorkerState): void {
    for (const body of this.#given.get(ws) ?? []) body.workers.delete(ws);
    this.#given.delete(ws);
  }

  #release(m: SchedulerMachine, body: FunctionBody, cs: ClientState): void {
    body.owners.delete(cs);
    this.#owned.get(cs)?.delete(body);
    if (body.owners.size === 0 && !m.groups.hasFunction(body.hash)) this.#drop(m, body);
  }

  #drop(m: SchedulerMachine, body: FunctionBody): void {
    this.#bodies.delete(body.hash);
    for (const ws of body.workers) {
      this.#given.get(ws)?.delete(body);
      m.outbox.tellWorker(ws, { op: "free-functions", functions: [body.hash] });
    }
  }

  /** Hashes of the functions whose body a worker was given. */
  givenTo(ws: WorkerState): FunctionHash[] {
    return Array.from(this.#given.get(ws) ?? [], (body) => body.hash);
  }

  /** Checks that each function of a task has a body, and that each body has an owner or a task. */
  validate(m: SchedulerMachine, check: Check): void {
    for (const { function: hash, name } of m.groups.values()) {
      check(hash === null || this.#bodies.has(hash), `${name} has no body`);
    }
    for (const body of this.#bodies.values()) {
      const { hash, owners, workers } = body;
      check(owners.size > 0 || m.groups.hasFunction(hash), `function ${hash} should be forgotten`);
      for (const cs of owners) {
        check(m.clients.get(cs.id) === cs, `function ${hash} is of a stranger`);
        check(this.#owned.get(cs)?.has(body) ?? false, `${cs.id} does not own function ${hash}`);
      }
      for (const ws of workers) {
        check(m.workers.get(ws.address) === ws, `function ${hash} was given to a stranger`);
        check(this.#given.get(ws)?.has(body) ?? false, `${ws.address} was not given function ${hash}`);
      }
    }
    for (const [ws, given] of this.#given) {
      for (const body of given) check(body.workers.has(ws), `${body.hash} does not know ${ws.address}`);
    }
    for (const [cs, owned] of this.#owned) {
      for (const body of owned) check(body.owners.has(cs), `${body.hash} does not know ${cs.id}`);
    }
  }
}

function addTo<Peer>(sets: Map<Peer, Set<FunctionBody>>, peer: Peer, body: FunctionBody): void {
  const set = sets.get(peer);
  if (set === undefined) sets.set(peer, new Set([body]));
  else set.add(body);
}
