/**
 * Futures in nested structures.
 *
 * @module
 */

import { isRecord } from "../../messages/common.ts";
import { Future } from "../futures/future.ts";

/** Index in an array, name of a property, or index of an entry in a Map. */
export type Step = string | number;

/** Returns the replacement of a Future. `path` is reused: copy it to keep it. */
export type Replace = (future: Future<unknown>, path: readonly Step[]) => unknown;

/** Options of {@linkcode replaceFutures}. */
export interface ReplaceOptions {
  /** Whether Futures in Sets are replaced; if not, they are refused. Default: true. */
  readonly sets?: boolean;
  /** Name of the whole value in messages. Default: `"value"`. */
  readonly root?: string;
}

/**
 * Returns `value` with every Future replaced by the result of `replace`, in order. Futures can be in arrays,
 * plain objects, Sets and values of Maps, at any depth; other objects are opaque. Only containers with
 * Futures inside are copied. A cycle is not followed: Futures that are reached only through one are not
 * replaced.
 *
 * @throws {TypeError} If a Future is a property of another object, or a key of a Map; the message has the
 * path.
 */
export function replaceFutures(value: unknown, replace: Replace, options: ReplaceOptions = {}): unknown {
  if (typeof value !== "object" || value === null) return value;
  return new Walk(replace, options).at(value);
}

/** Returns a path as text: `value.rows[0]`. */
export function pathText(root: string, path: readonly Step[]): string {
  let text = root;
  for (const step of path) text += typeof step === "number" ? `[${step}]` : `.${step}`;
  return text;
}

class Walk {
  #replace: Replace;
  #path: Step[] = [];
  /** Containers on the current path. */
  #open = new Set<object>();

  readonly #takesSets: boolean;
  readonly #root: string;

  constructor(replace: Replace, options: ReplaceOptions) {
    this.#replace = replace;
    this.#takesSets = options.sets ?? true;
    this.#root = options.root ?? "value";
  }

  at(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof Future) return this.#replace(value, this.#path);
    if (this.#open.has(value)) return value;
    this.#open.add(value);
    const result = Array.isArray(value)
      ? this.#array(value)
      : value instanceof Map
      ? this.#map(value)
      : value instanceof Set
      ? this.#set(value)
      : isRecord(value)
      ? this.#record(value)
      : this.#opaque(value);
    this.#open.delete(value);
    return result;
  }

  #array(array: readonly unknown[]): unknown {
    let copy: unknown[] | undefined;
    for (let i = 0; i < array.length; i++) {
      const inside = this.#step(array[i], i);
      if (inside !== array[i]) (copy ??= [...array])[i] = inside;
    }
    return copy ?? array;
  }

  #map(map: ReadonlyMap<unknown, unknown>): unknown {
    let copy: Map<unknown, unknown> | undefined;
    let i = 0;
    for (const [key, entry] of map) {
      if (key instanceof Future) throw this.#misplaced(key, [...this.#path, i], "a key of a Map");
      const inside = this.#step(entry, i++);
      if (inside !== entry) (copy ??= new Map(map)).set(key, inside);
    }
    return copy ?? map;
  }

  #set(set: ReadonlySet<unknown>): unknown {
    let i = 0;
    let hasFuture = false;
    const items: unknown[] = [];
    const replace = this.#replace;
    if (!this.#takesSets) {
      this.#replace = (future) => {
        throw this.#misplaced(future, this.#path, "in a Set");
      };
    }
    for (const item of set) {
      const inside = this.#step(item, i++);
      hasFuture ||= inside !== item;
      items.push(inside);
    }
    this.#replace = replace;
    return hasFuture ? new Set(items) : set;
  }

  /** Checks the direct properties of an opaque object for Futures, which would not be replaced. */
  #opaque(value: object): unknown {
    if (ArrayBuffer.isView(value)) return value;
    for (const [name, inside] of Object.entries(value)) {
      if (inside instanceof Future) {
        throw this.#misplaced(inside, [...this.#path, name], "in an instance of a class");
      }
    }
    return value;
  }

  #misplaced(future: Future<unknown>, path: readonly Step[], where: string): TypeError {
    const place = pathText(this.#root, path);
    return new TypeError(
      `Cannot put a value in the place of the Future "${future.key}" at "${place}", as it is ${where}: ` +
        `Futures may stand in arrays, plain objects, and values of Maps`,
    );
  }

  #record(record: Readonly<Record<string, unknown>>): unknown {
    let copy: Record<string, unknown> | undefined;
    for (const name of Object.keys(record)) {
      const inside = this.#step(record[name], name);
      if (inside !== record[name]) (copy ??= { ...record })[name] = inside;
    }
    return copy ?? record;
  }

  #step(value: unknown, step: Step): unknown {
    if (typeof value !== "object" || value === null) return value;
    this.#path.push(step);
    const inside = this.at(value);
    this.#path.pop();
    return inside;
  }
}
