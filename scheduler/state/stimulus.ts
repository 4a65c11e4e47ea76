/**
 * Stimuli of a scheduler, as plain data: they can be recorded, replayed, generated and simulated.
 *
 * A stimulus with `ask` is answered in {@linkcode Effects.answers} under that number, by the same call of
 * `handle` or by a later one.
 *
 * @module
 */

import type { ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import type { WorkerMetrics } from "../../messages/facts.ts";
import type { WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import type { RetireOptions } from "./retirement.ts";
import type { WorkerInfo } from "./worker_state.ts";

/** A client registers. The answer has a refusal if it was not registered. */
export interface AddClient {
  /** Kind. */
  readonly op: "add-client";
  /** Number of the answer. */
  readonly ask: number;
  /** Its name. */
  readonly client: ClientId;
}

/** A client left: all keys that it wanted are released. */
export interface RemoveClient {
  /** Kind. */
  readonly op: "remove-client";
  /** Its name. */
  readonly client: ClientId;
}

/** A client's messages on its stream, in order. Ignored if the client is not registered. */
export interface ClientMessages {
  /** Kind. */
  readonly op: "client-messages";
  /** Its name. */
  readonly client: ClientId;
  /** Parsed by `messages/`. They can be late, or contradict the state. */
  readonly messages: readonly ClientStreamMessage[];
}

/** A worker registers. The answer has a refusal if it was not registered. */
export interface AddWorker {
  /** Kind. */
  readonly op: "add-worker";
  /** Number of the answer. */
  readonly ask: number;
  /** Its description of itself. */
  readonly worker: WorkerInfo;
}

/** A worker left, or has to leave. */
export interface RemoveWorker {
  /** Kind. */
  readonly op: "remove-worker";
  /** Its address. */
  readonly worker: Address;
  /** Whether this is not a failure of the tasks that it was running. Default: false. */
  readonly expected?: boolean;
  /** Whether it is told to shut down. Default: true. */
  readonly close?: boolean;
  /** What caused it. */
  readonly stimulusId: string;
}

/** A worker's messages on its stream, in order. Ignored if the worker is not registered. */
export interface WorkerMessages {
  /** Kind. */
  readonly op: "worker-messages";
  /** Its address. */
  readonly worker: Address;
  /** Parsed by `messages/`. They can be late, or contradict the state. */
  readonly messages: readonly WorkerStreamMessage[];
}

/** A worker's heartbeat: its metrics, and the seconds that its tasks have been running. */
export interface Heartbeat {
  /** Kind. */
  readonly op: "heartbeat";
  /** Number of the answer. */
  readonly ask: number;
  /** Its address. */
  readonly worker: Address;
  /** Its metrics. */
  readonly metrics: WorkerMetrics;
  /** Seconds by key. */
  readonly executing: Readonly<Record<string, number>>;
}

/** A worker lacks results that it should hold. They are computed again, or are lost. */
export interface Lacking {
  /** Kind. */
  readonly op: "lacking";
  /** Its address. */
  readonly worker: Address;
  /** Keys of the missing results. */
  readonly keys: readonly Key[];
}

/** Runs failed tasks again. The answer has their keys. */
export interface Retry {
  /** Kind. */
  readonly op: "retry";
  /** Number of the answer. */
  readonly ask: number;
  /** Failed tasks; others are ignored. */
  readonly keys: readonly Key[];
}

/**
 * Empties workers, so that no result is lost, and removes them. Answered when each is retired or can't be;
 * the answer has those that were retired.
 */
export interface Retire {
  /** Kind. */
  readonly op: "retire";
  /** Number of the answer. */
  readonly ask: number;
  /** Which workers, and what happens to them. */
  readonly options: RetireOptions;
  /** What caused it. */
  readonly stimulusId: string;
}

/** Waits until enough workers run. The answer has their addresses, or null after the time-out. */
export interface WaitForWorkers {
  /** Kind. */
  readonly op: "wait-for-workers";
  /** Number of the answer. */
  readonly ask: number;
  /** Number of running workers to wait for. */
  readonly count: number;
  /** Addresses, names or hosts that count; null: all workers do. */
  readonly among: readonly string[] | null;
  /** Seconds to wait; null: without end. */
  readonly timeout: number | null;
}

/**
 * An answer is waited for no longer: it need not be given. Workers that are being emptied leave all the same,
 * as nothing else would let them take tasks again.
 */
export interface Forget {
  /** Kind. */
  readonly op: "forget";
  /** Number of the answer. */
  readonly ask: number;
}

/** Time has passed: handles deadlines that are due. */
export interface Tick {
  /** Kind. */
  readonly op: "tick";
}

/** A stimulus of the scheduler. */
export type SchedulerStimulus =
  | AddClient
  | RemoveClient
  | ClientMessages
  | AddWorker
  | RemoveWorker
  | WorkerMessages
  | Heartbeat
  | Lacking
  | Retry
  | Retire
  | WaitForWorkers
  | Forget
  | Tick;
