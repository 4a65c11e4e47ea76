/**
 * Types for Futures in place of values, and for their results.
 *
 * @module
 */

import type { Future } from "../futures/future.ts";

/** Values in which no Futures are searched. */
export type Opaque =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | Date
  | ArrayBuffer
  | ArrayBufferView
  | ((...args: never[]) => unknown);

/** `T`, or a Future of `T`, or `T` with Futures instead of nested values. */
export type Unresolved<T> =
  | T
  | Future<T>
  | (T extends Opaque ? never
    : T extends ReadonlyMap<infer K, infer V> ? ReadonlyMap<K, Unresolved<V>>
    : T extends readonly unknown[] ? { readonly [I in keyof T]: Unresolved<T[I]> }
    : T extends object ? { readonly [P in keyof T]: Unresolved<T[P]> }
    : never);

/** The type of a value after all Futures in it were replaced by their results. */
export type Resolved<T> = T extends Future<infer R> ? R
  : T extends Opaque ? T
  : T extends readonly unknown[] ? { -readonly [I in keyof T]: Resolved<T[I]> }
  : T extends Map<infer K, infer V> ? Map<K, Resolved<V>>
  : T extends Set<infer V> ? Set<Resolved<V>>
  : T extends IterableIterator<infer V> ? Resolved<V>[]
  : T extends object ? { -readonly [P in keyof T]: Resolved<T[P]> }
  : T;

/** Arguments of a task: `P`, in which Futures can stand for values. */
export type TaskArgs<P extends readonly unknown[]> = { [I in keyof P]: Unresolved<P[I]> };

/** Submits tasks with a fixed set of options. */
export interface Submitter {
  /** Runs `fn(...args)` on a worker and returns a Future at once. The message is sent with the next batch. */
  submit<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...args: TaskArgs<NoInfer<P>>
  ): Future<Awaited<R>>;
  /**
   * Calls `fn` once per element of the iterables, taking one element from each, until the shortest ends. All
   * tasks are sent as one message.
   */
  map<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...iterables: { [I in keyof P]: Iterable<Unresolved<NoInfer<P>[I]>> }
  ): Future<Awaited<R>>[];
}
