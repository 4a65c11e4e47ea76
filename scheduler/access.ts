/**
 * Checks of what peers may do. A refusal has the form that the peer expects.
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
 * Returns why a worker at `address` is refused: the address can't be dialled, belongs to another role, or
 * needs plain text, which is forbidden.
 *
 * @param comm The link on which it registers.
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
 * Checks that a peer with the role of a worker speaks only for itself: its certificate must have the same
 * name as the certificate with which that worker registered. Workers that share a certificate can't be told
 * apart.
 *
 * @param address Address of the worker that the request names.
 * @param registered The link on which that worker registered; undefined if it is unknown.
 * @throws {Error} A `PermissionError`, if the names differ.
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
  // Compares names only: a renewed certificate may come from a new CA, and the first link still shows the old
  // one.
  if (asks.name === is.name || (asks.subject !== "" && asks.subject === is.subject)) return;
  count();
  const reason =
    `the certificate "${asks.name}" can't speak for the worker "${address}", which is "${is.name}"`;
  peers.about(comm.peerAddress, `Refused "${op}" of ${comm.peerAddress}: ${reason}`);
  throw Object.assign(new Error(`The scheduler refuses "${op}": ${reason}`), { name: "PermissionError" });
}

/**
 * Returns the messages that the client may send; without `authorization` all of them. A task that it may not
 * run is cancelled, with the reason.
 *
 * @param count Called for each refused message.
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

/** Returns the keys that the sender waits for after this message. */
function keysOf(message: ClientStreamMessage): Key[] {
  if (message.op === "client-desires-keys") return [...message.keys];
  if (message.op === "update-data") return Object.keys(message.who_has) as Key[];
  if (message.op !== "update-graph") return [];
  return message.groups.flatMap((group) => group.tasks.map(([key]) => key));
}
