/**
 * What a scheduler's shell has to do after a stimulus: messages to send, requests to answer, events to log,
 * and the next deadline.
 *
 * @module
 */

import type { ClientReport } from "../../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import type { HeartbeatWorkerReply } from "../../messages/membership.ts";
import type { WorkerCommand } from "../../messages/worker_scheduler.ts";
import type { WorkerFacts } from "./worker_state.ts";

/** Whether a client was registered. */
export interface ClientRegistration {
  /** Operation of the question. */
  readonly op: "add-client";
  /** Why it was refused; absent if it was registered. */
  readonly refusal?: string;
}

/** Whether a worker was registered. */
export interface WorkerRegistration {
  /** Operation of the question. */
  readonly op: "add-worker";
  /** Why it was refused; absent if it was registered. */
  readonly refusal?: string;
}

/** Answer to a heartbeat. */
export interface HeartbeatAnswer {
  /** Operation of the question. */
  readonly op: "heartbeat";
  /** Reply to send. */
  readonly reply: HeartbeatWorkerReply;
}

/** Tasks that run again. */
export interface Retried {
  /** Operation of the question. */
  readonly op: "retry";
  /** Their keys. */
  readonly keys: readonly Key[];
}

/**
 * Workers that were retired. A worker whose results no other worker can hold keeps running, and is not among
 * them.
 */
export interface Retired {
  /** Operation of the question. */
  readonly op: "retire";
  /** Facts about the workers at their removal, by address. */
  readonly workers: Readonly<Record<Address, WorkerFacts>>;
}

/** Workers that run. */
export interface RunningWorkers {
  /** Operation of the question. */
  readonly op: "wait-for-workers";
  /** Their addresses, sorted; null if too few workers ran in time. */
  readonly workers: readonly Address[] | null;
}

/** Answer to a question. */
export type Answer =
  | ClientRegistration
  | WorkerRegistration
  | HeartbeatAnswer
  | Retried
  | Retired
  | RunningWorkers;

/** The answer to a question with the operation `Op`. */
export type AnswerTo<Op extends Answer["op"]> = Extract<Answer, { readonly op: Op }>;

/** Losses caused by the removal of a worker. */
export interface WorkerLoss {
  /** Results that only this worker held; they are computed again. */
  readonly recomputed: readonly Key[];
  /** Values that only this worker held; no task can compute them again. */
  readonly lost: readonly Key[];
  /** Tasks that failed because too many workers died while they ran them. */
  readonly givenUp: readonly { readonly key: Key; readonly deaths: number }[];
}

/** An event, for the log and other observers. */
export type SchedulerEvent =
  | { readonly event: "client-added"; readonly client: ClientId }
  | { readonly event: "client-removed"; readonly client: ClientId }
  | { readonly event: "worker-added"; readonly worker: Address; readonly name: string }
  | {
    readonly event: "worker-removed";
    readonly worker: Address;
    readonly name: string;
    readonly stimulusId: string;
    readonly loss: WorkerLoss;
  }
  /** It sent nothing for `seconds`, so it is removed. */
  | { readonly event: "worker-silent"; readonly worker: Address; readonly seconds: number }
  /** It lacks `count` results that it should hold. */
  | { readonly event: "worker-lacking"; readonly worker: Address; readonly count: number }
  | {
    readonly event: "retire-begun";
    readonly workers: readonly Address[];
    readonly stimulusId: string;
  }
  /** `unsafe`: number of results that must be copied before it can be removed. */
  | { readonly event: "worker-retiring"; readonly worker: Address; readonly unsafe: number }
  /** `stuck`: number of its results that no other worker can hold; it keeps running. */
  | {
    readonly event: "retire-refused";
    readonly worker: Address;
    readonly stuck: number;
    readonly stimulusId: string;
  }
  /** `close`: whether it is told to shut down, but not removed. */
  | {
    readonly event: "worker-retired";
    readonly worker: Address;
    readonly close: boolean;
    readonly stimulusId: string;
  }
  /** No task waited or ran for `seconds`, so the scheduler ends. */
  | { readonly event: "idle"; readonly seconds: number };

/** The result of a call of `handle`. The shell carries it out in the order of the fields. */
export interface Effects {
  /** Answers by number. */
  readonly answers: readonly (readonly [ask: number, answer: Answer])[];
  /** Messages to workers. They can include last messages to a worker that was just removed. */
  readonly toWorker: ReadonlyMap<Address, readonly WorkerCommand[]>;
  /** Messages to clients, in the same way. */
  readonly toClient: ReadonlyMap<ClientId, readonly ClientReport[]>;
  /** Events. */
  readonly events: readonly SchedulerEvent[];
  /** Time at which `tick` is due, in seconds since the epoch; null if there is no deadline. */
  readonly nextDeadline: number | null;
}
