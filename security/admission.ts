/**
 * The last word on a peer whose handshake passed the policy: revocation and authorization; and its place among the
 * living links.
 *
 * @module
 */

import type { TlsInfo } from "../comm/comm.ts";
import { grantText } from "../internal/access.ts";
import type { TlsContext } from "./context.ts";
import { policyRefusal, type TlsPeer } from "./tls_errors.ts";
import { type Certificate, parseCertificate } from "./x509.ts";

/** Longest chain that is looked at. */
const LONGEST_CHAIN = 10;

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
  let verdict = context.trust.admit(chain, now);
  // The handshake may have begun before a reload, with another CA.
  if (!("kind" in verdict) && context.generation > 0) verdict = context.trust.keep(chain);
  if ("kind" in verdict) throw policyRefusal(peer, verdict.reason, { kind: verdict.kind });
  const { grant } = verdict;
  if (grant === undefined) return { tls, chain };
  const { subject } = tls.peer;
  const fits = expect === undefined ? grant.role !== "client" : grant.role === expect;
  if (peer.way === "dial" && !fits) {
    throw policyRefusal(
      peer,
      `by "authorization" its certificate "${subject}" is ${grantText(grant)}, and ` +
        (expect === undefined ? "clients are not dialled" : `a ${expect} was expected`),
      { kind: "unauthorized" },
    );
  }
  return { tls: { ...tls, peer: { ...tls.peer, grant } }, chain };
}

/** Certificates from the peer's own upwards. */
function chainOf(first: unknown, peer: TlsPeer): Certificate[] {
  const chain: Certificate[] = [];
  const seen = new Set<unknown>();
  for (
    let at = first;
    isObject(at) && !seen.has(at) && chain.length < LONGEST_CHAIN;
    at = at["issuerCertificate"]
  ) {
    seen.add(at);
    const { raw } = at;
    if (!(raw instanceof Uint8Array)) break;
    try {
      chain.push(parseCertificate(raw));
    } catch (cause) {
      throw policyRefusal(peer, "a certificate of its chain can't be read", { cause });
    }
  }
  return chain;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
