/**
 * When connecting is tried again. Source: `connect` in `distributed/comm/core.py`, and our rule for links
 * that end between TLS and the first message (`docs/architecture.md`).
 *
 * @module
 */

import type { Address } from "../messages/common.ts";
import { TlsRefusedError } from "../security/verdict.ts";
import { type Clock, systemClock } from "../internal/clock.ts";
import { CommAuthError, CommClosed, CommTimeoutError } from "./errors.ts";
import { messageOf } from "../internal/errors.ts";
import { ClosedBeforeHandshake, HandshakeError, SpeaksTlsError } from "./handshake.ts";

/** Base of the back-off, doubled with each try, as in Dask. */
const BACKOFF_MS = 10;
/** Number of tries for a peer that ends the link after TLS. It may be restarting, or it refused us: … */
const UNPROVEN_TRIES = 3;
/** … at most so far apart: about two seconds together. */
const UNPROVEN_PAUSE_MS = 1000;

/** Limits of {@linkcode withRetries}. */
export interface RetryOptions {
  /** Whole budget, in milliseconds. */
  readonly timeoutMs: number;
  /** Tries at most. Default: as many as fit. */
  readonly tries?: number | undefined;
  /** Gives up at once. */
  readonly signal?: AbortSignal | undefined;
  /** Default: the real one. */
  readonly clock?: Clock | undefined;
  /** From 0 to less than 1. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** One try; the link is dropped when its signal is aborted. */
export type Attempt<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Tries until it works, the budget is spent, or a failure is final. The first try gets a fifth of the budget,
 * which spreads many peers that start at once; later ones what is left, after a random pause.
 *
 * @throws {CommAuthError} If one end refused the other.
 * @throws {CommTimeoutError} If the budget is spent; `cause` is what the last try met.
 * @throws {CommClosed} If the other end speaks another protocol.
 */
export async function withRetries<T>(
  address: Address,
  attempt: Attempt<T>,
  options: RetryOptions,
): Promise<T> {
  const { timeoutMs, signal, tries: most = Infinity, clock = systemClock, random = Math.random } = options;
  const end = clock.now() + timeoutMs;
  let cap = most > 1 ? timeoutMs / 5 : timeoutMs;
  let unproven = 0;
  let last: unknown;
  for (let tries = 0;; tries++) {
    const left = end - clock.now();
    if (left <= 0) throw timedOut(address, timeoutMs, last);
    try {
      return await capped(attempt, Math.min(cap, left), signal, clock);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      last = error;
      cap = timeoutMs;
    }
    checkFinal(address, last);
    if (isUnproven(last) && ++unproven >= UNPROVEN_TRIES) throw refusedPerhaps(address, last);
    if (tries + 1 >= most) {
      const why = isUnproven(last) ? suspicion(unproven, last) : messageOf(last);
      throw new CommTimeoutError(address, `Cannot connect to "${address}": ${why}`, { cause: last });
    }
    const longest = isUnproven(last) ? UNPROVEN_PAUSE_MS : BACKOFF_MS * 2 ** Math.min(tries, 30);
    // Full jitter; a peer that may be restarting gets at least half of the pause.
    const share = isUnproven(last) ? 0.5 + random() / 2 : random();
    await clock.sleep(Math.min(longest, Math.max(0, end - clock.now())) * share, signal);
  }
}

/** The other end did not answer in the time that one try has. */
class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

async function capped<T>(
  attempt: Attempt<T>,
  milliseconds: number,
  signal: AbortSignal | undefined,
  clock: Clock,
): Promise<T> {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  const cancel = clock.timer(
    milliseconds,
    () => controller.abort(new NoAnswer(`no answer within ${seconds(milliseconds)}`)),
  );
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    return await attempt(controller.signal);
  } finally {
    cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}

/** TLS worked, or nearly, and then the peer ended the link without having said a word. */
function isUnproven(error: unknown): boolean {
  return error instanceof TlsRefusedError || (error instanceof ClosedBeforeHandshake && error.afterTls);
}

/** Whether a dial failed because one end refuses the other, or seems to. */
export function looksRefused(error: Error): boolean {
  return error instanceof CommAuthError || isUnproven(error.cause);
}

function checkFinal(address: Address, error: unknown): void {
  if (error instanceof TypeError || error instanceof RangeError || error instanceof Deno.errors.NotCapable) {
    throw error; // a mistake of this program, or a permission that it lacks
  }
  const message = `Cannot connect to "${address}": ${messageOf(error)}`;
  if ((error instanceof TlsRefusedError && error.final) || error instanceof SpeaksTlsError) {
    throw new CommAuthError(address, message, { cause: error });
  }
  if (error instanceof HandshakeError) throw new CommClosed(address, message, { cause: error });
}

function refusedPerhaps(address: Address, cause: unknown): CommAuthError {
  const message = `Cannot connect to "${address}": ${suspicion(UNPROVEN_TRIES, cause)}`;
  return new CommAuthError(address, message, { cause });
}

function suspicion(tries: number, cause: unknown): string {
  return `the peer ended the link ${tries === 1 ? "" : `${tries} times `}between TLS and its first message (${
    messageOf(cause)
  }). Most likely it refuses the certificate of this side: another CA, expired, revoked, not covered by its ` +
    `authorization rules, or X.509 v1; its log tells. Or it is no Dask peer, or does not come up`;
}

function timedOut(address: Address, timeoutMs: number, cause: unknown): CommTimeoutError {
  const why = cause === undefined ? "" : `: ${messageOf(cause)}`;
  return new CommTimeoutError(
    address,
    `Timed out trying to connect to "${address}" after ${seconds(timeoutMs)}${why}`,
    { cause },
  );
}

function seconds(milliseconds: number): string {
  return `${Number((milliseconds / 1000).toPrecision(3))} s`;
}
