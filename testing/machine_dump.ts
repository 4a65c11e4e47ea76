/**
 * Everything that a state machine holds, as text: two machines are in the same state if their dumps are
 * equal.
 *
 * @module
 */

import { Heap } from "../internal/heap.ts";
import { isRecord } from "../messages/common.ts";

/**
 * Writes a line for each object that can be reached by public fields and iteration, in the order in which
 * they are met. What somebody adds to a machine is in it without being named here. Plain data is written by
 * value, as it may be shared.
 */
export function dumpMachine(root: object): string {
  const numbers = new Map<object, number>([[root, 0]]);
  const describe = (value: unknown): string => {
    if (typeof value === "string") return JSON.stringify(value);
    if (typeof value !== "object" || value === null) return String(value);
    if (value instanceof Uint8Array) return `bytes ${value.toBase64()}`;
    if (Array.isArray(value)) return `[${value.map(describe).join(", ")}]`;
    if (isRecord(value)) return `{${describeFields(value)}}`;
    const number = numbers.get(value) ?? numbers.size;
    numbers.set(value, number);
    return `#${number}`;
  };
  const describeFields = (object: object): string => {
    // A field that is undefined is as good as none, and is none in a journal.
    const fields = Object.entries(object).filter(([, value]) =>
      value !== undefined && typeof value !== "function"
    );
    return fields.map(([name, value]) => `${name}=${describe(value)}`).join(" ");
  };
  const lines: string[] = [];
  for (const [object, number] of numbers) { // which grows meanwhile
    lines.push(`#${number} ${object.constructor.name} ${describeFields(object)}`);
    if (object instanceof Map) {
      for (const [key, value] of object) lines.push(`  ${describe(key)} → ${describe(value)}`);
    } else if (Symbol.iterator in object) {
      for (const item of object as Iterable<unknown>) lines.push(`  ${describe(item)}`);
    } else if (object instanceof Heap) {
      for (const item of object.values()) lines.push(`  ${describe(item)}`);
    }
  }
  return lines.join("\n");
}
