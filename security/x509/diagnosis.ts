/**
 * Why a certificate was refused, in words. The TLS layer has one code for almost everything; here is looked
 * for what it, or the search for a path, must have met, with what to do about it. Nothing here lets a peer
 * in.
 *
 * Pure: certificates and a time in, words out.
 *
 * @module
 */

import { boundsFault, issuerFault, leafFault, type Purpose, rootFault } from "./path.ts";
import { isSignedBy, isUncheckable, signatureName } from "./signatures.ts";
import { type Certificate, certificateName, isSame, nameText } from "./certificate.ts";

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
  // What is self-signed is mostly a CA's, too: `openssl req -x509` says CA:TRUE. To say that it is
  // self-signed helps more.
  const isTrusted = cas.some((ca) => isSame(ca, leaf)) || nameText(leaf.subject) === nameText(leaf.issuer);
  const what = leafFault(leaf, isTrusted, {}) ?? ofItsIssuers(leaf, sent, cas, now, purpose) ??
    leafFault(leaf, isTrusted, { now, purpose });
  return what === undefined ? undefined : `certificate "${certificateName(leaf)}" ${what}`;
}

/** Follows the chain upwards until a CA that is trusted. */
function ofItsIssuers(
  leaf: Certificate,
  sent: readonly Certificate[],
  cas: readonly Certificate[],
  now: Date,
  purpose: Purpose,
): string | undefined {
  // The TLS layer puts trusted certificates of the right name behind what was sent.
  const between = sent.filter((one) => !cas.some((ca) => isSame(ca, one)));
  const below: Certificate[] = [];
  for (let at = leaf; below.length < LONGEST_CHAIN;) {
    const subject = at === leaf ? "" : `has "${certificateName(at)}" above it, which `;
    const why = (words: string): string => `${subject}${words}`;
    const issuer = nameText(at.issuer);
    const roots = cas.filter((ca) => nameText(ca.subject) === issuer);
    if (cas.some((ca) => isSame(ca, at))) return ofSignatures([...below, at]);
    const signers = roots.filter((root) => isSignedBy(at.raw, root));
    if (signers.length > 0) {
      const faults = signers.map((root) => rootFault(root, below.length, { now, purpose }));
      const [fault] = faults;
      if (fault !== undefined && !faults.includes(undefined)) {
        return why(`is signed by "${issuer}" of "tlsCaFile", which ${fault}`);
      }
      const signed = [...below, at];
      return ofSignatures(signed) ?? boundsFault([...signed, ...signers.slice(0, 1)]);
    }
    const algorithm = signatureName(at.raw);
    if (roots.length > 0 && algorithm !== undefined) {
      return why(`is signed with ${algorithm}, which is not accepted`);
    }
    if (roots.some((root) => isUncheckable(at.raw, root))) {
      return why(
        `is signed by "${issuer}", whose key is a P-521 one: only with SHA-512 can that be checked here`,
      );
    }
    const next = between.find((one) =>
      !below.includes(one) && one !== at && nameText(one.subject) === issuer
    );
    const isRoot = next !== undefined && nameText(next.issuer) === issuer;
    if (next === undefined || isRoot) return why(withoutIssuer(at, issuer, roots.length > 0, isRoot));
    const wrong = issuerFault(next, below.length, { now, purpose });
    if (wrong !== undefined) return why(`is signed by "${issuer}", which ${wrong}`);
    below.push(at);
    at = next;
  }
  return `has more than ${LONGEST_CHAIN} certificates above it`;
}

/** From the trusted end downwards, so that only trusted keys are used. */
function ofSignatures(path: readonly Certificate[]): string | undefined {
  for (let at = path.length - 1; at > 0; at--) {
    const [signed, issuer] = [path[at - 1], path[at]];
    if (signed === undefined || issuer === undefined || isSignedBy(signed.raw, issuer)) continue;
    const whose = at === 1 ? "" : ` (of "${certificateName(signed)}" above it)`;
    return `has a signature${whose} that "${nameText(issuer.subject)}" did not make`;
  }
  return undefined;
}

/** @param isRoot Whether the issuer is a root, which has no issuer above it. */
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
