/**
 * What a client's machine is told: reports of the scheduler as they came, and what the program and the shell
 * do. All of it is plain data.
 *
 * @module
 */

import type { ClientReport, GraphAnnotations, TaskRow } from "../../messages/client_scheduler.ts";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";
import type { WantRef } from "./key_state.ts";

/** A function as it is shipped. */
export interface FunctionBody {
  /** SHA-256 of `body`, hexadecimal. */
  readonly hash: FunctionHash;
  /** What `docs/wire.md` calls a function body. */
  readonly body: Uint8Array;
}

/**
 * A Future for the task `row` of `fn`. Tasks of one turn with the same annotations share a message. A key
 * that is wanted already is not sent again, unless it was cancelled.
 */
export interface Submit {
  /** Kind. */
  readonly op: "submit";
  /** The function. */
  readonly fn: FunctionBody;
  /** The task. */
  readonly row: TaskRow;
  /** Restrictions and wishes. */
  readonly annotations: GraphAnnotations;
}

/** A Future for a key that others may have made. If none has, it is soon cancelled. */
export interface Desire {
  /** Kind. */
  readonly op: "desire";
  /** Key. */
  readonly key: Key;
}

/** A Future for a value that is put on the cluster by a request of its own. */
export interface Expect {
  /** Kind. */
  readonly op: "expect";
  /** Key. */
  readonly key: Key;
}

/** A Future for a value that this client gave to workers. */
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

/** One Future of each want is gone. A key is released with its last Future. */
export interface Release {
  /** Kind. */
  readonly op: "release";
  /** Wants. */
  readonly wants: readonly WantRef[];
}

/** The program gives keys up. They end here at once, as in Dask (`Client._cancel`). */
export interface Cancel {
  /** Kind. */
  readonly op: "cancel";
  /** Wants. */
  readonly wants: readonly WantRef[];
  /** Also for other clients. */
  readonly force: boolean;
  /** Shown to those who wait. */
  readonly reason: string;
}

/** The program runs failed tasks again: those that failed are pending, and are in the effects. */
export interface Retry {
  /** Kind. */
  readonly op: "retry";
  /** Wants. */
  readonly wants: readonly WantRef[];
}

/** The scheduler was asked to run `wants` again, and does so with `running`. */
export interface RetryAnswer {
  /** Kind. */
  readonly op: "retry-answer";
  /** Wants that were in the effects of {@linkcode Retry}. */
  readonly wants: readonly WantRef[];
  /** Keys that run again; none if the request failed. */
  readonly running: readonly Key[];
}

/** Neither a worker nor the scheduler gave the results of finished tasks. */
export interface Lacking {
  /** Kind. */
  readonly op: "lacking";
  /** Wants. */
  readonly wants: readonly WantRef[];
}

/** The turn is over: what has gathered is to be sent. */
export interface Flush {
  /** Kind. */
  readonly op: "flush";
}

/** The next deadline has come. */
export interface Tick {
  /** Kind. */
  readonly op: "tick";
}

/** The link to the scheduler is gone for good: every key is cancelled, nothing more is sent. */
export interface Disconnect {
  /** Kind. */
  readonly op: "disconnect";
  /** Shown to those who wait. */
  readonly reason: string;
}

/** Everything that a client's machine is told. */
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
