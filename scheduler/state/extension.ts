/**
 * Extensions of the machine. An extension has its own operations and state; hooks tell it when tasks, clients
 * and workers come and go. Extensions are passed to the constructor; none registers itself.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { ClientReleasesFunctions, UpdateGraph } from "../../messages/client_scheduler.ts";
import type { FunctionHash } from "../../messages/common.ts";
import type { ClientState } from "./client_state.ts";
import type { SchedulerMachine } from "./machine.ts";
import type { TaskGroup } from "./task_group.ts";
import type { TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** Messages of clients that extensions handle. The machine handles all others. */
export type ExtensionMessage = ClientReleasesFunctions;

/** Handlers of {@linkcode ExtensionMessage}s, by operation. */
export type ExtensionHandlers = {
  readonly [Message in ExtensionMessage as Message["op"]]?: (
    m: SchedulerMachine,
    cs: ClientState,
    message: Message,
  ) => void;
};

/** Throws if `condition` is false; `what` names the broken invariant. */
export type Check = (condition: boolean, what: string) => void;

/** An extension. All hooks are called while a stimulus is handled, and may send messages. */
export interface Extension {
  /** Handlers of clients' messages, by operation. */
  readonly clientStream: ExtensionHandlers;
  /** A client sent a graph; its tasks are not created yet. */
  graphArrived?(m: SchedulerMachine, cs: ClientState, message: UpdateGraph): void;
  /** Returns why no task of this function can run; undefined if they can. */
  refusal?(hash: FunctionHash): string | undefined;
  /** A worker is about to be told to run a task. */
  taskPlaced?(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void;
  /** The last task of a group was forgotten. */
  groupEnded?(m: SchedulerMachine, group: TaskGroup): void;
  /** A client left, and all keys that it wanted were released. */
  clientLeft?(m: SchedulerMachine, cs: ClientState): void;
  /** A worker left; messages to it are not sent any more. */
  workerLeft?(m: SchedulerMachine, ws: WorkerState): void;
  /** Checks what must hold between two stimuli. */
  validate?(m: SchedulerMachine, check: Check): void;
}

/** The extensions of a machine, called in the order in which they were given. */
export class Extensions {
  readonly #all: readonly Extension[];

  /** Joins extensions. Each operation is handled by one of them. */
  constructor(all: readonly Extension[]) {
    const ops = all.flatMap((extension) => Object.keys(extension.clientStream));
    assert(new Set(ops).size === ops.length, () => `Two extensions handle the same of ${ops.join(", ")}`);
    this.#all = all;
  }

  /** Passes a client's message to the extension that handles it. */
  handle(m: SchedulerMachine, cs: ClientState, message: ExtensionMessage): void {
    for (const { clientStream } of this.#all) clientStream[message.op]?.(m, cs, message);
  }

  /** See {@linkcode Extension.graphArrived}. */
  graphArrived(m: SchedulerMachine, cs: ClientState, message: UpdateGraph): void {
    for (const extension of this.#all) extension.graphArrived?.(m, cs, message);
  }

  /** The first {@linkcode Extension.refusal}; empty if there is none. */
  refusal(hash: FunctionHash): string {
    for (const extension of this.#all) {
      const reason = extension.refusal?.(hash);
      if (reason !== undefined) return reason;
    }
    return "";
  }

  /** See {@linkcode Extension.taskPlaced}. */
  taskPlaced(m: SchedulerMachine, ts: TaskState, ws: WorkerState): void { // hot: per task
    for (let i = 0; i < this.#all.length; i++) this.#all[i]?.taskPlaced?.(m, ts, ws);
  }

  /** See {@linkcode Extension.groupEnded}. */
  groupEnded(m: SchedulerMachine, group: TaskGroup): void {
    for (const extension of this.#all) extension.groupEnded?.(m, group);
  }

  /** See {@linkcode Extension.clientLeft}. */
  clientLeft(m: SchedulerMachine, cs: ClientState): void {
    for (const extension of this.#all) extension.clientLeft?.(m, cs);
  }

  /** See {@linkcode Extension.workerLeft}. */
  workerLeft(m: SchedulerMachine, ws: WorkerState): void {
    for (const extension of this.#all) extension.workerLeft?.(m, ws);
  }

  /** See {@linkcode Extension.validate}. */
  validate(m: SchedulerMachine, check: Check): void {
    for (const extension of this.#all) extension.validate?.(m, check);
  }
}
