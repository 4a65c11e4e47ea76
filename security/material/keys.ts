/**
 * Private keys.
 *
 * @module
 */

import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { SecurityError } from "./errors.ts";
import type { Certificate } from "../x509/certificate.ts";

/** Words for every refusal. */
const USABLE = "RSA (2048 to 4096 bits), EC (P-256, P-384, P-521) and Ed25519 keys can be used";

/**
 * A private key as PKCS#8, whichever form it came in (PKCS#1, SEC 1).
 *
 * @throws {SecurityError} If it can't be read. The cause is left out: it might quote the key.
 */
export function normalKey(pem: string, label: string): string {
  try {
    return createPrivateKey(pem).export({ type: "pkcs8", format: "pem" }).toString();
  } catch {
    throw new SecurityError(`${label} holds a private key that can't be read: ${USABLE}`);
  }
}

/** Curves that Deno's TLS has. */
const CURVES: readonly unknown[] = ["prime256v1", "secp384r1", "secp521r1"];
/** What Deno's TLS takes, and the most that `node:crypto` reads of a certificate. */
const RSA_BITS = { least: 2048, most: 4096 } as const;

/**
 * Why no link can be made with the key that `certificate` certifies; nothing if one can. Without this look at
 * it a listener would start, and refuse everybody.
 */
export function keyProblem(certificate: Certificate): string | undefined {
  let key: KeyObject;
  try {
    key = new X509Certificate(certificate.raw).publicKey;
  } catch {
    return `a key that can't be read; ${USABLE}`; // RSA with more bits is one of them
  }
  const { asymmetricKeyType: type = "unknown", asymmetricKeyDetails: details = {} } = key;
  if (type === "ed25519") return undefined;
  if (type === "ec") {
    const { namedCurve: curve = "unknown" } = details;
    return CURVES.includes(curve) ? undefined : `an EC key on the curve ${curve}; ${USABLE}`;
  }
  if (type !== "rsa") return `a key of type ${type}; ${USABLE}`;
  const { modulusLength: bits = 0 } = details;
  return bits >= RSA_BITS.least && bits <= RSA_BITS.most
    ? undefined
    : `an RSA key of ${bits} bits; ${USABLE}`;
}

/** Whether the public half of `key` is the one in `certificate`. */
export function keyBelongsTo(key: string, certificate: Certificate): boolean {
  const ours = createPublicKey(key).export({ type: "spki", format: "der" });
  const theirs = new X509Certificate(certificate.raw).publicKey.export({ type: "spki", format: "der" });
  return ours.equals(theirs);
}

/** Whether the key that `certificate` certifies is an RSA one. */
export function isRsa(certificate: Certificate): boolean {
  return new X509Certificate(certificate.raw).publicKey.asymmetricKeyType === "rsa";
}
