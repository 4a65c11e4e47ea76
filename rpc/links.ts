/**
 * Facts about a role's open links, for people: the peers, and how each link is secured.
 *
 * @module
 */

import type { LinkFacts } from "../messages/facts.ts";
import type { Comm } from "../comm/comm.ts";

/** Facts of comms that were accepted and dialled. */
export function linksOf(accepted: Iterable<Comm>, dialled: Iterable<Comm>): LinkFacts[] {
  const facts = (comm: Comm, isDialled: boolean): LinkFacts => ({
    peer: comm.peerAddress,
    dialled: isDialled,
    ...comm.tls !== undefined && { tls: comm.tls },
  });
  return [
    ...Array.from(accepted, (comm) => facts(comm, false)),
    ...Array.from(dialled, (comm) => facts(comm, true)),
  ];
}
