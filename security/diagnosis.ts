/**
 * Why a certificate was refused, in words. The TLS layer decides, and has one code for almost everything; here is
 * looked for what it must have met, so that somebody can act on it. Nothing here lets anybody in.
 *
 * Pure: certificates and a time in, words out.
 *
 * @module
 */

import { isSignedBy, signatureName } from "./signatures.ts";
import { type Certificate, isSame, nameText } from "./x509.ts";

/** What the refused certificate was shown as. */
export type Purpose = "client" | "server";

const USAGES: Readonly<Record<Purpose, string>> = {
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
};
const OTHER: Readonly<Record<Purpose, Purpose>> = { server: "client", client: "server" };

/** Longest chain that is followed. */
const LONGEST_CHAIN = 10;

/**
 * Says what is wrong with a chain: `certificate "CN=worker-1" has expired on …`. Nothing if nothing is found.
 *
 * @param chain The peer's certificate, then what it sent along.
 * @param cas What is trusted.
 */
export function diagnose(
  chain: readonly Certificate[],
  cas: readonly Certificate[],
  now: Date,
  purpose: Purpose,
): string | undefined {
  const [leaf, ...sent] = chain;
  if (leaf === undefined) return undefined;
  const what = ofItself(leaf) ?? ofItsIssuers(leaf, sent, cas, now) ?? ofItsTime(leaf, now) ??
    ofItsUse(leaf, purpose);
  return what === undefined ? undefined : `certificate "${nameText(leaf.subject)}" ${what}`;
}

function ofItself(certificate: Certificate): string | undefined {
  const { version, subject, issuer, extensions: { isCa, unknownCritical } } = certificate;
  if (version !== 3) {
    return `is X.509 v${version}, which is refused: make a v3 one (openssl x509 -req … -extfile …)`;
  }
  // What is self-signed is mostly both: `openssl req -x509` says CA:TRUE.
  if (isCa && nameText(subject) !== nameText(issuer)) {
    return "is a CA's (CA:TRUE): a role needs one that a CA signed for it (CA:FALSE)";
  }
  if (unknownCritical.length > 0) {
    return `has a critical extension that is not understood (${unknownCritical.join(", ")})`;
  }
  return undefined;
}

function ofItsTime({ validFrom, validTo }: Certificate, now: Date): string | undefined {
  if (validTo < now) return `has expired on ${validTo.toISOString()}, and now is ${now.toISOString()}`;
  if (validFrom > now) {
    return `is not valid before ${validFrom.toISOString()}, and now is ${now.toISOString()}: compare the clocks`;
  }
  return undefined;
}

function ofItsUse({ extensions: { usages } }: Certificate, purpose: Purpose): string | undefined {
  if (usages === undefined || usages.includes(USAGES[purpose])) return undefined;
  const has = usages.includes(USAGES[OTHER[purpose]]) ? `a ${OTHER[purpose]}'s only` : "something else";
  return `may not be used as a ${purpose}'s: its extended key usage is ${has}, and roles need serverAuth and clientAuth`;
}

/** Follows the chain upwards until a CA that is trusted. */
function ofItsIssuers(
  leaf: Certificate,
  sent: readonly Certificate[],
  cas: readonly Certificate[],
  now: Date,
): string | undefined {
  // The TLS layer puts trusted certificates of the right name behind what was sent.
  const between = sent.filter((one) => !cas.some((ca) => isSame(ca, one)));
  const below: Certificate[] = [];
  for (let at = leaf; below.length < LONGEST_CHAIN;) {
    const subject = at === leaf ? "" : `has "${nameText(at.subject)}" above it, which `;
    const why = (words: string): string => `${subject}${words}`;
    const issuer = nameText(at.issuer);
    const roots = cas.filter((ca) => nameText(ca.subject) === issuer);
    if (cas.some((ca) => isSame(ca, at)) || roots.some((root) => isSignedBy(at.raw, root))) {
      return ofSignatures([...below, at]);
    }
    const algorithm = signatureName(at.raw);
    if (roots.length > 0 && algorithm !== undefined) {
      return why(`is signed with ${algorithm}, which is not accepted`);
    }
    const next = between.find((one) =>
      !below.includes(one) && one !== at && nameText(one.subject) === issuer
    );
    const isRoot = next !== undefined && nameText(next.issuer) === issuer;
    if (next === undefined || isRoot) return why(withoutIssuer(at, issuer, roots.length > 0, isRoot));
    const wrong = ofAnIssuer(next, below.length, now);
    if (wrong !== undefined) return why(`is signed by "${issuer}", which ${wrong}`);
    below.push(at);
    at = next;
  }
  return `has more than ${LONGEST_CHAIN} certificates above it`;
}

/** From the trusted end downwards, so that no key is used that nobody trusts. */
function ofSignatures(path: readonly Certificate[]): string | undefined {
  for (let at = path.length - 1; at > 0; at--) {
    const [signed, issuer] = [path[at - 1], path[at]];
    if (signed === undefined || issuer === undefined || isSignedBy(signed.raw, issuer)) continue;
    const whose = at === 1 ? "" : ` (of "${nameText(signed.subject)}" above it)`;
    return `has a signature${whose} that "${nameText(issuer.subject)}" did not make`;
  }
  return undefined;
}

/** @param isRoot Whether the issuer is known for a root, so that nobody stands above it. */
function withoutIssuer(
  certificate: Certificate,
  issuer: string,
  isNameTrusted: boolean,
  isRoot: boolean,
): string {
  if (isNameTrusted) {
    return `says that "${issuer}" signed it, but not the one in "tlsCaFile": it is of another CA with the same name`;
  }
  if (nameText(certificate.subject) === issuer) {
    return `is self-signed, and not in "tlsCaFile": a role's must be signed by the CA that all trust`;
  }
  if (isRoot) return `is signed by "${issuer}", which is not in "tlsCaFile": it is of another CA`;
  return `is signed by "${issuer}", which is not in "tlsCaFile" and was not sent along: it is of another CA, or its file ` +
    "lacks the CAs between";
}

/** @param distance How many CAs stand between it and the peer's certificate. */
function ofAnIssuer(certificate: Certificate, distance: number, now: Date): string | undefined {
  const { version, extensions: { isCa, pathLength, signsCertificates, unknownCritical } } = certificate;
  if (version !== 3) return `is X.509 v${version}, which does not say that it may sign for others`;
  if (!isCa) return "is no CA (CA:FALSE), so that it may not sign for others";
  if (!signsCertificates) return "may not sign certificates by its key usage";
  if (pathLength !== undefined && pathLength < distance) {
    return `may have ${pathLength === 0 ? "no CA" : `at most ${pathLength} CAs`} below it (path length)`;
  }
  if (unknownCritical.length > 0) {
    return `has a critical extension that is not understood (${unknownCritical.join(", ")})`;
  }
  return ofItsTime(certificate, now);
}
