/**
 * The path from a certificate to a trusted CA (RFC 5280, 6.1, without policies), and what keeps a certificate
 * from standing on it.
 *
 * On a listener Deno's TLS has verified the chain before. On a dialler it may have looked at names alone
 * (decision 0018), so that this must do for itself. Pure: certificates and a time in, a path or words out.
 *
 * @module
 */

import { isWithin } from "./general_names.ts";
import { isSignedBy } from "./signatures.ts";
import { type Certificate, certificateName, isSame, nameText } from "./certificate.ts";

/** What a certificate is shown as. */
export type Purpose = "client" | "server";

/** What a path has to fulfil besides signatures. */
export interface PathDemands {
  /** When all must be valid. Default: at any time. */
  readonly now?: Date;
  /** What all must serve for. Default: anything. */
  readonly purpose?: Purpose;
}

const USAGES: Readonly<Record<Purpose, string>> = {
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
};
const OTHER: Readonly<Record<Purpose, Purpose>> = { server: "client", client: "server" };

/** Chains are short; this ends loops of certificates that sign each other. */
const LONGEST_PATH = 10;

/**
 * The path from `chain[0]` to one of `cas`, both included; nothing if there is none. Those between are looked
 * for in the rest of the chain.
 */
export function findPath(
  chain: readonly Certificate[],
  cas: readonly Certificate[],
  demands: PathDemands = {},
): readonly Certificate[] | undefined {
  const [leaf, ...between] = chain;
  if (leaf === undefined) return undefined;
  const isTrusted = cas.some((ca) => isSame(ca, leaf));
  if (leafFault(leaf, isTrusted, demands) !== undefined) return undefined;
  return isTrusted ? [leaf] : search([leaf], new Set(between), cas, demands);
}

/**
 * @param left Certificates that were not tried: none is tried twice, so that a made-up tangle costs no more
 * than a chain.
 */
function search(
  path: readonly Certificate[],
  left: Set<Certificate>,
  cas: readonly Certificate[],
  demands: PathDemands,
): readonly Certificate[] | undefined {
  const last = path.at(-1);
  if (last === undefined || path.length > LONGEST_PATH) return undefined;
  const below = path.length - 1;
  for (const root of cas) {
    if (rootFault(root, below, demands) !== undefined || !issued(root, last)) continue;
    const whole = [...path, root];
    if (boundsFault(whole) === undefined) return whole;
  }
  for (const next of left) {
    if (issuerFault(next, below, demands) !== undefined || !issued(next, last)) continue;
    left.delete(next);
    const found = search([...path, next], left, cas, demands);
    if (found !== undefined) return found;
  }
  return undefined;
}

function issued(issuer: Certificate, certificate: Certificate): boolean {
  return nameText(issuer.subject) === nameText(certificate.issuer) && isSignedBy(certificate.raw, issuer);
}

/**
 * What is wrong with a role's own certificate, whichever CA signed it.
 *
 * @param isTrusted Whether it is in the bundle itself, as Python's `Security.temporary()` has it.
 */
export function leafFault(
  certificate: Certificate,
  isTrusted: boolean,
  demands: PathDemands,
): string | undefined {
  const { version, extensions: { isCa, unknownCritical } } = certificate;
  if (version !== 3) {
    return `is X.509 v${version}, which is refused: make a v3 one (openssl x509 -req … -extfile …)`;
  }
  if (isCa && !isTrusted) {
    return "is a CA's (CA:TRUE): a role needs one that a CA signed for it (CA:FALSE)";
  }
  if (unknownCritical.length > 0) return notUnderstood(unknownCritical);
  // The holder of a trusted CA's key can sign itself any certificate: its key usage keeps nothing from it.
  const isTrustedCa = isCa && isTrusted;
  return timeFault(certificate, demands.now) ?? useFault(certificate, isTrustedCa, demands.purpose);
}

/**
 * What keeps a certificate from standing above others.
 *
 * @param below How many CAs stand between it and the role's own certificate.
 */
export function issuerFault(
  certificate: Certificate,
  below: number,
  demands: PathDemands,
): string | undefined {
  if (certificate.version !== 3) {
    return `is X.509 v${certificate.version}, which does not say that it may sign for others`;
  }
  return caFault(certificate, below, demands);
}

/**
 * As {@linkcode issuerFault}, of one in the bundle: that it is there makes up for what X.509 v1 can't say.
 */
export function rootFault(
  certificate: Certificate,
  below: number,
  demands: PathDemands,
): string | undefined {
  return certificate.version === 3
    ? caFault(certificate, below, demands)
    : timeFault(certificate, demands.now);
}

function caFault(certificate: Certificate, below: number, demands: PathDemands): string | undefined {
  const { isCa, pathLength, signsCertificates, unknownCritical, usages } = certificate.extensions;
  if (!isCa) return "is no CA (CA:FALSE), so that it may not sign for others";
  if (!signsCertificates) return "may not sign certificates by its key usage";
  if (pathLength !== undefined && pathLength < below) {
    return `may have ${pathLength === 0 ? "no CA" : `at most ${pathLength} CAs`} below it (path length)`;
  }
  if (unknownCritical.length > 0) return notUnderstood(unknownCritical);
  const { purpose } = demands;
  if (purpose !== undefined && usages !== undefined && !usages.includes(USAGES[purpose])) {
    return `may not sign for ${purpose}s by its extended key usage`;
  }
  return timeFault(certificate, demands.now);
}

/**
 * What is wrong with names on a path, to be said of `path[0]`: a CA may have bounds for those of all below
 * it.
 */
export function boundsFault(path: readonly Certificate[]): string | undefined {
  for (const [at, { extensions: { nameConstraints } }] of path.entries()) {
    if (nameConstraints === undefined) continue;
    const outside = path.slice(0, at).find(({ extensions }) => !isWithin(extensions.names, nameConstraints));
    if (outside === undefined) continue;
    const whose = outside === path[0] ? "a name" : `"${certificateName(outside)}" above it, with a name`;
    return `has ${whose} that "${
      certificateName(path[at] ?? outside)
    }" above it may not sign for (name constraints)`;
  }
  return undefined;
}

function notUnderstood(oids: readonly string[]): string {
  return `has a critical extension that is not understood (${oids.join(", ")})`;
}

function timeFault({ validFrom, validTo }: Certificate, now: Date | undefined): string | undefined {
  if (now === undefined) return undefined;
  if (validTo < now) return `has expired on ${validTo.toISOString()}, and now is ${now.toISOString()}`;
  if (validFrom > now) {
    return `is not valid before ${validFrom.toISOString()}, and now is ${now.toISOString()}: compare the clocks`;
  }
  return undefined;
}

function useFault(
  { extensions: { usages, signsHandshakes } }: Certificate,
  isTrustedCa: boolean,
  purpose: Purpose | undefined,
): string | undefined {
  if (purpose === undefined) return undefined;
  // RFC 8446, 4.4.2.2, and every suite of TLS 1.2 that is negotiated here signs, too.
  if (!signsHandshakes && !isTrustedCa) {
    return "may not sign handshakes: its key usage lacks digitalSignature, which a role's certificate needs";
  }
  if (usages === undefined || usages.includes(USAGES[purpose])) return undefined;
  const has = usages.includes(USAGES[OTHER[purpose]]) ? `a ${OTHER[purpose]}'s only` : "something else";
  return `may not be used as a ${purpose}'s: its extended key usage is ${has}, and roles need serverAuth and clientAuth`;
}
