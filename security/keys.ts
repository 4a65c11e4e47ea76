/**
 * Private keys.
 *
 * @module
 */

import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { SecurityError } from "./errors.ts";
import type { Certificate } from "./x509.ts";

/**
 * A private key as PKCS#8, whichever form it came in (PKCS#1, SEC 1).
 *
 * @throws {SecurityError} If it can't be read. The cause is left out: it might quote the key.
 */
export function normalKey(pem: string, label: string): string {
  try {
    return createPrivateKey(pem).export({ type: "pkcs8", format: "pem" }).toString();
  } catch {
    throw new SecurityError(
      `${label} holds a private key that can't be read: RSA, EC and Ed25519 keys can be used`,
    );
  }
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
