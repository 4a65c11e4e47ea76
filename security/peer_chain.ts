/**
 * The certificates that a peer showed, as `node:tls` hands them out.
 *
 * @module
 */

import { type Certificate, isSame, parseCertificate } from "./x509.ts";

/** Longest chain that is looked at. */
const LONGEST_CHAIN = 10;

/**
 * Certificates from the peer's own upwards; empty if it showed none.
 *
 * @param first What `getPeerCertificate(true)` gave: every certificate with its issuer behind it.
 * @throws {SyntaxError} If one can't be read.
 */
export function peerChain(first: unknown): Certificate[] {
  const chain: Certificate[] = [];
  const seen = new Set<unknown>(); // a root is its own issuer
  for (let at = first; isObject(at) && !seen.has(at); at = at["issuerCertificate"]) {
    seen.add(at);
    const { raw } = at;
    if (!(raw instanceof Uint8Array) || seen.size > LONGEST_CHAIN) break;
    const certificate = parseCertificate(raw);
    // OpenSSL may send its own certificate twice.
    if (!chain.some((one) => isSame(one, certificate))) chain.push(certificate);
  }
  return chain;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
