/**
 * Signatures of certificates and revocation lists.
 *
 * @module
 */

import { constants, type KeyObject, verify, X509Certificate } from "node:crypto";
import { DerReader, oidText, Tag } from "./der.ts";
import type { Certificate } from "./certificate.ts";

/** Hash by signature algorithm; SHA-1 and MD5 are not trusted. `null`: the algorithm has its own. */
const HASHES: Readonly<Record<string, string | null>> = {
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.3.101.112": null,
};

/** What is met now and then, and not trusted. */
const WEAK: Readonly<Record<string, string>> = {
  "1.2.840.113549.1.1.4": "MD5",
  "1.2.840.113549.1.1.5": "SHA-1",
  "1.2.840.10045.4.1": "SHA-1",
};

const ECDSA_WITH_SHA512 = "1.2.840.10045.4.3.4";
const RSA_PSS = "1.2.840.113549.1.1.10";
const PSS_HASHES: Readonly<Record<string, readonly [hash: string, salt: number]>> = {
  "2.16.840.1.101.3.4.2.1": ["sha256", 32],
  "2.16.840.1.101.3.4.2.2": ["sha384", 48],
  "2.16.840.1.101.3.4.2.3": ["sha512", 64],
};

/** Whether `signed` (a certificate or revocation list, DER) carries a signature by the key of `issuer`. */
export function isSignedBy(signed: Uint8Array, issuer: Certificate): boolean {
  try {
    const outer = new DerReader(signed).enter(Tag.sequence);
    const body = outer.next(Tag.sequence).whole;
    const algorithm = outer.enter(Tag.sequence);
    const oid = oidText(algorithm.next(Tag.oid).content);
    const signature = outer.next(Tag.bitString).content.subarray(1);
    const { publicKey } = new X509Certificate(issuer.raw);
    if (oid === RSA_PSS) return isPssSigned(body, signature, publicKey, algorithm);
    const hash = Object.hasOwn(HASHES, oid) ? HASHES[oid] : undefined;
    return hash !== undefined && verify(hash, body, publicKey, signature);
  } catch {
    return false; // can't be read, or a key that does not fit the algorithm
  }
}

/**
 * Whether a signature by `issuer` can't be checked: `node:crypto` takes P-521 with SHA-512 alone; OpenSSL
 * signs with SHA-256.
 */
export function isUncheckable(signed: Uint8Array, issuer: Certificate): boolean {
  try {
    const { asymmetricKeyDetails } = new X509Certificate(issuer.raw).publicKey;
    return asymmetricKeyDetails?.namedCurve === "secp521r1" && algorithmOf(signed) !== ECDSA_WITH_SHA512;
  } catch {
    return false; // a key that can't be read at all
  }
}

function algorithmOf(signed: Uint8Array): string {
  const outer = new DerReader(signed).enter(Tag.sequence);
  outer.next(Tag.sequence);
  return oidText(outer.enter(Tag.sequence).next(Tag.oid).content);
}

/** The algorithm of a certificate's signature, in words, if it is one that is not trusted. */
export function signatureName(signed: Uint8Array): string | undefined {
  const oid = algorithmOf(signed);
  if (Object.hasOwn(HASHES, oid) || oid === RSA_PSS) return undefined;
  return Object.hasOwn(WEAK, oid) ? WEAK[oid] : `algorithm ${oid}`;
}

/** Parameters: `[0] { hash }`, mask and salt follow the hash by convention. */
function isPssSigned(
  body: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
  algorithm: DerReader,
): boolean {
  const hashOid = algorithm.enter(Tag.sequence).enter(Tag.context).enter(Tag.sequence).next(Tag.oid).content;
  const [hash, saltLength] = PSS_HASHES[oidText(hashOid)] ?? [];
  if (hash === undefined || saltLength === undefined) return false;
  return verify(hash, body, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }, signature);
}
