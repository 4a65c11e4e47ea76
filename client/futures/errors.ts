/**
 * Errors that a client's waits reject with.
 *
 * @module
 */

import { CommClosed } from "../../comm/errors.ts";
import { DistributedError } from "../../internal/errors.ts";
import type { Address, Key } from "../../messages/common.ts";
import type { RemoteErrorInfo } from "../../protocol/remote_error.ts";

const ofTask = Symbol("error of a task");

/**
 * A task failed. This error has the name, message, stack and `cause` of the error in the task. It is also an
 * instance of the remote error's class if that is a built-in class here, so `error instanceof RangeError`
 * works.
 *
 * ```ts
 * import { Client, TaskError } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * const future = client.submit((text: string) => JSON.parse(text), "{");
 * try {
 *   await future.result();
 * } catch (error) {
 *   console.log(error instanceof SyntaxError); // true
 *   if (error instanceof TaskError) console.log(error.key === future.key, error.remoteName); // true SyntaxError
 * }
 * ```
 */
export class TaskError extends DistributedError {
  /** Key of the task that failed. A task that depends on it fails with the same error. */
  readonly key: Key;
  /** Class of the remote error, such as `"RangeError"` or Python's `"ValueError"`. */
  readonly remoteName: string;

  /** Made by the client. */
  constructor(key: Key, remoteName: string, message: string, options?: ErrorOptions) {
    super("TASK_ERROR", message, options);
    this.key = key;
    this.remoteName = remoteName;
    Object.defineProperty(this, ofTask, { value: true });
  }

  /** True for every error that comes from a task, whatever its class. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== TaskError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && ofTask in value;
  }
}

/**
 * A task was cancelled, its Future was released, or the client was closed.
 *
 * ```ts
 * import { CancelledError, Client } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * const future = client.submit(() => new Promise<never>(() => {}));
 * await future.cancel();
 * const error = await future.result().catch((reason: unknown) => reason);
 * console.log(error instanceof CancelledError, future.status); // true cancelled
 * ```
 */
export class CancelledError extends DistributedError {
  /** Name of the task. */
  readonly key: Key;

  /** Made by the client. */
  constructor(key: Key, reason: string | undefined) {
    super("CANCELLED", `Task "${key}" was cancelled${reason === undefined ? "" : `: ${reason}`}`);
    this.key = key;
  }
}

/**
 * Too many workers died while they ran this task.
 *
 * ```ts
 * import { Client, KilledWorker } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * const error = await client.submit((x: number) => x + 1, 1).exception();
 * if (error instanceof KilledWorker) console.error(`Look at the log of ${error.lastWorker}`);
 * console.log(error); // undefined
 * ```
 */
export class KilledWorker extends TaskError {
  /** `"KILLED_WORKER"`. */
  override readonly code: string = "KILLED_WORKER";
  /** Address of the last worker that died, if the scheduler's message names it. */
  readonly lastWorker: Address | undefined;

  /** Made by the client. */
  constructor(key: Key, message: string, options?: ErrorOptions) {
    super(key, "KilledWorker", message, options);
    this.lastWorker = /The last one was (\S+?)\.(?:\s|$)/.exec(message)?.[1] as Address | undefined;
  }
}

/**
 * The link to the scheduler is gone, or the client was closed. This is final, because a client does not
 * reconnect: its Futures are cancelled, and the program needs a new client.
 *
 * ```ts
 * import { Client, SchedulerClosed } from "jsr:@dask/distributed";
 *
 * const client = await Client.connect();
 * await client.close();
 * try {
 *   client.submit((x: number) => x + 1, 1);
 * } catch (error) {
 *   console.log(error instanceof SchedulerClosed); // true
 * }
 * ```
 */
export class SchedulerClosed extends CommClosed {
  /** `"SCHEDULER_CLOSED"`. */
  override readonly code: string = "SCHEDULER_CLOSED";

  /** Made by the client. */
  constructor(address: Address, message: string, options?: ErrorOptions) {
    super(address, message, options);
  }
}

type ErrorClass = new (message: string, options?: ErrorOptions) => Error;

const BUILTIN: Readonly<Record<string, ErrorClass>> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** Rebuilds the error of the task `key`. */
export function taskError(key: Key, info: RemoteErrorInfo): Error {
  const options = info.cause === undefined ? undefined : { cause: plainError(info.cause) };
  const builtin = Object.hasOwn(BUILTIN, info.name) ? BUILTIN[info.name] : undefined;
  const error = builtin !== undefined
    ? new (taskErrorClass(builtin))(key, info.name, info.message, options)
    : info.name === "KilledWorker"
    ? new KilledWorker(key, info.message, options)
    : new TaskError(key, info.name, info.message, options);
  return dressed(error, info);
}

/** Returns a cause as an error of its class, if that is a builtin. */
function plainError(info: RemoteErrorInfo): Error {
  const builtin = Object.hasOwn(BUILTIN, info.name) ? BUILTIN[info.name] : undefined;
  const options = info.cause === undefined ? undefined : { cause: plainError(info.cause) };
  return dressed(new (builtin ?? Error)(info.message, options), info);
}

/** Sets the remote name and stack. */
function dressed(error: Error, info: RemoteErrorInfo): Error {
  const hidden = { configurable: true, writable: true };
  Object.defineProperty(error, "name", { ...hidden, value: info.name });
  const stack = info.stack ?? `${info.name}: ${info.message}`;
  Object.defineProperty(error, "stack", { ...hidden, value: stack });
  return error;
}

type TaskErrorClass = new (key: Key, remoteName: string, message: string, options?: ErrorOptions) => Error;

const classes = new Map<ErrorClass, TaskErrorClass>();

/** Returns the subclass of a builtin error that also counts as a {@linkcode TaskError}. */
function taskErrorClass(builtin: ErrorClass): TaskErrorClass {
  let made = classes.get(builtin);
  if (made === undefined) {
    made = class extends builtin {
      readonly code = "TASK_ERROR";
      readonly key: Key;
      readonly remoteName: string;

      constructor(key: Key, remoteName: string, message: string, options?: ErrorOptions) {
        super(message, options);
        this.key = key;
        this.remoteName = remoteName;
        Object.defineProperty(this, ofTask, { value: true });
      }
    };
    Object.defineProperty(made, "name", { value: builtin.name }); // shown by inspect
    classes.set(builtin, made);
  }
  return made;
}
