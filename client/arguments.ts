/**
 * Finds Futures in the arguments of a task, and the places they stand in.
 *
 * @module
 */

import { isRecord } from "../messages/common.ts";
import type { Reference } from "../messages/run_spec.ts";
import { Future } from "./future.ts";

/** Arguments without Futures, and where the results of which tasks go. */
export interface ExtractedArguments {
  /** As given if there was no Future in them; else copied as far as needed, with `null` in the place of each. */
  readonly args: readonly unknown[];
  /** Places in `args`. */
  readonly references: readonly Reference[];
}

type Step = string | number;

const NONE: readonly Reference[] = [];

/**
 * Takes the Futures out of `args`. They are looked for in arrays, plain objects and values of Maps, at any
 * depth; anything else is opaque.
 */
export function extractFutures(args: readonly unknown[]): ExtractedArguments {
  if (!args.some((arg) => typeof arg === "object" && arg !== null)) {
    return { args, references: NONE }; // hot: plain arguments
  }
  const references: Reference[] = [];
  const copied = extract(args, [], references, new Set()) as readonly unknown[];
  return { args: copied, references };
}

/** Returns `value` itself if no Future is inside. `open` are the containers that are being walked: cycles hold no Futures. */
function extract(
  value: unknown,
  path: Step[],
  references: Reference[],
  open: Set<object>,
): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Future) {
    references.push([value.key, ...path]);
    return null;
  }
  if (open.has(value)) return value;
  if (Array.isArray(value)) {
    return within(value, open, () => {
      let copy: unknown[] | undefined;
      for (let i = 0; i < value.length; i++) {
        const inside = step(value[i], i, path, references, open);
        if (inside !== value[i]) (copy ??= [...value])[i] = inside;
      }
      return copy ?? value;
    });
  }
  if (value instanceof Map) {
    return within(value, open, () => {
      let copy: Map<unknown, unknown> | undefined;
      let i = 0;
      for (const [key, entry] of value) {
        const inside = step(entry, i++, path, references, open);
        if (inside !== entry) (copy ??= new Map(value)).set(key, inside);
      }
      return copy ?? value;
    });
  }
  if (isRecord(value)) {
    return within(value, open, () => {
      let copy: Record<string, unknown> | undefined;
      for (const name of Object.keys(value)) {
        const inside = step(value[name], name, path, references, open);
        if (inside !== value[name]) (copy ??= { ...value })[name] = inside;
      }
      return copy ?? value;
    });
  }
  return value;
}

function step(
  value: unknown,
  name: Step,
  path: Step[],
  references: Reference[],
  open: Set<object>,
): unknown {
  if (typeof value !== "object" || value === null) return value;
  path.push(name);
  const inside = extract(value, path, references, open);
  path.pop();
  return inside;
}

function within<T>(container: object, open: Set<object>, walk: () => T): T {
  open.add(container);
  const result = walk();
  open.delete(container);
  return result;
}
