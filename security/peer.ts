/**
 * What is known of the peer at the other end of a TLS link.
 *
 * @module
 */

import type { Grant } from "../messages/grant.ts";

/** What is known of the certificate at the other end of a `tls://` link. */
export interface PeerCertificate {
  /** Name in logs: `subject`; if that has no common name, a URI or DNS name, or the fingerprint. */
  readonly name: string;
  /** Distinguished name, such as `CN=worker-1,O=acme`; may be empty. */
  readonly subject: string;
  /** Distinguished name of the issuer. */
  readonly issuer: string;
  /** SHA-256 of the certificate, upper-case hexadecimal with colons. */
  readonly fingerprint256: string;
  /** Serial number, upper-case hexadecimal. */
  readonly serial?: string;
  /** When it ends, such as `"2027-01-31T12:00:00.000Z"`. */
  readonly validTo?: string;
  /** What the certificate allows; absent if no `authorization` is configured, which allows everything. */
  readonly grant?: Grant;
}

/** TLS facts of a link. */
export interface TlsInfo {
  /** `"TLSv1.2"` or `"TLSv1.3"`. */
  readonly protocol: string;
  /** OpenSSL's name of the negotiated suite. */
  readonly cipher: string;
  /** The peer's certificate. */
  readonly peer: PeerCertificate;
}
