/**
 * Outcomes that an executor thread has not reported yet.
 *
 * @module
 */

import { encodeError, exceptionText, tracebackText } from "../../../protocol/remote_error.ts";
import type { Serialized } from "../../../protocol/serialized.ts";
import { OutcomeKind, type PackedOutcome, Packer, type ThreadReport, transferList } from "./packing.ts";

/** Gathers outcomes to one report. */
export class OutcomeBatch {
  readonly #packer = new Packer();
  #rows: PackedOutcome[] = [];
  #since = 0;

  /** Outcomes gathered. */
  get size(): number {
    return this.#rows.length;
  }

  /** Milliseconds since the first of them ended. */
  age(now: number): number {
    return this.#rows.length === 0 ? 0 : now - this.#since;
  }

  /** A task returned. Throws if its name or frames can't be packed, and then has no trace of it. */
  success(slot: number, start: number, stop: number, typename: string, result: Serialized): void { // hot: per task
    this.#add(slot, OutcomeKind.success, start, stop, typename, "", result);
  }

  /** A task failed. */
  failure(slot: number, start: number, stop: number, error: unknown): void {
    const text = exceptionText(error);
    this.#add(slot, OutcomeKind.failure, start, stop, text, tracebackText(error), encodeError(error));
  }

  /** A task had been withdrawn. */
  skip(slot: number): void {
    this.#rows.push([slot, OutcomeKind.skipped, 0, 0, "", "", 0]);
  }

  /** The report, and the buffers that move with it. Begins the next batch. */
  take(): { readonly report: ThreadReport; readonly transfer: ArrayBuffer[] } {
    const bytes = this.#packer.take();
    const report: ThreadReport = { op: "outcomes", text: JSON.stringify(this.#rows), bytes };
    this.#rows = [];
    return { report, transfer: transferList(bytes) };
  }

  #add(
    slot: number,
    kind: number,
    start: number,
    stop: number,
    name: string,
    traceback: string,
    payload: Serialized,
  ): void {
    const row: PackedOutcome = [
      slot,
      kind,
      Math.round(start * 1000),
      Math.round(stop * 1000),
      name,
      traceback,
      0,
    ];
    row[6] = this.#packer.payload(payload, row);
    if (this.#rows.length === 0) this.#since = stop;
    this.#rows.push(row);
  }
}
