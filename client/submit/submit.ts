/**
 * Submits tasks: functions and arguments in, Futures out.
 *
 * @module
 */

import type { Platform } from "../../comm/platform.ts";
import type { GraphAnnotations, TaskRow } from "../../messages/client_scheduler.ts";
import type { Address } from "../../messages/common.ts";
import { serializeArguments } from "../../protocol/values.ts";
import { extractFutures, type Refusal } from "./arguments.ts";
import { functionBody, type NamedFunctionBody } from "../functions/function_source.ts";
import { type CancelOptions, type Future, isReleased, ownerOf } from "../futures/future.ts";
import { isolated } from "./isolate.ts";
import type { KeyState } from "../state/key_state.ts";
import type { FunctionBody } from "../state/stimulus.ts";
import { annotationsOf, checkTaskOptions, type TaskOptions } from "./task_options.ts";
import { keyOf, randomToken, taskToken } from "./token.ts";
import type { Submitter, TaskArgs, Unresolved } from "./types.ts";

/** What a submitter needs from its client. */
export interface SubmitHost {
  /** Source of random keys. */
  readonly platform: Pick<Platform, "ids">;
  /** Scheduler that gets the tasks. */
  readonly schedulerAddress: Address;
  /** Whether payloads must be copied, because the cluster is in this program. */
  readonly sharesMemory: boolean;
  /** @throws {SchedulerClosed} If the session has ended. */
  checkOpen(): void;
  /** Registers a Future of a task. */
  submit(fn: FunctionBody, row: TaskRow, annotations: GraphAnnotations): KeyState;
  /** Returns a Future of `state`. */
  future<T>(state: KeyState): Future<T>;
  /** Calls `watcher` once, when the task ends. The task must not have ended yet. */
  watch(state: KeyState, watcher: () => void): void;
  /** Cancels keys. */
  cancel(states: readonly KeyState[], options: CancelOptions): void;
}

/** Submits with one set of options. */
export class TaskSubmitter implements Submitter {
  #host: SubmitHost;
  #key: string | undefined;
  #isPure: boolean;
  #annotations: GraphAnnotations;
  #cancellation: Cancellation | undefined;
  #refusal: Refusal;

  /** @throws {TypeError} If an option is unknown or has a wrong value. */
  constructor(host: SubmitHost, options: TaskOptions) {
    checkTaskOptions(options);
    this.#host = host;
    this.#refusal = refusalBy(host);
    this.#key = options.key;
    this.#isPure = options.pure ?? true;
    this.#annotations = annotationsOf(options);
    this.#cancellation = options.signal && new Cancellation(host, options.signal);
  }

  /** See {@linkcode Submitter.submit}. */
  submit<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...args: TaskArgs<NoInfer<P>>
  ): Future<Awaited<R>> {
    return this.#submit(functionBody(fn), args as readonly unknown[], false) as Future<Awaited<R>>;
  }

  /** See {@linkcode Submitter.map}. */
  map<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...iterables: { [I in keyof P]: Iterable<Unresolved<NoInfer<P>[I]>> }
  ): Future<Awaited<R>>[] {
    const body = functionBody(fn);
    return zip(iterables as readonly Iterable<unknown>[])
      .map((args) => this.#submit(body, args, true) as Future<Awaited<R>>);
  }

  #submit(fn: NamedFunctionBody, given: readonly unknown[], isMapped: boolean): Future<unknown> {
    this.#host.checkOpen();
    this.#cancellation?.signal.throwIfAborted();
    const { args, references } = extractFutures(given, this.#refusal);
    const packed = serializeArguments(args);
    const name = this.#key ?? fn.name;
    const key = this.#key !== undefined && !isMapped ? keyOf(this.#key) : keyOf(
      name,
      this.#isPure ? taskToken(fn.hash, packed, references) : randomToken(this.#host.platform.ids),
    );
    // Buffers are passed by reference and sent later, but the program may change its memory when this
    // returns.
    const isOwn = packed instanceof Uint8Array && !this.#host.sharesMemory;
    const sent = isOwn ? packed : isolated(packed);
    const state = this.#host.submit(fn, [key, sent, references], this.#annotations);
    this.#cancellation?.add(state);
    return this.#host.future(state);
  }
}

/** Returns a check whether tasks of `host` can take a Future. */
function refusalBy(host: SubmitHost): Refusal {
  return (future) => {
    if (isReleased(future)) return "it was released; release it after the tasks that take it were submitted";
    const { schedulerAddress } = ownerOf(future);
    if (schedulerAddress === host.schedulerAddress) return undefined;
    return `it belongs to the scheduler at "${schedulerAddress}", and this client is connected to ` +
      `"${host.schedulerAddress}"; gather it there and send the value`;
  };
}

/** Cancels tasks that have not ended when a signal is aborted. It listens only while there are such tasks. */
class Cancellation {
  readonly signal: AbortSignal;
  #host: SubmitHost;
  #pending = new Set<KeyState>();

  constructor(host: SubmitHost, signal: AbortSignal) {
    this.#host = host;
    this.signal = signal;
  }

  add(state: KeyState): void {
    if (state.ended || this.#pending.has(state)) return;
    if (this.#pending.size === 0) this.signal.addEventListener("abort", this.#onAbort);
    this.#pending.add(state);
    this.#host.watch(state, () => {
      this.#pending.delete(state);
      if (this.#pending.size === 0) this.signal.removeEventListener("abort", this.#onAbort);
    });
  }

  #onAbort = (): void => {
    const { reason } = this.signal;
    const why = reason instanceof Error ? reason.message : String(reason);
    this.#host.cancel([...this.#pending], { reason: `its signal was aborted: ${why}` });
  };
}

/** Returns argument lists with one element of each iterable, until the shortest ends. */
function zip(iterables: readonly Iterable<unknown>[]): unknown[][] {
  const [first] = iterables;
  if (first === undefined) throw new TypeError("Cannot map over nothing: give an iterable per parameter");
  if (iterables.length === 1) return Array.from(first, (value) => [value]);
  const iterators = iterables.map((iterable) => iterable[Symbol.iterator]());
  const rows: unknown[][] = [];
  for (;;) {
    const row: unknown[] = [];
    for (const iterator of iterators) {
      const next = iterator.next();
      if (next.done === true) {
        for (const other of iterators) if (other !== iterator) other.return?.();
        return rows;
      }
      row.push(next.value);
    }
    rows.push(row);
  }
}
