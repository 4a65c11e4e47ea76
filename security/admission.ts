/**
 * The last word on a peer whose handshake passed the policy: its chain, revocation and authorization; and its place
 * among the living links.
 *
 * @module
 */

import type { TlsInfo } from "../comm/comm.ts";
import { grantText } from "../internal/access.ts";
import type { TlsContext } from "./context.ts";
import { peerChain } from "./peer_chain.ts";
import { pathTo } from "./signatures.ts";
import { policyRefusal, type TlsPeer } from "./tls_errors.ts";
import { type Certificate, certificateName, isSame } from "./x509.ts";

/** A peer that may have its link. */
export interface AdmittedPeer {
  /** What to tell about the link. */
  readonly tls: TlsInfo;
  /** The peer's certificate, and what is behind it. */
  readonly chain: readonly Certificate[];
}

/**
 * Lets a peer in, or not.
 *
 * @param certificate What `getPeerCertificate(true)` gave: every certificate with its issuer behind it.
 * @param expect What a dialled peer must be.
 * @throws {TlsRefusedError} If it is not let in; always final.
 */
export function admit(
  tls: TlsInfo,
  certificate: unknown,
  context: TlsContext,
  peer: TlsPeer,
  expect: "scheduler" | "worker" | undefined,
): AdmittedPeer {
  const chain = chainOf(certificate, peer);
  const now = new Date();
  checkChain(chain, context.trust.cas, now, peer);
  let verdict = context.trust.admit(chain, now);
  // The handshake may have begun before a reload, with another CA.
  if (!("kind" in verdict) && context.generation > 0) verdict = context.trust.keep(chain);
  if ("kind" in verdict) throw policyRefusal(peer, verdict.reason, { kind: verdict.kind });
  const { grant } = verdict;
  if (grant === undefined) return { tls, chain };
  const fits = expect === undefined ? grant.role !== "client" : grant.role === expect;
  if (peer.way === "dial" && !fits) {
    throw policyRefusal(
      peer,
      `by "authorization" its certificate "${tls.peer.name}" is ${grantText(grant)}, and ` +
        (expect === undefined ? "clients are not dialled" : `a ${expect} was expected`),
      { kind: "unauthorized" },
    );
  }
  return { tls: { ...tls, peer: { ...tls.peer, grant } }, chain };
}

/**
 * Looks for a path to the CA of our own. Deno's client takes X.509 v1 certificates for CAs, although nothing in them says
 * that they may sign: whoever holds a v1 certificate of our CA could make a server's.
 */
function checkChain(
  chain: readonly Certificate[],
  cas: readonly Certificate[],
  now: Date,
  peer: TlsPeer,
): void {
  const path = pathTo(chain, cas);
  // A peer of another Deno sends what it trusts along, so that a v1 root alone is no reason.
  const old = chain.slice(1).find((one) => one.version !== 3 && !cas.some((ca) => isSame(ca, one)));
  if (path === undefined && old !== undefined) {
    throw policyRefusal(
      peer,
      `"${
        certificateName(old)
      }", a CA in its chain, is X.509 v${old.version}, which does not say that it may sign ` +
        "for others; make a v3 one (openssl x509 -req … -extfile …)",
    );
  }
  if (path === undefined) throw policyRefusal(peer, 'its certificate does not lead to the CA in "tlsCaFile"');
  const ended = path.slice(1, -1).find(({ validFrom, validTo }) => validFrom > now || validTo < now);
  if (ended !== undefined) {
    throw policyRefusal(peer, `"${certificateName(ended)}", a CA in its chain, is not valid now`);
  }
}

function chainOf(certificate: unknown, peer: TlsPeer): Certificate[] {
  try {
    return peerChain(certificate);
  } catch (cause) {
    throw policyRefusal(peer, "a certificate of its chain can't be read", { cause });
  }
}
