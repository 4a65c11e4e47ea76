/**
 * The state of one wanted key: a record for the machine, and a read-only view for all other code.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";

/** Status of a task as its client knows it, in Dask's words. */
export type FutureStatus = "pending" | "finished" | "error" | "cancelled" | "lost";

/** Identifies one want of a key: a key that was given up can be wanted again. */
export interface WantRef {
  /** Name of the task. */
  readonly key: Key;
  /** Number of the want, unique in its client. */
  readonly want: number;
}

/** A key that a client wants or wanted, shared by all its Futures. It changes when reports arrive. */
export interface KeyState extends WantRef {
  /** Last state that the scheduler reported. */
  readonly status: FutureStatus;
  /** Whether the task has ended, in success or failure. */
  readonly ended: boolean;
  /** Workers that were reported to hold the result. */
  readonly workers: readonly Address[];
  /** The result's MessagePack frame, if the report contained it. */
  readonly result: Uint8Array | undefined;
  /** Error payload of a failed task. */
  readonly exception: unknown;
  /** Why it was cancelled. */
  readonly reason: string | undefined;
}

/** The machine's own record; only `client/state/` changes it. */
export class KeyRecord implements KeyState {
  readonly key: Key;
  readonly want: number;
  /** Function that this client submitted it with. */
  readonly functionHash: FunctionHash | undefined;
  /** Number of live Futures. */
  futures = 0;
  status: FutureStatus = "pending";
  workers: readonly Address[] = [];
  result: Uint8Array | undefined = undefined;
  exception: unknown = undefined;
  reason: string | undefined = undefined;

  constructor(key: Key, want: number, functionHash: FunctionHash | undefined) {
    this.key = key;
    this.want = want;
    this.functionHash = functionHash;
  }

  get ended(): boolean {
    return this.status !== "pending" && this.status !== "lost";
  }

  /** The result was lost. */
  lose(): void {
    assert(this.status !== "cancelled", () => `"${this.key}" was cancelled, and can't be lost`);
    this.#forget();
    this.status = "lost";
  }

  /** It runs again. */
  restart(): void {
    assert(this.status !== "cancelled", () => `"${this.key}" was cancelled, and can't run again`);
    this.#forget();
    this.status = "pending";
  }

  /** Releases one Future's hold. */
  drop(): void {
    assert(this.futures > 0, () => `More Futures of "${this.key}" were released than made`);
    this.futures--;
  }

  #forget(): void {
    this.workers = [];
    this.result = undefined;
    this.exception = undefined;
  }
}
