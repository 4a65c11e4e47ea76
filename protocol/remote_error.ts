/**
 * Encodes and decodes errors: of tasks, and of RPC replies.
 *
 * An error is sent as a payload with a pickled exception, as Dask expects (`distributed/core.py`,
 * `error_message`, `clean_exception`). This package writes one of Python's builtin exceptions, with the
 * JavaScript error in its attribute `javascript`. Python raises the builtin; {@linkcode decodeError} reads
 * the attribute. Decoding never runs anything that a pickle names.
 *
 * @module
 */

import { decodePickle, PyGlobal, PyObject, PyTuple } from "./pickle.ts";
import { encodePickle } from "./pickle_encode.ts";
import { joinFrames } from "./payload.ts";
import { pythonNameOf } from "./python_values.ts";
import { Pickled, Serialized } from "./serialized.ts";
import { bytesPayload, deserializeValue } from "./values.ts";

/** Facts about an error in another process. */
export interface RemoteErrorInfo {
  /** Class, such as `RangeError`, or Python's `ValueError`. */
  readonly name: string;
  /** Message. */
  readonly message: string;
  /** Stack as text. */
  readonly stack?: string;
  /** The error that caused it. */
  readonly cause?: RemoteErrorInfo;
  /** Whether it is a Python exception. */
  readonly python?: boolean;
}

/** Longer messages are cut (`distributed.admin.max-error-length`). */
const MESSAGE_MAX = 10_000;
const STACK_MAX = 20_000;
const CAUSES_MAX = 8;

/** Python's class for each JavaScript class; others become `RuntimeError`. */
const PYTHON_CLASS: Readonly<Record<string, string>> = {
  PermissionError: "PermissionError",
  RangeError: "ValueError",
  ReferenceError: "NameError",
  SyntaxError: "SyntaxError",
  TypeError: "TypeError",
};

/** Returns facts about any thrown value. */
export function errorInfo(error: unknown): RemoteErrorInfo {
  return describe(error, 0);
}

function describe(error: unknown, depth: number): RemoteErrorInfo {
  if (typeof error !== "object" || error === null) {
    return { name: "Error", message: cut(textOf(error), MESSAGE_MAX) };
  }
  const name = read(error, "name");
  const message = read(error, "message");
  const stack = read(error, "stack");
  const cause = read(error, "cause");
  return {
    name: typeof name === "string" && name !== "" ? cut(name, 200) : "Error",
    message: cut(typeof message === "string" ? message : textOf(error), MESSAGE_MAX),
    ...(typeof stack === "string" ? { stack: cut(stack, STACK_MAX) } : {}),
    ...(cause === undefined || depth >= CAUSES_MAX ? {} : { cause: describe(cause, depth + 1) }),
  };
}

/** Reads a field of a thrown value, which can be any object, even one whose getters throw. */
function read(error: object, field: string): unknown {
  try {
    return Reflect.get(error, field);
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `a thrown ${typeof value}`;
  }
}

function cut(text: string, max: number): string {
  const whole = text.toWellFormed();
  return whole.length <= max
    ? whole
    : `${whole.slice(0, max).toWellFormed()}… (${whole.length - max} characters more)`;
}

/** Encodes `error` for the field `exception` of a failed task or of an error reply. */
export function encodeError(error: unknown): Serialized {
  const info = errorInfo(error);
  const className = Object.hasOwn(PYTHON_CLASS, info.name) ? PYTHON_CLASS[info.name] : undefined;
  const python = className ?? "RuntimeError";
  const text = python === info.name ? info.message : `${info.name}: ${info.message}`;
  const exception = new PyObject(new PyGlobal("builtins", python), [text], { javascript: info });
  return bytesPayload(encodePickle(exception));
}

/**
 * Decodes a payload from {@linkcode encodeError} or from Python. Never throws: a payload that can't be
 * decoded is described.
 */
export function decodeError(payload: unknown): RemoteErrorInfo {
  try {
    return fromPayload(payload);
  } catch (error) {
    return { name: "Error", message: `The remote error can't be read: ${errorInfo(error).message}` };
  }
}

function fromPayload(payload: unknown): RemoteErrorInfo {
  if (typeof payload === "string") return { name: "Error", message: payload };
  if (payload instanceof Uint8Array) return fromPython(decodePickle(payload), 0);
  if (payload instanceof Pickled) {
    const pickle = payload.header["pickled-obj"];
    if (pickle instanceof Uint8Array) return fromPython(decodePickle(pickle, payload.frames), 0);
  }
  if (payload instanceof Serialized) {
    if (payload.header["serializer"] === "pickle") {
      const [pickle, ...buffers] = joinFrames(payload);
      if (pickle !== undefined) return fromPython(decodePickle(pickle, buffers), 0);
    }
    return fromPayload(deserializeValue(payload));
  }
  return {
    name: "Error",
    message: payload === null || payload === undefined ? "Unknown error" : textOf(payload),
  };
}

