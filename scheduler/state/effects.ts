/**
 * What a scheduler's shell has to do after a stimulus: messages to send, requests to answer, events to log,
 * and when to come back.
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
  /** What was asked. */
  readonly op: "add-client";
  /** Why it was refused; absent if it was registered. */
  readonly refusal?: string;
}

/** Whether a worker was registered. */
export interface WorkerRegistration {
  /** What was asked. */
  readonly op: "add-worker";
  /** Why it was refused; absent if it was registered. */
  readonly refusal?: string;
}

/** What a heartbeat is answered. */
export interface HeartbeatAnswer {
  /** What was asked. */
  readonly op: "heartbeat";
  /** To be sent. */
  readonly reply: HeartbeatWorkerReply;
}

/** Tasks that run again. */
export interface Retried {
  /** What was asked. */
  readonly op: "retry";
  /** Their keys. */
  readonly keys: readonly Key[];
}

/**
 * Workers that were retired. A worker whose results no other worker can hold keeps running, and is not among
 * them.
 */
export interface Retired {
  /** What was asked. */
  readonly op: "retire";
  /** How they were when they were removed, by address. */
  readonly workers: Readonly<Record<Address, WorkerFacts>>;
}

/** Workers that run. */
export interface RunningWorkers {
  /** What was asked. */
  readonly op: "wait-for-workers";
  /** Their addresses, sorted; null: there were not enough of them in time. */
  readonly workers: readonly Address[] | null;
}

/** What was asked, answered. */
export type Answer =
  | ClientRegistration
  | WorkerRegistration
  | HeartbeatAnswer
  | Retried
  | Retired
  | RunningWorkers;

/** Answers by what was asked. */
export type AnswerTo<Op extends Answer["op"]> = Extract<Answer, { readonly op: Op }>;

/** What went with a worker. */
export interface WorkerLoss {
  /** Results that only it held, and that are computed again. */
  readonly recomputed: readonly Key[];
  /** Values that only it held, and that no task makes. */
  readonly lost: readonly Key[];
  /** Tasks that are given up, since they were with too many workers that died. */
  readonly givenUp: readonly { readonly key: Key; readonly deaths: number }[];
}

/** What happened, for the log and other watchers. */
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
  /** It said nothing for `seconds`, and is removed for that. */
  | { readonly event: "worker-silent"; readonly worker: Address; readonly seconds: number }
  /** It was asked for `count` results that it should hold, and does not hold. */
  | { readonly event: "worker-lacking"; readonly worker: Address; readonly count: number }
  | {
    readonly event: "retire-begun";
    readonly workers: readonly Address[];
    readonly stimulusId: string;
  }
  /** `unsafe`: number of results that have to be copied before it can go. */
  | { readonly event: "worker-retiring"; readonly worker: Address; readonly unsafe: number }
  /** `stuck`: number of its results that no other worker can hold; it keeps running. */
  | {
    readonly event: "retire-refused";
    readonly worker: Address;
    readonly stuck: number;
    readonly stimulusId: string;
  }
  /** `close`: whether it is told to shut down without being removed. */
  | {
    readonly event: "worker-retired";
    readonly worker: Address;
    readonly close: boolean;
    readonly stimulusId: string;
  }
  /** No task waited or ran for `seconds`, which ends the scheduler. */
  | { readonly event: "idle"; readonly seconds: number };

/** All that is to be done after a call of `handle`, in the order of the fields. */
export interface Effects {
  /** Answers by number. */
  readonly answers: readonly (readonly [ask: number, answer: Answer])[];
  /** Messages to workers. A receiver may have been removed meanwhile; what is said to it is a farewell. */
  readonly toWorker: ReadonlyMap<Address, readonly WorkerCommand[]>;
  /** Messages to clients, likewise. */
  readonly toClient: ReadonlyMap<ClientId, readonly ClientReport[]>;
  /** What happened. */
  readonly events: readonly SchedulerEvent[];
  /** When `tick` is due, in seconds since the epoch; null: nothing is waited for. */
  readonly nextDeadline: number | null;
}
