/**
 * Refusals of peers that may not do what they ask, in the form that they expect.
 *
 * @module
 */

import { isWildcard, parseAddress } from "../comm/address.ts";
import type { BatchedSend } from "../rpc/batched.ts";
import type { Comm } from "../comm/comm.ts";
import { messageOf } from "../internal/errors.ts";
import { checkLink, type LinkOptions } from "../comm/link_options.ts";
import { PeerLog } from "../comm/peer_log.ts";
import { getLogger } from "../config/logging.ts";
import { grantText } from "../messages/grant.ts";
import { CLIENT_STREAM, type ClientReport, type ClientStreamMessage } from "../messages/client_scheduler.ts";
import type { Address, Key } from "../messages/common.ts";
import { mayUse } from "../messages/operations.ts";

const peers = PeerLog.warnings(getLogger("distributed.scheduler"));

/**
 * Why a worker at `address` can't be a member: it would have to be dialled in plain text, which is forbidden,
 * or can't be dialled, or is another role's.
 *
 * @param comm Where it registers.
 * @param own The scheduler's address.
 */
export function contactRefusal(
  address: Address,
  comm: Comm,
  own: Address,
  links: LinkOptions,
): string | undefined {
  const parsed = parseAddress(address);
  if (address === own) return `"${address}" is the scheduler's own address`;
  if (parsed.scheme === "inproc" && parseAddress(comm.peerAddress).scheme !== "inproc") {
    return `"${address}" is an address within one process, and the worker is in another`;
  }
  if (parsed.scheme !== "inproc" && isWildcard(parsed.host)) {
    return `"${address}" is no address that can be dialled: name one by --host or --contact-address`;
  }
  if (parsed.scheme !== "tcp") return undefined;
  try {
    checkLink("connect to", address, parsed, links);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * Checks that a worker by `authorization` that asks about a worker is that worker: it shows a certificate of
 * the same name as the one that registered. Workers that share a certificate can't be told from each other.
 *
 * @param address Of the worker that is spoken of.
 * @param registered Where that worker registered; nothing if it is not known.
 * @throws {Error} A `PermissionError`, if it is not.
 */
export function checkSpeaksFor(
  comm: Comm,
  op: string,
  address: string,
  registered: Comm | undefined,
  count: () => void,
): void {
  const [asks, is] = [comm.tls?.peer, registered?.tls?.peer];
  if (asks?.grant?.role !== "worker" || is === undefined) return;
  // By name alone: a worker may be renewed under a new CA, and its first link shows the certificate of its
  // beginning.
  if (asks.name === is.name || (asks.subject !== "" && asks.subject === is.subject)) return;
  count();
  const reason =
    `the certificate "${asks.name}" can't speak for the worker "${address}", which is "${is.name}"`;
  peers.about(comm.peerAddress, `Refused "${op}" of ${comm.peerAddress}: ${reason}`);
  throw Object.assign(new Error(`The scheduler refuses "${op}": ${reason}`), { name: "PermissionError" });
}

/**
 * The messages of a client that it may send; all without `authorization`. A task that it may not run is
 * cancelled, with the reason.
 *
 * @param count Called for each that it may not.
 */
export function permitted(
  messages: ClientStreamMessage[],
  comm: Comm,
  stream: Pick<BatchedSend<ClientReport>, "send">,
  count: () => void,
): ClientStreamMessage[] {
  const peer = comm.tls?.peer;
  const grant = peer?.grant;
  if (grant === undefined || grant.access === "administer") return messages;
  return messages.filter((message) => {
    if (mayUse(CLIENT_STREAM[message.op].access, grant)) return true;
    count();
    const reason = `by "authorization" the certificate "${peer?.name}" is ${grantText(grant)}`;
    peers.about(comm.peerAddress, `Refused "${message.op}" of ${comm.peerAddress}: ${reason}`);
    const keys = keysOf(message);
    if (keys.length > 0) stream.send({ op: "cancelled-keys", keys, reason, msg: null });
    return false;
  });
}

/** Keys that the sender now waits for. */
function keysOf(message: ClientStreamMessage): Key[] {
  if (message.op === "client-desires-keys") return [...message.keys];
  if (message.op === "update-data") return Object.keys(message.who_has) as Key[];
  if (message.op !== "update-graph") return [];
  return message.groups.flatMap((group) => group.tasks.map(([key]) => key));
}
