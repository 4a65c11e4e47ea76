/**
 * Types that let Futures stand in the place of values, and come out as values again.
 *
 * @module
 */

import type { Future } from "../futures/future.ts";

/** Values that Futures are never looked for in. */
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

/** `T`, or a Future of it, or `T` with Futures in the place of any nested values. */
export type Unresolved<T> =
  | T
  | Future<T>
  | (T extends Opaque ? never
    : T extends ReadonlyMap<infer K, infer V> ? ReadonlyMap<K, Unresolved<V>>
    : T extends readonly unknown[] ? { readonly [I in keyof T]: Unresolved<T[I]> }
    : T extends object ? { readonly [P in keyof T]: Unresolved<T[P]> }
    : never);

/** What a value becomes once every Future inside is gathered. */
export type Resolved<T> = T extends Future<infer R> ? R
  : T extends Opaque ? T
  : T extends readonly unknown[] ? { -readonly [I in keyof T]: Resolved<T[I]> }
  : T extends Map<infer K, infer V> ? Map<K, Resolved<V>>
  : T extends Set<infer V> ? Set<Resolved<V>>
  : T extends IterableIterator<infer V> ? Resolved<V>[]
  : T extends object ? { -readonly [P in keyof T]: Resolved<T[P]> }
  : T;

/** Argument list of a task: `P` with Futures allowed anywhere. */
export type TaskArgs<P extends readonly unknown[]> = { [I in keyof P]: Unresolved<P[I]> };

/** Takes tasks. */
export interface Submitter {
  /** Runs `fn(...args)` on a worker. Returns at once: the message leaves with the next batch. */
  submit<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...args: TaskArgs<NoInfer<P>>
  ): Future<Awaited<R>>;
  /** Runs `fn` over iterables in step, as one graph and one message; ends with the shortest. */
  map<P extends readonly unknown[], R>(
    fn: (...args: P) => R,
    ...iterables: { [I in keyof P]: Iterable<Unresolved<NoInfer<P>[I]>> }
  ): Future<Awaited<R>>[];
}
