/**
 * The last word on a peer whose handshake passed the policy: its chain, revocation and authorization; and its place
 * among the living links.
 *
 * @module
 */

import type { TlsInfo } from "../comm/comm.ts";
import { grantText } from "../internal/access.ts";
import type { TlsContext } from "./context.ts";
import { pathTo } from "./signatures.ts";
import { policyRefusal, type TlsPeer } from "./tls_errors.ts";
import { type Certificate, isSame, nameText, parseCertificate } from "./x509.ts";

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
  checkChain(chain, context.trust.cas, peer);
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

/**
 * Verifies the chain again. Deno's client takes X.509 v1 certificates for CAs, although nothing in them says that they
 * may sign: whoever holds a v1 certificate of our CA could make a server's.
 */
function checkChain(chain: readonly Certificate[], cas: readonly Certificate[], peer: TlsPeer): void {
  const old = chain.slice(1).find((one) => one.version !== 3 && !cas.some((ca) => isSame(ca, one)));
  if (old !== undefined) {
    throw policyRefusal(
      peer,
      `"${
        nameText(old.subject)
      }", a CA in its chain, is X.509 v${old.version}, which does not say that it may sign ` +
        "for others; make a v3 one (openssl x509 -req … -extfile …)",
    );
  }
  if (pathTo(chain, cas) === undefined) {
    throw policyRefusal(peer, 'its certificate does not lead to the CA in "tlsCaFile"');
  }
}

/** Certificates from the peer's own upwards. */
function chainOf(first: unknown, peer: TlsPeer): Certificate[] {
  const chain: Certificate[] = [];
  const seen = new Set<unknown>();
  for (
    let at = first;
    isObject(at) && !seen.has(at);
    at = at["issuerCertificate"]
  ) {
    if (chain.length === LONGEST_CHAIN) {
      throw policyRefusal(peer, `its chain is longer than ${LONGEST_CHAIN} certificates`);
    }
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
