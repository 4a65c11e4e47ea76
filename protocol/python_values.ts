/**
 * Converts values that Python pickled to plain JavaScript values.
 *
 * @module
 */

import { ownBytes } from "./payload.ts";
import { PyGlobal, PyObject, PyTuple } from "./pickle.ts";
import { SerializationError } from "./serialized.ts";

const DEPTH_MAX = 500;

/**
 * Converts a decoded pickle: tuples become arrays; dicts become plain objects if all keys are strings.
 *
 * @throws {SerializationError} If it contains anything but Python's simple builtins; the message names the
 * class.
 */
export function plainFromPython(value: unknown): unknown {
  return convert(value, new Map(), 0);
}

/** Returns `module.name` of the class or function of `value`, for messages. */
export function pythonNameOf(value: unknown): string {
  if (value instanceof PyGlobal) return value.path;
  if (value instanceof PyObject) return pythonNameOf(value.callable);
  return "object";
}

function convert(value: unknown, done: Map<object, unknown>, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return ownBytes(value);
  if (depth > DEPTH_MAX) {
    throw new SerializationError(`Cannot read a pickle: nested deeper than ${DEPTH_MAX}`);
  }
  const known = done.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value) || value instanceof PyTuple) {
    const list: unknown[] = [];
    done.set(value, list);
    for (const item of Array.isArray(value) ? value : value.items) list.push(convert(item, done, depth + 1));
    return list;
  }
  if (value instanceof Map) return convertDict(value, done, depth);
  if (value instanceof Set) {
    const set = new Set<unknown>();
    done.set(value, set);
    for (const item of value) set.add(convert(item, done, depth + 1));
    return set;
  }
  const called = value instanceof PyObject ? convertCall(value, done, depth) : undefined;
  if (called !== undefined) return called;
  throw new SerializationError(
    `Cannot read a value of Python's class "${
      pythonNameOf(value)
    }": only None, bool, int, float, str, bytes, list, ` +
      `tuple, dict and set can be read here; convert it in the task that makes it`,
  );
}

function convertDict(value: Map<unknown, unknown>, done: Map<object, unknown>, depth: number): unknown {
  let isRecord = true;
  for (const key of value.keys()) if (typeof key !== "string") isRecord = false;
  if (!isRecord) {
    const map = new Map<unknown, unknown>();
    done.set(value, map);
    for (const [key, entry] of value) map.set(convert(key, done, depth + 1), convert(entry, done, depth + 1));
    return map;
  }
  const record: Record<string, unknown> = {};
  done.set(value, record);
  for (const [key, entry] of value) {
    const converted = convert(entry, done, depth + 1);
    Object.defineProperty(record, String(key), {
      value: converted,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return record;
}

/** Converts builtins that older protocols write as calls. */
function convertCall(object: PyObject, done: Map<object, unknown>, depth: number): unknown {
  const [first] = object.args;
  switch (pythonNameOf(object)) {
    case "builtins.bytearray":
    case "builtins.bytes":
    case "__builtin__.bytearray":
      return object.args.length === 0 ? new Uint8Array(0) : convert(first, done, depth + 1);
    case "_codecs.encode":
      return typeof first === "string" ? Uint8Array.from(first, (c) => c.charCodeAt(0)) : undefined;
    case "builtins.set":
    case "builtins.frozenset":
    case "__builtin__.set":
    case "__builtin__.frozenset":
      return Array.isArray(first) ? convert(new Set(first), done, depth + 1) : undefined;
    default:
      return undefined;
  }
}
