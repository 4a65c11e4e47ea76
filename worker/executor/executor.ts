/**
 * What runs tasks for a worker: the interface between the worker's main thread, which keeps values as frames,
 * and whatever decodes them, calls the function, and encodes its result. `inside/` is the code that runs
 * there beside the user's; `threads/` runs it in threads of this process.
 *
 * @module
 */

import type { FunctionHash, Key } from "../../messages/common.ts";
import type { Reference, TaskArguments } from "../../messages/run_spec.ts";
import type { Serialized } from "../../protocol/serialized.ts";

/** One task to run, with everything it needs as frames. */
export interface ExecutionRequest {
  /** Task. At most one request per key is in an executor at a time. */
  readonly key: Key;
  /** Returned with the outcome, so that late ones are told apart. */
  readonly runId: number;
  /** Function; its body was given by {@linkcode Executor.addFunction} before. */
  readonly functionHash: FunctionHash;
  /** Arguments as the client serialized them. */
  readonly args: TaskArguments;
  /** Places in the arguments that take results of other tasks. */
  readonly references: readonly Reference[];
  /** The result of every key that `references` names. */
  readonly dependencies: readonly (readonly [Key, Serialized])[];
}

/** A task returned. */
export interface ExecutionSuccess {
  /** Always `"success"`. */
  readonly kind: "success";
  /** Task. */
  readonly key: Key;
  /** Echo of {@linkcode ExecutionRequest.runId}. */
  readonly runId: number;
  /** What it returned; its frames belong to the receiver. */
  readonly result: Serialized;
  /** Name of the result's type. */
  readonly typename: string;
  /** Begin, seconds since the epoch. */
  readonly start: number;
  /** End, seconds since the epoch. */
  readonly stop: number;
  /** Number of the thread, the first is 1. */
  readonly thread: number;
}

/** A task threw, could not be called, or its thread ended under it. */
export interface ExecutionFailure {
  /** Always `"failure"`. */
  readonly kind: "failure";
  /** Task. */
  readonly key: Key;
  /** Echo of {@linkcode ExecutionRequest.runId}. */
  readonly runId: number;
  /** The error as `protocol/remote_error.ts` encodes it. */
  readonly error: Serialized;
  /** Short text: class and message. */
  readonly exceptionText: string;
  /** Stack, or nothing. */
  readonly tracebackText: string;
  /** Begin, seconds since the epoch. */
  readonly start: number;
  /** End, seconds since the epoch. */
  readonly stop: number;
  /** Number of the thread, the first is 1. */
  readonly thread: number;
}

/** A request was taken back before it began: it has not run, and never will. */
export interface ExecutionWithdrawal {
  /** Always `"withdrawn"`. */
  readonly kind: "withdrawn";
  /** Task. */
  readonly key: Key;
  /** Echo of {@linkcode ExecutionRequest.runId}. */
  readonly runId: number;
}

/** How a request ended. */
export type ExecutionOutcome = ExecutionSuccess | ExecutionFailure | ExecutionWithdrawal;

/** Runs tasks, at most `nthreads` at a time. */
export interface Executor extends AsyncDisposable {
  /** Tasks that run at the same time. */
  readonly nthreads: number;
  /** Takes over requests, in order of priority. Every one of them ends in one outcome. */
  execute(batch: readonly ExecutionRequest[]): void;
  /**
   * Asks for requests that have not begun to be taken back. What could be ends as `"withdrawn"`, and
   * everything else as it would have; neither before this returns.
   */
  withdraw(keys: readonly Key[]): void;
  /** Keeps the body of a function (`docs/wire.md`); tasks that are executed from now on may name it. */
  addFunction(hash: FunctionHash, body: Uint8Array): void;
  /** Drops a body. Requests that were taken over before still run. */
  removeFunction(hash: FunctionHash): void;
  /** Ends the threads; what has not ended by then has no outcome. Idempotent. */
  close(): Promise<void>;
}

/** What an executor is started with. */
export interface ExecutorOptions {
  /** Tasks that run at the same time. */
  readonly nthreads: number;
  /** Takes outcomes, as many as came at once. May call `execute` and `withdraw`. */
  readonly onOutcomes: (outcomes: readonly ExecutionOutcome[]) => void;
}

/** Starts an executor, and resolves when it takes requests. */
export type StartExecutor = (options: ExecutorOptions) => Promise<Executor>;
