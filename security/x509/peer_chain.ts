/**
 * The certificates that a peer sent.
 *
 * @module
 */

import { type Certificate, isSame, parseCertificate } from "./certificate.ts";

/** Most certificates that a peer may send. */
const LONGEST_CHAIN = 10;

/** What the TLS layer hands out. */
export interface ShownCertificates {
  /** All that was sent, DER, the peer's own first; nothing if the TLS layer has no such list. */
  readonly sent: readonly Uint8Array[] | undefined;
  /**
   * What `getPeerCertificate(true)` gives: each with its issuer behind it. What does not fit by name is left
   * out.
   */
  readonly linked: unknown;
}

/**
 * Certificates, the peer's own first; empty if it showed none.
 *
 * @throws {SyntaxError} If one can't be read, or there are too many.
 */
export function peerChain({ sent, linked }: ShownCertificates): Certificate[] {
  const chain: Certificate[] = [];
  for (const raw of sent ?? linkedCertificates(linked)) {
    const certificate = parseCertificate(raw);
    // OpenSSL may send its own certificate twice.
    if (!chain.some((one) => isSame(one, certificate))) chain.push(certificate);
    if (chain.length > LONGEST_CHAIN) {
      throw new SyntaxError(`there are more than ${LONGEST_CHAIN} certificates`);
    }
  }
  return chain;
}

function* linkedCertificates(first: unknown): Iterable<Uint8Array> {
  const seen = new Set<unknown>(); // a root is its own issuer
  for (let at = first; isObject(at) && !seen.has(at); at = at["issuerCertificate"]) {
    seen.add(at);
    const { raw } = at;
    if (!(raw instanceof Uint8Array)) return;
    yield raw;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
