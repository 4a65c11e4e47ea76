/**
 * Who may use which operation, asked for every request. What the operations mean is in the tables of
 * `messages/access.ts`.
 *
 * @module
 */

import { grantText } from "../messages/grant.ts";
import { getLogger } from "../config/logging.ts";
import { type AccessTable, mayUse } from "../messages/access.ts";
import type { TlsContext } from "../security/live/context.ts";
import type { Comm } from "../comm/comm.ts";
import { PeerLog } from "../comm/peer_log.ts";

const peers = PeerLog.warnings(getLogger("distributed.comm"));

/** First messages of streams that are refused, as Dask's peers read them. */
export const REGISTRATION_REFUSALS: Readonly<Record<string, (text: string) => unknown>> = {
  "register-client": (text) => [{ op: "stream-start", error: text }],
  "register-worker": (text) => ({ status: "error", message: text, time: Date.now() / 1000 }),
};

/** A request that is not allowed. */
export interface Refusal {
  /** Why. */
  readonly text: string;
  /** What is written in place of an error reply, before the link is closed. */
  readonly answer?: unknown;
}

/** Says why the peer of `comm` may not use `op`; nothing if it may. Refusals are logged and counted. */
export type AccessGuard = (op: string, comm: Comm) => Refusal | undefined;

/** How to guard a server. */
export interface AccessGuardOptions {
  /** Who is asked, for the message. */
  readonly role: "scheduler" | "worker";
  /** Who may what. */
  readonly table: AccessTable;
  /** Counts refusals. */
  readonly context: TlsContext | undefined;
  /** Operations whose asker expects a refusal in a form of its own. */
  readonly answers?: Readonly<Record<string, (text: string) => unknown>>;
}

/**
 * A guard for `table`. Without `authorization` everybody may do everything, as in Dask; a link inside the process
 * (`inproc://`) has no certificate, and needs none.
 */
export function accessGuard(options: AccessGuardOptions): AccessGuard {
  const { role, table, context, answers = {} } = options;
  return (op, comm) => {
    const peer = comm.tls?.peer; // hot: per request
    if (peer?.grant === undefined || mayUse(table, op, peer.grant)) return undefined;
    if (context !== undefined) context.refusals.operation++;
    const reason = `by "authorization" the certificate "${peer.name}" is ${grantText(peer.grant)}`;
    peers.about(comm.peerAddress, `Refused "${op}" of ${comm.peerAddress}: ${reason}`);
    const text = `The ${role} refuses "${op}": ${reason}`;
    const answer = Object.hasOwn(answers, op) ? answers[op] : undefined;
    return answer === undefined ? { text } : { text, answer: answer(text) };
  };
}
