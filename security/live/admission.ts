/**
 * The last word on a peer whose handshake passed the policy: how its certificates are written, their path to
 * our CA, revocation and authorization.
 *
 * On a dialler Deno's word that a peer is verified is not enough: where it can't read a certificate, it skips
 * the proof of the key and compares names alone (decision 0018). So every certificate must be one that it can
 * read, and the path is searched for again, with all that RFC 5280 demands.
 *
 * @module
 */

import type { TlsInfo } from "../peer.ts";
import { grantText } from "../../messages/grant.ts";
import type { TlsContext } from "./context.ts";
import { diagnose } from "../x509/diagnosis.ts";
import type { Purpose } from "../x509/path.ts";
import { peerChain, type ShownCertificates } from "../x509/peer_chain.ts";
import { derFault } from "../x509/strict_der.ts";
import { policyRefusal, type TlsPeer } from "../verdict.ts";
import { isReadable } from "../x509/webpki.ts";
import { type Certificate, certificateName, isSame } from "../x509/certificate.ts";

/** A peer that may have its link. */
export interface AdmittedPeer {
  /** What to tell about the link. */
  readonly tls: TlsInfo;
  /** The peer's certificate, and what was sent behind it. */
  readonly chain: readonly Certificate[];
}

/**
 * Lets a peer in, or not.
 *
 * @param expect What a dialled peer must be.
 * @throws {TlsRefusedError} If it is not let in; always final.
 */
export function admit(
  tls: TlsInfo,
  shown: ShownCertificates,
  context: TlsContext,
  peer: TlsPeer,
  expect: "scheduler" | "worker" | undefined,
): AdmittedPeer {
  const chain = readChain(shown, peer);
  const { cas } = context.trust;
  checkWriting(chain, context, peer);
  const now = new Date();
  const purpose: Purpose = peer.way === "dial" ? "server" : "client";
  const verdict = context.trust.admit(chain, { now, purpose });
  if ("kind" in verdict) {
    const why = verdict.kind === "handshake" ? diagnose(chain, cas, now, purpose) : undefined;
    throw policyRefusal(peer, why === undefined ? verdict.reason : `its ${why}`, { kind: verdict.kind });
  }
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

function checkWriting(chain: readonly Certificate[], context: TlsContext, peer: TlsPeer): void {
  for (const one of chain) {
    // A peer of another Deno sends what it trusts along, so that a v1 root of ours is no reason.
    if (context.trust.cas.some((ca) => isSame(ca, one))) continue;
    if (one.version !== 3) continue; // the search for a path says it better
    const fault = derFault(one.raw);
    if (fault === undefined) continue;
    throw policyRefusal(
      peer,
      `"${
        certificateName(one)
      }", a certificate that it sent, is not written as DER demands: ${fault}. Deno's TLS might ask ` +
        "for no proof of its key; let its CA make a new one",
    );
  }
  const [leaf] = chain;
  if (leaf === undefined || isReadable(leaf, context.certificate)) return;
  throw policyRefusal(
    peer,
    `its certificate "${
      certificateName(leaf)
    }" can't be read by Deno's TLS, which then asks for no proof of its key`,
  );
}

function readChain(shown: ShownCertificates, peer: TlsPeer): Certificate[] {
  try {
    return peerChain(shown);
  } catch (cause) {
    const why = cause instanceof SyntaxError ? `: ${cause.message}` : "";
    throw policyRefusal(peer, `a certificate of its chain can't be read${why}`, { cause });
  }
}
