/**
 * Facts about a role's open links, for people: the peers, and how each link is secured.
 *
 * @module
 */

import type { LinkFacts } from "../messages/facts.ts";
import type { Comm } from "../comm/comm.ts";

/** Returns facts about accepted and dialled comms. */
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
