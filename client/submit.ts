/**
 * Takes tasks: functions and arguments in, Futures out.
 *
 * @module
 */

import type { GraphAnnotations } from "../messages/client_scheduler.ts";
import { serializeArguments } from "../protocol/values.ts";
import { extractFutures } from "./arguments.ts";
import { functionBody, type NamedFunctionBody } from "./function_source.ts";
import type { Future } from "./future.ts";
import { isolated } from "./isolate.ts";
import type { Session } from "./session.ts";
import type { KeyState } from "./state/client_state.ts";
import { annotationsOf, checkTaskOptions, type TaskOptions } from "./task_options.ts";
import { keyOf, randomToken, taskToken } from "./token.ts";
import type { Submitter, TaskArgs, Unresolved } from "./types.ts";

/** Submits with one set of options. */
export class TaskSubmitter implements Submitter {
  #session: Session;
  #key: string | undefined;
  #isPure: boolean;
  #annotations: GraphAnnotations;
  #cancellation: Cancellation | undefined;

  /** @throws {TypeError} If an option is unknown or has a wrong value. */
  constructor(session: Session, options: TaskOptions) {
    checkTaskOptions(options);
    this.#session = session;
    this.#key = options.key;
    this.#isPure = options.pure ?? true;
    this.#annotations = annotationsOf(options);
    this.#cancellation = options.signal && new Cancellation(session, options.signal);
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
    this.#session.checkOpen();
    this.#cancellation?.signal.throwIfAborted();
    const { args, references } = extractFutures(given);
    const packed = serializeArguments(args);
    const name = this.#key ?? fn.name;
    const key = this.#key !== undefined && !isMapped
      ? keyOf(this.#key)
      : keyOf(name, this.#isPure ? taskToken(fn.hash, packed, references) : randomToken());
    const sent = this.#session.sharesMemory ? isolated(packed) : packed;
    const state = this.#session.submit(fn, [key, sent, references], this.#annotations);
    this.#cancellation?.add(state);
    return this.#session.future(state);
  }
}

/** Cancels what has not ended when a signal is aborted. Listens only while there is something to cancel. */
class Cancellation {
  readonly signal: AbortSignal;
  #session: Session;
  #pending = new Set<KeyState>();

  constructor(session: Session, signal: AbortSignal) {
    this.#session = session;
    this.signal = signal;
  }

  add(state: KeyState): void {
    if (state.ended || this.#pending.has(state)) return;
    if (this.#pending.size === 0) this.signal.addEventListener("abort", this.#onAbort);
    this.#pending.add(state);
    state.watch(() => {
      this.#pending.delete(state);
      if (this.#pending.size === 0) this.signal.removeEventListener("abort", this.#onAbort);
    });
  }

  #onAbort = (): void => {
    const { reason } = this.signal;
    const why = reason instanceof Error ? reason.message : String(reason);
    this.#session.cancel([...this.#pending], { reason: `its signal was aborted: ${why}` });
  };
}

/** Argument lists from iterables in step, as many as the shortest has. */
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
