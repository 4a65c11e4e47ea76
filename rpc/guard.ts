/**
 * Checks for each request whether the peer may use the operation.
 *
 * @module
 */

import { getLogger } from "../config/logging.ts";
import { grantText } from "../messages/grant.ts";
import { type Access, mayUse } from "../messages/operations.ts";
import type { TlsContext } from "../security/live/context.ts";
import type { Comm } from "../comm/comm.ts";
import { PeerLog } from "../comm/peer_log.ts";

const peers = PeerLog.warnings(getLogger("distributed.comm"));

/**
 * Returns why the peer of `comm` may not use `op`, which needs `access`; undefined if it may. Refusals are
 * logged and counted.
 */
export type AccessGuard = (op: string, access: Access, comm: Comm) => string | undefined;

/** Options of {@linkcode accessGuard}. */
export interface AccessGuardOptions {
  /** The role of the server, for the message. */
  readonly role: "scheduler" | "worker";
  /** Counts refusals. */
  readonly context: TlsContext | undefined;
}

/**
 * Returns a guard that checks the peer's certificate. Without `authorization` all peers may do everything, as
 * in Dask. A link within the process (`inproc://`) needs no certificate.
 */
export function accessGuard({ role, context }: AccessGuardOptions): AccessGuard {
  return (op, access, comm) => {
    const peer = comm.tls?.peer; // hot: per request
    if (peer?.grant === undefined || mayUse(access, peer.grant)) return undefined;
    if (context !== undefined) context.refusals.operation++;
    const reason = `by "authorization" the certificate "${peer.name}" is ${grantText(peer.grant)}`;
    peers.about(comm.peerAddress, `Refused "${op}" of ${comm.peerAddress}: ${reason}`);
    return `The ${role} refuses "${op}": ${reason}`;
  };
}
