/**
 * Warnings before certificates and revocation lists end.
 *
 * @module
 */

import { getLogger } from "../../config/logging.ts";

const logger = getLogger("distributed.security");

const DAY_MS = 86_400_000;

/** Days before the end at which a warning is due. */
const WARNING_DAYS: readonly number[] = [30, 7, 1];

/** Things that are remembered as warned about; peers come and go. */
const REMEMBERED_MAX = 4096;

/** Whole days until `end`; negative afterwards. */
export function daysLeft(end: Date, now: number): number {
  return Math.floor((end.getTime() - now) / DAY_MS);
}

/** Warns once for each threshold that something passes. */
export class ExpiryWarnings {
  /** Lowest threshold that was warned about, by what it is about. */
  readonly #warned = new Map<string, number>();

  /**
   * Warns if `thing` passed a threshold since the last look at it.
   *
   * @param what What it is, for the message.
   * @param thresholds Days before the end, descending.
   */
  look(
    what: string,
    thing: { readonly validTo: Date },
    now: number,
    thresholds: readonly number[] = WARNING_DAYS,
  ): void {
    const left = (thing.validTo.getTime() - now) / DAY_MS;
    const passed = left < 0 ? 0 : thresholds.findLast((days) => left <= days);
    if (passed === undefined) return;
    const id = `${what} ${thing.validTo.getTime()}`;
    const before = this.#warned.get(id);
    if (before !== undefined && before <= passed) return;
    if (this.#warned.size >= REMEMBERED_MAX) this.#warned.clear();
    this.#warned.set(id, passed);
    const when = thing.validTo.toISOString();
    if (left < 0) logger.error(`${what} has expired on ${when}`);
    else logger.warning(`${what} ends in ${daysText(left)}, on ${when}: renew it`);
  }
}

function daysText(left: number): string {
  if (left < 1) return "less than a day";
  const days = Math.floor(left);
  return days === 1 ? "1 day" : `${days} days`;
}
