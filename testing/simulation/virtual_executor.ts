/**
 * An executor whose tasks take virtual time. It keeps the contract of `worker/executor/executor.ts`, and
 * checks that its worker does: a body before the first task that names it, and a key at most once.
 *
 * @module
 */

import type { FunctionHash, Key } from "../../messages/common.ts";
import { encodeError } from "../../protocol/remote_error.ts";
import type { Serialized } from "../../protocol/serialized.ts";
import type { ExecutionOutcome, ExecutionRequest, Executor } from "../../worker/executor/executor.ts";
import type { Role } from "./role.ts";
import {
  type Catalogue,
  type Definition,
  errorTextOf,
  mixValue,
  packValue,
  unpackResult,
} from "./workload.ts";
import { check, type World } from "./world.ts";

/** What a {@linkcode VirtualExecutor} is made with. */
export interface VirtualExecutorOptions {
  /** Whose it is. */
  readonly role: Role;
  /** Tasks at once. */
  readonly nthreads: number;
  /** How many times slower than others. */
  readonly slowness: number;
  /** Takes outcomes, several at a time. */
  readonly onOutcomes: (batch: readonly ExecutionOutcome[]) => void;
}

interface Ended {
  readonly request: ExecutionRequest;
  /** When it ran; nothing if it was taken back. */
  readonly ran: { readonly start: number; readonly stop: number } | undefined;
}

/** The threads of one worker. */
export class VirtualExecutor implements Executor {
  readonly nthreads: number;
  readonly #world: World;
  readonly #catalogue: Catalogue;
  readonly #options: VirtualExecutorOptions;
  readonly #functions: Set<FunctionHash> = new Set();
  #queue: ExecutionRequest[] = [];
  readonly #running: Map<Key, ExecutionRequest> = new Map();
  #ended: Ended[] = [];
  #isClosed = false;

  /** Idle threads. */
  constructor(world: World, catalogue: Catalogue, options: VirtualExecutorOptions) {
    this.nthreads = options.nthreads;
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

  /** Whether its worker closed it. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  addFunction(hash: FunctionHash, _body: Uint8Array): void {
    this.#functions.add(hash);
  }

  removeFunction(hash: FunctionHash): void {
    check(this.#functions.delete(hash), () => `${this.#name} is to drop ${hash}, which is not here`);
  }

  execute(batch: readonly ExecutionRequest[]): void {
    for (const request of batch) {
      const { key, functionHash } = request;
      const isHere = this.#running.has(key) || this.#queue.some((one) => one.key === key) ||
        this.#ended.some((one) => one.request.key === key);
      check(!isHere, () => `${this.#name} runs "${key}" twice at a time`);
      check(
        this.#functions.has(functionHash),
        () => `${this.#name} is to run "${key}" and was not given function ${functionHash}`,
      );
      this.#queue.push(request);
    }
    this.#later(this.#world.delay(0.0001), () => this.#begin());
  }

  withdraw(keys: readonly Key[]): void {
    for (const key of keys) {
      const index = this.#queue.findIndex((request) => request.key === key);
      const [request] = index < 0 ? [] : this.#queue.splice(index, 1);
      if (request !== undefined) this.#give({ request, ran: undefined });
    }
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#queue = [];
    this.#running.clear();
    this.#ended = [];
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #name(): string {
    return this.#options.role.name;
  }

  #later(seconds: number, run: () => void): void {
    this.#world.schedule(seconds, () => {
      if (!this.#isClosed && !this.#options.role.isDead) run();
    });
  }

  #begin(): void {
    while (this.#running.size < this.nthreads) {
      const request = this.#queue.shift();
      if (request === undefined) return;
      this.#running.set(request.key, request);
      const definition = this.#catalogue.get(request.key);
      const seconds = (definition?.seconds ?? 0) * this.#options.slowness * (0.5 + this.#world.random.next());
      const start = this.#options.role.platform.clock.time();
      this.#later(seconds, () => this.#end(request, start));
    }
  }

  #end(request: ExecutionRequest, start: number): void {
    this.#running.delete(request.key);
    this.#give({ request, ran: { start, stop: this.#options.role.platform.clock.time() } });
    this.#begin();
  }

  #give(ended: Ended): void {
    this.#ended.push(ended);
    if (this.#ended.length === 1) this.#later(this.#world.delay(0.0005), () => this.#flush());
  }

  #flush(): void {
    const batch = this.#ended.map((ended) => this.#outcomeOf(ended));
    this.#ended = [];
    if (batch.length > 0) this.#options.onOutcomes(batch);
  }

  #outcomeOf({ request, ran }: Ended): ExecutionOutcome {
    const { key, runId } = request;
    if (ran === undefined) return { kind: "withdrawn", key, runId };
    const definition = this.#catalogue.get(key);
    check(definition !== undefined, () => `${this.#name} runs "${key}", which nobody submitted`);
    const common = { key, runId, ...ran, thread: 1 };
    if (!this.#catalogue.failsNow(definition)) {
      const result = packValue(mixValue(key, inputsOf(definition, request.dependencies)), definition.nbytes);
      return { kind: "success", ...common, result, typename: "Array" };
    }
    const error = errorOf(key);
    return { kind: "failure", ...common, error, exceptionText: errorTextOf(key), tracebackText: "" };
  }
}

function inputsOf(
  { dependencies }: Definition,
  given: readonly (readonly [Key, Serialized])[],
): number[] {
  return dependencies.map((one) => unpackResult(given.find(([name]) => name === one.key)?.[1]));
}

function errorOf(key: Key): Serialized {
  const error = new Error(errorTextOf(key));
  error.stack = "";
  return encodeError(error);
}
