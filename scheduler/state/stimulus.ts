/**
 * All that can happen to a scheduler, as plain data: it can be recorded, replayed, made up and simulated.
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

/** A client registers. Answered by a refusal, or by none. */
export interface AddClient {
  /** Kind. */
  readonly op: "add-client";
  /** Number of the answer. */
  readonly ask: number;
  /** Its name. */
  readonly client: ClientId;
}

/** A client is gone: all that it wanted is released. */
export interface RemoveClient {
  /** Kind. */
  readonly op: "remove-client";
  /** Its name. */
  readonly client: ClientId;
}

/** What a client said on its stream, in order. One that is not registered is ignored. */
export interface ClientMessages {
  /** Kind. */
  readonly op: "client-messages";
  /** Its name. */
  readonly client: ClientId;
  /** Checked by `messages/`; may be late, or make no sense. */
  readonly messages: readonly ClientStreamMessage[];
}

/** A worker registers. Answered by a refusal, or by none. */
export interface AddWorker {
  /** Kind. */
  readonly op: "add-worker";
  /** Number of the answer. */
  readonly ask: number;
  /** What it says of itself. */
  readonly worker: WorkerInfo;
}

/** A worker left, or shall leave. */
export interface RemoveWorker {
  /** Kind. */
  readonly op: "remove-worker";
  /** Its address. */
  readonly worker: Address;
  /** Whether the tasks that it was running are not to blame. Default: false. */
  readonly expected?: boolean;
  /** Whether it is told to shut down. Default: true. */
  readonly close?: boolean;
  /** What caused it. */
  readonly stimulusId: string;
}

/** What a worker said on its stream, in order. One that is not registered is ignored. */
export interface WorkerMessages {
  /** Kind. */
  readonly op: "worker-messages";
  /** Its address. */
  readonly worker: Address;
  /** Checked by `messages/`; may be late, or make no sense. */
  readonly messages: readonly WorkerStreamMessage[];
}

/** A worker tells how it is, and for how many seconds its tasks have been running. */
export interface Heartbeat {
  /** Kind. */
  readonly op: "heartbeat";
  /** Number of the answer. */
  readonly ask: number;
  /** Its address. */
  readonly worker: Address;
  /** How it is. */
  readonly metrics: WorkerMetrics;
  /** Seconds by key. */
  readonly executing: Readonly<Record<string, number>>;
}

/** A worker was asked for results that it should hold, and does not: they are computed again, or are lost. */
export interface Lacking {
  /** Kind. */
  readonly op: "lacking";
  /** Its address. */
  readonly worker: Address;
  /** What it lacks. */
  readonly keys: readonly Key[];
}

/** Runs failed tasks again. Answered by the keys that run again. */
export interface Retry {
  /** Kind. */
  readonly op: "retry";
  /** Number of the answer. */
  readonly ask: number;
  /** Failed tasks; others are ignored. */
  readonly keys: readonly Key[];
}

/**
 * Empties workers, so that no result is lost, and removes them. Answered by those that were retired, once all
 * are, or can't be.
 */
export interface Retire {
  /** Kind. */
  readonly op: "retire";
  /** Number of the answer. */
  readonly ask: number;
  /** Which workers, and what becomes of them. */
  readonly options: RetireOptions;
  /** What caused it. */
  readonly stimulusId: string;
}

/** Waits until enough workers run. Answered by their addresses, or by nothing when the time is up. */
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

/** Time has passed: serves deadlines that are due. */
export interface Tick {
  /** Kind. */
  readonly op: "tick";
}

/** All that can happen. */
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
