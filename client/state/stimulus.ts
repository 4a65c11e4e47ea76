/**
 * Stimuli of a client's machine: reports of the scheduler, and actions of the program and of the shell. All
 * are plain data.
 *
 * @module
 */

import type { ClientReport, GraphAnnotations, TaskRow } from "../../messages/client_scheduler.ts";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";
import type { WantRef } from "./key_state.ts";

/** A function as it is sent. */
export interface FunctionBody {
  /** SHA-256 of `body`, hexadecimal. */
  readonly hash: FunctionHash;
  /** The body, see `docs/wire.md`. */
  readonly body: Uint8Array;
}

/**
 * Creates a Future of the task `row` of `fn`. Tasks of one turn with the same annotations share a message. A
 * key that is already wanted is not sent again, unless it was cancelled.
 */
export interface Submit {
  /** Kind. */
  readonly op: "submit";
  /** The function. */
  readonly fn: FunctionBody;
  /** The task. */
  readonly row: TaskRow;
  /** Options of the task. */
  readonly annotations: GraphAnnotations;
}

/**
 * Creates a Future of a key that other clients may have submitted. If the scheduler does not know the key, it
 * is cancelled.
 */
export interface Desire {
  /** Kind. */
  readonly op: "desire";
  /** Key. */
  readonly key: Key;
}

/** Creates a Future of a value that a separate request puts on the cluster. */
export interface Expect {
  /** Kind. */
  readonly op: "expect";
  /** Key. */
  readonly key: Key;
}

/** Creates a Future of a value that this client stored on workers. */
export interface Announce {
  /** Kind. */
  readonly op: "announce";
  /** Key. */
  readonly key: Key;
  /** Workers that took it. */
  readonly workers: readonly Address[];
  /** Its size. */
  readonly nbytes: number;
}

/** One Future of each key was released. A key is released with its last Future. */
export interface Release {
  /** Kind. */
  readonly op: "release";
  /** Wants. */
  readonly wants: readonly WantRef[];
}

/** The program cancels keys. Here they end at once, as in Dask (`Client._cancel`). */
export interface Cancel {
  /** Kind. */
  readonly op: "cancel";
  /** Wants. */
  readonly wants: readonly WantRef[];
  /** Whether they are cancelled for other clients, too. */
  readonly force: boolean;
  /** Reason in the errors of waits. */
  readonly reason: string;
}

/** The program runs failed tasks again. They become pending, and are in the effects. */
export interface Retry {
  /** Kind. */
  readonly op: "retry";
  /** Wants. */
  readonly wants: readonly WantRef[];
}

/** The scheduler's answer to the request to run `wants` again. */
export interface RetryAnswer {
  /** Kind. */
  readonly op: "retry-answer";
  /** Wants that were in the effects of {@linkcode Retry}. */
  readonly wants: readonly WantRef[];
  /** Keys that run again; empty if the request failed. */
  readonly running: readonly Key[];
}

/** Neither workers nor the scheduler gave the results of finished tasks. */
export interface Lacking {
  /** Kind. */
  readonly op: "lacking";
  /** Wants. */
  readonly wants: readonly WantRef[];
}

/** The turn has ended: sends the waiting messages. */
export interface Flush {
  /** Kind. */
  readonly op: "flush";
}

/** The next deadline has passed. */
export interface Tick {
  /** Kind. */
  readonly op: "tick";
}

/** The link to the scheduler ended for good: all keys are cancelled, and nothing is sent any more. */
export interface Disconnect {
  /** Kind. */
  readonly op: "disconnect";
  /** Reason in the errors of waits. */
  readonly reason: string;
}

/** A stimulus of a client's machine. */
export type ClientStimulus =
  | ClientReport
  | Submit
  | Desire
  | Expect
  | Announce
  | Release
  | Cancel
  | Retry
  | RetryAnswer
  | Lacking
  | Flush
  | Tick
  | Disconnect;
