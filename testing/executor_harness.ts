/**
 * A real executor for tests.
 *
 * @module
 */

import { assert } from "@std/assert";
import { functionBody } from "../client/functions/function_source.ts";
import type { Key } from "../messages/common.ts";
import type { Reference } from "../messages/run_spec.ts";
import { deserializeValue, serializeArguments, serializeValue } from "../protocol/values.ts";
import type {
  ExecutionFailure,
  ExecutionOutcome,
  ExecutionRequest,
  ExecutionSuccess,
} from "../worker/executor/executor.ts";
import { ThreadExecutor, type ThreadExecutorOptions } from "../worker/executor/threads/thread_executor.ts";

/** Any function. */
export type AnyFunction = (...args: never[]) => unknown;

/** What a request may say beside function and arguments. */
export interface Given {
  /** Its key; default: a new one. */
  readonly key?: string;
  /** Places for results. */
  readonly references?: readonly (readonly [string, ...(string | number)[]])[];
  /** Results by key. */
  readonly results?: Readonly<Record<string, unknown>>;
}

/** A real executor, and the outcomes of its tasks by key. */
export class Harness implements AsyncDisposable {
  /** The executor. */
  readonly executor: ThreadExecutor;
  /** Sizes of the batches that outcomes came in. */
  readonly batches: number[];
  readonly #outcomes: Map<string, ExecutionOutcome>;
  readonly #waiting: Map<string, (outcome: ExecutionOutcome) => void>;
  #runId = 0;

  private constructor(
    executor: ThreadExecutor,
    batches: number[],
    outcomes: Map<string, ExecutionOutcome>,
    waiting: Map<string, (outcome: ExecutionOutcome) => void>,
  ) {
    this.executor = executor;
    this.batches = batches;
    this.#outcomes = outcomes;
    this.#waiting = waiting;
  }

  /** Starts an executor of one thread, unless `options` say otherwise. */
  static async start(options: Partial<ThreadExecutorOptions> = {}): Promise<Harness> {
    const batches: number[] = [];
    const outcomes = new Map<string, ExecutionOutcome>();
    const waiting = new Map<string, (outcome: ExecutionOutcome) => void>();
    const executor = await ThreadExecutor.start({
      nthreads: 1,
      ...options,
      onOutcomes: (batch) => {
        batches.push(batch.length);
        for (const outcome of batch) {
          outcomes.set(outcome.key, outcome);
          waiting.get(outcome.key)?.(outcome);
        }
      },
    });
    return new Harness(executor, batches, outcomes, waiting);
  }

  /** A request; the function is added. */
  request(fn: AnyFunction, args: readonly unknown[], given: Given = {}): ExecutionRequest {
    const { hash, body } = functionBody(fn);
    this.executor.addFunction(hash, body);
    if (given.key !== undefined) this.#outcomes.delete(given.key);
    const runId = ++this.#runId;
    return {
      key: (given.key ?? `task-${runId}`) as Key,
      runId,
      functionHash: hash,
      args: serializeArguments(args),
      references: (given.references ?? []) as unknown as readonly Reference[],
      dependencies: Object.entries(given.results ?? {}).map((
        [key, value],
      ) => [key as Key, serializeValue(value)]),
    };
  }

  /** The outcome of a task, once it is there. */
  outcome(key: string): Promise<ExecutionOutcome> {
    const known = this.#outcomes.get(key);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => this.#waiting.set(key, resolve));
  }

  /** Whether a task has ended. */
  has(key: string): boolean {
    return this.#outcomes.has(key);
  }

  /** Runs a function and gives its value. */
  async run(fn: AnyFunction, args: readonly unknown[] = [], given: Given = {}): Promise<unknown> {
    const request = this.request(fn, args, given);
    this.executor.execute([request]);
    return deserializeValue(success(await this.outcome(request.key)).result);
  }

  /** Runs a function that fails and gives its failure. */
  async fail(fn: AnyFunction, args: readonly unknown[] = [], given: Given = {}): Promise<ExecutionFailure> {
    const request = this.request(fn, args, given);
    this.executor.execute([request]);
    return failure(await this.outcome(request.key));
  }

  /** Closes the executor. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.executor.close();
  }
}

/** Asserts that a task returned. */
export function success(outcome: ExecutionOutcome): ExecutionSuccess {
  assert(outcome.kind === "success", outcome.kind === "failure" ? outcome.tracebackText : outcome.kind);
  return outcome;
}

/** Asserts that a task failed. */
export function failure(outcome: ExecutionOutcome): ExecutionFailure {
  assert(outcome.kind === "failure", `task "${outcome.key}" did not fail`);
  return outcome;
}

/** Tasks and tests wait for each other by a file that has text in it. */
export async function waitForFile(path: string): Promise<string> {
  for (;;) {
    const text = await Deno.readTextFile(path).catch(() => "");
    if (text !== "") return text;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
