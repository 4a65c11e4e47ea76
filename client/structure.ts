/**
 * Futures in nested structures.
 *
 * @module
 */

import { isRecord } from "../messages/common.ts";
import { Future } from "./future.ts";

/** Index in an array, name of a property, or index of an entry in a Map. */
export type Step = string | number;

/** Makes what stands in the place of a Future. `path` is reused: copy it to keep it. */
export type Replace = (future: Future<unknown>, path: readonly Step[]) => unknown;

/**
 * `value` with every Future in arrays, plain objects and values of Maps, at any depth, replaced in order by what
 * `replace` returns; anything else is opaque. Containers are copied only as far as a Future is inside. A cycle is
 * not walked twice: Futures that are reached only through one stay as they are.
 */
export function replaceFutures(value: unknown, replace: Replace): unknown {
  if (typeof value !== "object" || value === null) return value;
  return new Walk(replace).at(value);
}

class Walk {
  #replace: Replace;
  #path: Step[] = [];
  /** Containers that are being walked. */
  #open = new Set<object>();

  constructor(replace: Replace) {
    this.#replace = replace;
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
      : isRecord(value)
      ? this.#record(value)
      : value;
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
      const inside = this.#step(entry, i++);
      if (inside !== entry) (copy ??= new Map(map)).set(key, inside);
    }
    return copy ?? map;
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
