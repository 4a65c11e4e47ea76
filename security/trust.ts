/**
 * Whom a role lets in, beyond what the TLS layer verifies: revocation and authorization, for new links and for living
 * ones. A value that never changes: a reload makes another one.
 *
 * @module
 */

import type { Grant } from "../internal/access.ts";
import type { Rules } from "./authorization.ts";
import type { RefusalKind } from "./errors.ts";
import type { Revocation } from "./revocation.ts";
import { pathTo } from "./signatures.ts";
import { type Certificate, certificateName } from "./x509.ts";

/** Why a peer is refused: which counter it belongs to, and words that go behind "TLS link with … refused: ". */
export interface Refused {
  /** Counter. */
  readonly kind: RefusalKind;
  /** Reason. */
  readonly reason: string;
}

/** A peer that is let in. */
export interface Admitted {
  /** What it may be and do; nothing if there are no rules. */
  readonly grant: Grant | undefined;
}

/** What a peer is compared with. */
export class Trust {
  /** The trusted CAs. */
  readonly cas: readonly Certificate[];
  /** What is revoked. */
  readonly revocation: Revocation;
  /** Who may be what; nothing for Dask's rule. */
  readonly rules: Rules | undefined;

  /** Of parts that were checked. */
  constructor(cas: readonly Certificate[], revocation: Revocation, rules: Rules | undefined) {
    this.cas = cas;
    this.revocation = revocation;
    this.rules = rules;
  }

  /** Judges a peer whose chain the TLS layer has just verified. */
  admit(chain: readonly Certificate[], now: Date): Admitted | Refused {
    const stale = chain.map((certificate) => this.revocation.staleness(certificate, now))
      .find((reason) => reason !== undefined);
    if (stale !== undefined) return { kind: "revoked", reason: `its certificate ${quoted(chain)} ${stale}` };
    return this.#judge(chain);
  }

  /** Judges the peer of a living link, which came in under another trust. That a certificate ended ends no link. */
  keep(chain: readonly Certificate[]): Admitted | Refused {
    const path = pathTo(chain, this.cas);
    if (path === undefined) {
      return {
        kind: "handshake",
        reason: `its certificate ${quoted(chain)} does not lead to the CA in "tlsCaFile" any more`,
      };
    }
    return this.#judge(path);
  }

  #judge(chain: readonly Certificate[]): Admitted | Refused {
    const [leaf] = chain;
    if (leaf === undefined) return { kind: "handshake", reason: "it showed no certificate" };
    for (const certificate of chain) {
      const revoked = this.revocation.refusal(certificate);
      if (revoked === undefined) continue;
      const whose = certificate === leaf ? "" : ` (of the CA ${quoted([certificate])} above it)`;
      return { kind: "revoked", reason: `its certificate ${quoted(chain)}${whose} ${revoked}` };
    }
    if (this.rules === undefined) return { grant: undefined };
    const grant = this.rules.grant(leaf);
    if (grant !== undefined) return { grant };
    return {
      kind: "unauthorized",
      reason: `no rule of "authorization" fits its certificate ${quoted(chain)}`,
    };
  }
}

function quoted([leaf]: readonly Certificate[]): string {
  return leaf === undefined ? "" : `"${certificateName(leaf)}"`;
}
