/**
 * Whom a role lets in, beyond what the TLS layer verifies: revocation and authorization, for new links and
 * for living ones. A value that never changes: a reload makes another one.
 *
 * @module
 */

import type { Grant } from "../messages/grant.ts";
import type { Rules } from "./authorization.ts";
import type { RefusalKind } from "./verdict.ts";
import { findPath, type PathDemands } from "./x509/path.ts";
import type { Revocation } from "./revocation.ts";

import { type Certificate, certificateName } from "./x509/certificate.ts";

/**
 * Why a peer is refused: which counter it belongs to, and words that go behind "TLS link with … refused: ".
 */
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
  /** From its certificate to the CA that vouches for it. */
  readonly path: readonly Certificate[];
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

  /** Judges a new peer by what it sent. */
  admit(chain: readonly Certificate[], demands: Required<PathDemands>): Admitted | Refused {
    const verdict = this.#judge(chain, demands, "");
    if ("kind" in verdict) return verdict;
    const stale = this.revocation.staleness(verdict.path, demands.now);
    return stale === undefined
      ? verdict
      : { kind: "revoked", reason: `its certificate ${quoted(chain)} ${stale}` };
  }

  /**
   * Judges the peer of a living link, which came in under another trust. That a certificate ended ends no
   * link.
   */
  keep(chain: readonly Certificate[]): Admitted | Refused {
    return this.#judge(chain, {}, " any more");
  }

  #judge(chain: readonly Certificate[], demands: PathDemands, since: string): Admitted | Refused {
    const [leaf] = chain;
    if (leaf === undefined) return { kind: "handshake", reason: "it showed no certificate" };
    const path = this.#path(chain, demands);
    if (path === undefined) {
      return {
        kind: "handshake",
        reason: `its certificate ${quoted(chain)} does not lead to the CA in "tlsCaFile"${since}`,
      };
    }
    const revoked = this.revocation.refusal(path);
    if (revoked !== undefined) {
      const whose = revoked.certificate === leaf
        ? ""
        : ` (of the CA ${quoted([revoked.certificate])} above it)`;
      return { kind: "revoked", reason: `its certificate ${quoted(chain)}${whose} ${revoked.reason}` };
    }
    if (this.rules === undefined) return { grant: undefined, path };
    const grant = this.rules.grant(leaf);
    if (grant !== undefined) return { grant, path };
    return {
      kind: "unauthorized",
      reason: `no rule of "authorization" fits its certificate ${quoted(chain)}`,
    };
  }

  /**
   * A path without a CA that is revoked, if there is one: a renewed CA may stand beside its revoked
   * predecessor.
   */
  #path(chain: readonly Certificate[], demands: PathDemands): readonly Certificate[] | undefined {
    const [leaf, ...rest] = chain;
    if (leaf === undefined) return undefined;
    const isFit = (certificate: Certificate): boolean => !this.revocation.names(certificate);
    const [fit, fitCas] = [rest.filter(isFit), this.cas.filter(isFit)];
    const path = findPath([leaf, ...fit], fitCas, demands);
    const isAll = fit.length === rest.length && fitCas.length === this.cas.length;
    return path !== undefined || isAll ? path : findPath(chain, this.cas, demands);
  }
}

function quoted([leaf]: readonly Certificate[]): string {
  return leaf === undefined ? "" : `"${certificateName(leaf)}"`;
}
