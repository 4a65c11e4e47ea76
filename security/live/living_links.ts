/**
 * The links of a role that are up, so that they can be judged again when trust changes.
 *
 * @module
 */

import { getLogger } from "../../config/logging.ts";
import { covers, type Grant } from "../../messages/grant.ts";
import { policyRefusal, type TlsPeer } from "../verdict.ts";
import type { Refused, Trust } from "../trust.ts";
import type { Certificate } from "../x509/certificate.ts";

const logger = getLogger("distributed.security");

/** A link that is up. */
export interface LivingLink {
  /** Who is at the other end. */
  readonly peer: TlsPeer;
  /** The peer's certificate and what it sent behind it. */
  readonly chain: readonly Certificate[];
  /** What the peer may be and do. */
  readonly grant: Grant | undefined;
  /** Drops it, for that reason. */
  readonly end: (reason: Error) => void;
}

/** Counters of refusals, by reason. */
export class Refusals {
  /** TLS handshakes and policy. */
  handshake = 0;
  /** Revoked certificates. */
  revoked = 0;
  /** Certificates that match no rule, or whose rule gives them another role. */
  unauthorized = 0;
  /** Operations that the peer may not use. */
  operation = 0;
  /** Open links that were closed because their peer is no longer trusted. */
  ended = 0;
  /** Links that were closed before their handshake because of limits. */
  keptOut = 0;
}

/** See the module. */
export class LivingLinks {
  readonly #links = new Set<LivingLink>();

  /** The certificates at the other ends. */
  *peers(): Iterable<Certificate> {
    for (const [leaf] of this.chains()) if (leaf !== undefined) yield leaf;
  }

  /** The certificates at the other ends, each with what was sent behind it. */
  *chains(): Iterable<readonly Certificate[]> {
    for (const { chain } of this.#links) yield chain;
  }

  /** Counts a link in, until the returned function is called. */
  add(link: LivingLink): () => void {
    this.#links.add(link);
    return () => void this.#links.delete(link);
  }

  /** Ends every link whose peer `trust` would not let in any more, or not as what it is. Returns how many. */
  judge(trust: Trust): number {
    let ended = 0;
    for (const link of [...this.#links]) {
      const reason = whyEnd(trust.keep(link.chain), link);
      if (reason === undefined) continue;
      const error = policyRefusal(link.peer, reason);
      logger.warning(`Ended a link: ${error.message}`);
      link.end(error);
      ended++;
    }
    return ended;
  }
}

function whyEnd(
  verdict: Refused | { readonly grant: Grant | undefined },
  link: LivingLink,
): string | undefined {
  if ("kind" in verdict) return verdict.reason;
  if (verdict.grant === undefined) return undefined;
  if (link.grant === undefined) return 'it came in before there was an "authorization": it has to come again';
  if (covers(verdict.grant, link.grant)) return undefined;
  return 'its certificate may do less by "authorization" than when the link was made';
}