function fromPython(value: unknown, depth: number): RemoteErrorInfo {
  if (value instanceof Uint8Array && depth < CAUSES_MAX) return fromPython(decodePickle(value), depth + 1);
  if (typeof value === "string") return { name: "Error", message: value, python: true };
  if (!(value instanceof PyObject)) return { name: pythonNameOf(value), message: "", python: true };
  const ours = value.state instanceof Map ? value.state.get("javascript") as unknown : undefined;
  if (ours instanceof Map) return fromAttribute(ours, 0);
  return fromException(value, depth);
}

/** Decodes the attribute that {@linkcode encodeError} writes. */
function fromAttribute(fields: ReadonlyMap<unknown, unknown>, depth: number): RemoteErrorInfo {
  const stack = fields.get("stack");
  const cause = fields.get("cause");
  return {
    name: textOf(fields.get("name")),
    message: textOf(fields.get("message")),
    ...(typeof stack === "string" ? { stack } : {}),
    ...(cause instanceof Map && depth < CAUSES_MAX ? { cause: fromAttribute(cause, depth + 1) } : {}),
  };
}

/** Decodes an exception that was written by `pickle`, or by `tblib.pickling_support`, which Dask installs. */
function fromException(exception: PyObject, depth: number): RemoteErrorInfo {
  const [first, second, third] = exception.args;
  switch (pythonNameOf(exception)) {
    case "tblib.pickling_support.unpickle_exception":
    case "tblib.pickling_support.unpickle_exception_with_attrs":
    case "distributed._tblib_compat.unpickle_exception": {
      const args = second instanceof Map ? second.get("args") as unknown : second;
      return pythonError(classNameOf(first), args instanceof PyTuple ? args.items : [], third, depth);
    }
    default:
      return pythonError(classNameOf(exception.callable), exception.args, undefined, depth);
  }
}

function pythonError(name: string, args: readonly unknown[], cause: unknown, depth: number): RemoteErrorInfo {
  const message = cut(messageOf(name, args), MESSAGE_MAX);
  if (!(cause instanceof PyObject) || depth >= CAUSES_MAX) return { name, message, python: true };
  return { name, message, python: true, cause: fromPython(cause, depth + 1) };
}

/** Returns the class of an exception. A class from a notebook is pickled as a call that creates the class. */
function classNameOf(value: unknown): string {
  if (value instanceof PyGlobal) return value.name;
  if (value instanceof PyObject) {
    const name = value.args.find((arg) => typeof arg === "string");
    if (typeof name === "string") return name;
  }
  return "Exception";
}

/** Returns the same text as Python's `str(exception)`. */
function messageOf(name: string, args: readonly unknown[]): string {
  if (name === "KilledWorker") {
    return `Attempted to run task ${repr(args[0])} several times, but all workers died while running it`;
  }
  if (args.length === 0) return "";
  if (args.length === 1) return typeof args[0] === "string" && name !== "KeyError" ? args[0] : repr(args[0]);
  const isOsError = typeof args[0] === "number" && typeof args[1] === "string" && args.length <= 3;
  if (isOsError) return `[Errno ${args[0]}] ${args[1]}${args[2] === undefined ? "" : `: ${repr(args[2])}`}`;
  return `(${args.map((arg) => repr(arg)).join(", ")})`;
}

const REPR_ITEMS_MAX = 20;
const REPR_DEPTH_MAX = 3;

function repr(value: unknown, depth = 0): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "string") return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return String(value);
  if (depth === REPR_DEPTH_MAX) return "…";
  const items = Array.isArray(value) ? value : value instanceof PyTuple ? value.items : undefined;
  if (items === undefined) {
    return value instanceof Uint8Array ? `${value.length} bytes` : `<${pythonNameOf(value)}>`;
  }
  const texts = items.slice(0, REPR_ITEMS_MAX).map((item) => repr(item, depth + 1));
  if (items.length > REPR_ITEMS_MAX) texts.push("…");
  if (Array.isArray(value)) return `[${texts.join(", ")}]`;
  return `(${texts.join(", ")}${texts.length === 1 ? "," : ""})`;
}

/** Describes any thrown value in one line: `RangeError: Invalid array length`. */
export function errorMessage(error: unknown): string {
  const { name, message } = errorInfo(error);
  return message === "" ? name : `${name}: ${message}`;
}

/** Returns the text of the field `exception_text`: `RangeError("Invalid array length")`. */
export function exceptionText(error: unknown): string {
  const { name, message } = errorInfo(error);
  return `${name}(${JSON.stringify(message)})`;
}

/** Returns the text of the field `traceback_text`: the stacks of an error and of its causes. */
export function tracebackText(error: unknown): string {
  const texts: string[] = [];
  for (let info: RemoteErrorInfo | undefined = errorInfo(error); info !== undefined; info = info.cause) {
    texts.push(info.stack ?? `${info.name}: ${info.message}`);
  }
  return texts.join("\nCaused by: ");
}

/**
 * Returns the reply to a failed RPC (`distributed/core.py`, `error_message`). With `"uncaught-error"` the
 * caller throws; with `"error"` it gets the reply.
 */
export function errorReply(
  error: unknown,
  status: "uncaught-error" | "error" = "uncaught-error",
): Record<string, unknown> {
  return {
    status,
    exception: encodeError(error),
    traceback: null,
    exception_text: exceptionText(error),
    traceback_text: tracebackText(error),
  };
}
