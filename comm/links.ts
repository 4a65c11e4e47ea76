/**
 * What a role's open links are, for people who want to know whom it talks to, and how.
 *
 * @module
 */

import type { Address } from "../messages/common.ts";
import type { Comm, TlsInfo } from "./comm.ts";

/** One open link of a role. */
export interface LinkFacts {
  /** The other end: the address that was dialled, or the ephemeral one of who dialled. */
  readonly peer: Address;
  /** Whether this role dialled. */
  readonly dialled: boolean;
  /** TLS facts, absent on other schemes. */
  readonly tls?: TlsInfo;
}

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
