/**
 * Threads that take virtual time. They keep the contract of `worker/executor/executor.ts`, and check that their worker
 * does: a body before the first task that names it, and a key at most once.
 *
 * @module
 */

import type { FunctionHash, Key } from "../../messages/common.ts";
import type { Serialized } from "../../protocol/serialized.ts";
import type { ExecutionRequest } from "../../worker/executor/executor.ts";
import { type Catalogue, errorTextOf, mixValue, packValue, unpackValue } from "./workload.ts";
import { check, type World } from "./world.ts";

/** How a task ended. */
export interface ThreadOutcome {
  /** Task. */
  readonly key: Key;
  /** Echo. */
  readonly runId: number;
  /** The result, unless it failed. */
  readonly result: Serialized | null;
  /** Text of the error, if it failed. */
  readonly error: string;
  /** Whether the task asks to be placed anew. */
  readonly isRescheduled: boolean;
  /** Begin, virtual seconds. */
  readonly start: number;
  /** End, virtual seconds. */
  readonly stop: number;
}

/** What the threads of a worker are made with. */
export interface ThreadOptions {
  /** For messages. */
  readonly name: string;
  /** Tasks at once. */
  readonly nthreads: number;
  /** How many times slower than others. */
  readonly slowness: number;
  /** Share of runs that ask to be placed anew, now. */
  readonly reschedules: () => number;
  /** Takes outcomes, several at a time. */
  readonly onOutcomes: (batch: readonly ThreadOutcome[]) => void;
}

/** The threads of one worker. */
export class VirtualThreads {
  readonly #world: World;
  readonly #catalogue: Catalogue;
  readonly #options: ThreadOptions;
  readonly #functions: Set<FunctionHash> = new Set();
  #queue: ExecutionRequest[] = [];
  readonly #running: Map<Key, ExecutionRequest> = new Map();
  #ended: ThreadOutcome[] = [];
  #isClosed = false;

  /** Idle threads. */
  constructor(world: World, catalogue: Catalogue, options: ThreadOptions) {
    this.#world = world;
    this.#catalogue = catalogue;
    this.#options = options;
  }

  /** Bodies that are here. */
  get functions(): ReadonlySet<FunctionHash> {
    return this.#functions;
  }

  /** Tasks that were handed over and have not ended. */
  get count(): number {
    return this.#queue.length + this.#running.size + this.#ended.length;
  }

  /** Keeps a body. */
  addFunction(hash: FunctionHash, _body: Uint8Array): void {
    this.#functions.add(hash);
  }

  /** Drops a body. */
  removeFunction(hash: FunctionHash): void {
    check(this.#functions.delete(hash), () => `${this.#options.name} is to drop ${hash}, which is not here`);
  }

  /** Takes requests over. */
  execute(batch: readonly ExecutionRequest[]): void {
    for (const request of batch) {
      const { key, functionHash } = request;
      const isHere = this.#running.has(key) || this.#queue.some((one) => one.key === key) ||
        this.#ended.some((one) => one.key === key);
      check(!isHere, () => `${this.#options.name} runs "${key}" twice at a time`);
      check(
        this.#functions.has(functionHash),
        () => `${this.#options.name} is to run "${key}" and was not given function ${functionHash}`,
      );
      this.#queue.push(request);
    }
    this.#world.schedule(this.#world.delay(0.0001), () => this.#begin());
  }

  /** Takes a request back that has not begun. */
  withdraw(key: Key): ExecutionRequest | undefined {
    const index = this.#queue.findIndex((request) => request.key === key);
    return index < 0 ? undefined : this.#queue.splice(index, 1)[0];
  }

  /** Nothing comes back any more. */
  close(): void {
    this.#isClosed = true;
    this.#queue = [];
    this.#running.clear();
    this.#ended = [];
  }

  #begin(): void {
    while (!this.#isClosed && this.#running.size < this.#options.nthreads) {
      const request = this.#queue.shift();
      if (request === undefined) return;
      this.#running.set(request.key, request);
      const definition = this.#catalogue.get(request.key);
      const seconds = (definition?.seconds ?? 0) * this.#options.slowness * (0.5 + this.#world.random.next());
      const start = this.#world.now;
      this.#world.schedule(seconds, () => this.#end(request, start));
    }
  }

  #end(request: ExecutionRequest, start: number): void {
    if (this.#isClosed) return;
    this.#running.delete(request.key);
    this.#ended.push(this.#outcomeOf(request, start));
    if (this.#ended.length === 1) this.#world.schedule(this.#world.delay(0.0005), () => this.#flush());
    this.#begin();
  }

  #flush(): void {
    const batch = this.#ended;
    this.#ended = [];
    if (batch.length > 0) this.#options.onOutcomes(batch);
  }

  #outcomeOf(request: ExecutionRequest, start: number): ThreadOutcome {
    const { key, runId } = request;
    const definition = this.#catalogue.get(key);
    check(definition !== undefined, () => `${this.#options.name} runs "${key}", which nobody submitted`);
    const isRescheduled = this.#world.random.chance(this.#options.reschedules());
    const isFailed = !isRescheduled && this.#catalogue.failsNow(definition);
    const inputs = definition.dependencies.map((one) => {
      const found = request.dependencies.find(([name]) => name === one.key);
      return unpackValue(found?.[1].frames[0]);
    });
    const result = isRescheduled || isFailed ? null : packValue(mixValue(key, inputs), definition.nbytes);
    const error = isFailed ? errorTextOf(key) : "";
    return { key, runId, result, error, isRescheduled, start, stop: this.#world.now };
  }
}
