/**
 * Errors that travel: those of tasks, and those that an RPC is answered with.
 *
 * An error is a payload of bytes, and these are a pickle of an exception, as Dask wants it
 * (`distributed/core.py`, `error_message`, `clean_exception`). Ours is one of Python's builtins with an
 * attribute `javascript` that holds what the error was: Python raises the builtin, and
 * {@linkcode decodeError} reads the attribute. Nothing that a pickle names is ever run.
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
  /** Stack as text, if there is one. */
  readonly stack?: string;
  /** The error that caused it. */
  readonly cause?: RemoteErrorInfo;
  /** Whether it is an exception of Python's. */
  readonly python?: boolean;
}

/** Longer messages are cut (`distributed.admin.max-error-length`). */
const MESSAGE_MAX = 10_000;
const STACK_MAX = 20_000;
const CAUSES_MAX = 8;

/** Python's class for ours; everything else is a `RuntimeError`. */
const PYTHON_CLASS: Readonly<Record<string, string>> = {
  PermissionError: "PermissionError",
  RangeError: "ValueError",
  ReferenceError: "NameError",
  SyntaxError: "SyntaxError",
  TypeError: "TypeError",
};

/** What can be said of anything that was thrown. */
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

/** A field of something that was thrown, which may be anything, such as an object whose getters throw. */
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

/** The payload that tells of `error`: `exception` of a failed task, and of an error reply. */
export function encodeError(error: unknown): Serialized {
  const info = errorInfo(error);
  const className = Object.hasOwn(PYTHON_CLASS, info.name) ? PYTHON_CLASS[info.name] : undefined;
  const python = className ?? "RuntimeError";
  const text = python === info.name ? info.message : `${info.name}: ${info.message}`;
  const exception = new PyObject(new PyGlobal("builtins", python), [text], { javascript: info });
  return bytesPayload(encodePickle(exception));
}

/**
 * What a payload made by {@linkcode encodeError}, or by Python, tells. Never throws: what can't be read is
 * described.
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

/** The attribute that {@linkcode encodeError} writes. */
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

/** An exception as `pickle` writes it, or `tblib.pickling_support`, which Dask installs. */
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

/** Class of an exception; one that was made in a notebook is pickled as a call that makes the class. */
function classNameOf(value: unknown): string {
  if (value instanceof PyGlobal) return value.name;
  if (value instanceof PyObject) {
    const name = value.args.find((arg) => typeof arg === "string");
    if (typeof name === "string") return name;
  }
  return "Exception";
}

/** What Python's `str(exception)` gives. */
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

/** One line that tells of anything that was thrown: `RangeError: Invalid array length`. */
export function errorMessage(error: unknown): string {
  const { name, message } = errorInfo(error);
  return message === "" ? name : `${name}: ${message}`;
}

/** Short text as in the field `exception_text`: `RangeError("Invalid array length")`. */
export function exceptionText(error: unknown): string {
  const { name, message } = errorInfo(error);
  return `${name}(${JSON.stringify(message)})`;
}

/** Stacks of an error and of its causes, as in the field `traceback_text`. */
export function tracebackText(error: unknown): string {
  const texts: string[] = [];
  for (let info: RemoteErrorInfo | undefined = errorInfo(error); info !== undefined; info = info.cause) {
    texts.push(info.stack ?? `${info.name}: ${info.message}`);
  }
  return texts.join("\nCaused by: ");
}

/**
 * The answer to an RPC that failed (`distributed/core.py`, `error_message`). `"uncaught-error"` makes the
 * caller raise; with `"error"` it looks at the reply itself.
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
