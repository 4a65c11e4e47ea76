/**
 * What a peer must have shown before a single byte is read from or written to it.
 *
 * @module
 */

import type { TlsInfo } from "./peer.ts";
import { cipherAllowed } from "./ciphers/ciphers.ts";
import type { TlsRole } from "./roles.ts";
import { policyRefusal, type TlsPeer } from "./verdict.ts";
import {
  type Certificate,
  certificateName,
  fingerprint256,
  nameText,
  parseCertificate,
} from "./x509/certificate.ts";

/** What of a {@linkcode TlsContext} is no secret. */
export interface TlsContextOptions {
  /** Which certificate is shown. */
  readonly role: TlsRole;
  /** Whether plain text is forbidden beside it. */
  readonly requireEncryption: boolean;
  /** Lowest TLS version. */
  readonly minVersion: "1.2" | "1.3";
  /** Highest TLS version. */
  readonly maxVersion: "1.2" | "1.3";
  /** Allowed suites; absent: all. */
  readonly ciphers: ReadonlySet<string> | undefined;
  /** TCP keep-alive probes. */
  readonly keepAlive: boolean;
  /** Send small messages at once. */
  readonly noDelay: boolean;
  /** Own certificate. */
  readonly certificate: Certificate;
  /** Own certificate, and what is sent behind it. */
  readonly chain: readonly Certificate[];
}

/** What the TLS layer says after a handshake. */
export interface HandshakeFacts {
  /** Whether it verified the peer's chain against our CA. */
  readonly authorized: boolean;
  /** The peer's certificate, DER; `undefined` if it showed none. */
  readonly certificate: Uint8Array | undefined;
  /** Negotiated version, such as `"TLSv1.3"`. */
  readonly protocol: string | null;
  /** Negotiated suite, OpenSSL's name. */
  readonly cipher: string;
}

const VERSIONS: readonly string[] = ["TLSv1.2", "TLSv1.3"];

/**
 * Accepts or refuses a peer whose handshake is complete. The TLS layer was told to do most of this as well;
 * it is asserted again, because a link without it is not worth having.
 *
 * @throws {TlsRefusedError} If the peer is refused; always final.
 */
export function checkPeer(
  facts: HandshakeFacts,
  context: Pick<TlsContextOptions, "ciphers" | "minVersion" | "maxVersion">,
  peer: TlsPeer,
): TlsInfo {
  const { certificate, protocol, cipher } = facts;
  if (certificate === undefined || certificate.length === 0) {
    throw policyRefusal(peer, "it showed no certificate");
  }
  if (!facts.authorized) {
    throw policyRefusal(peer, 'its certificate does not lead to the CA in "tlsCaFile"');
  }
  const parsed = read(certificate, peer);
  const name = certificateName(parsed);
  // Deno's client accepts a v1 server that can't sign: the public certificate alone would do (decision 0018).
  if (parsed.version !== 3) {
    throw policyRefusal(
      peer,
      `its certificate "${name}" is X.509 v${parsed.version}, which does not prove that it owns the private key; ` +
        "make a v3 one (openssl x509 -req … -extfile …)",
    );
  }
  const version = VERSIONS.indexOf(protocol ?? "");
  if (
    version < VERSIONS.indexOf(`TLSv${context.minVersion}`) ||
    version > VERSIONS.indexOf(`TLSv${context.maxVersion}`)
  ) {
    throw policyRefusal(peer, `${protocol ?? "no TLS version"} was negotiated, which is not allowed here`);
  }
  if (!cipherAllowed(context.ciphers, cipher)) {
    throw policyRefusal(peer, `cipher suite ${cipher} was negotiated, which "tlsCiphers" does not allow`);
  }
  return {
    protocol: protocol ?? "",
    cipher,
    peer: {
      name,
      subject: nameText(parsed.subject),
      issuer: nameText(parsed.issuer),
      fingerprint256: fingerprint256(parsed.raw),
      serial: parsed.serial,
      validTo: parsed.validTo.toISOString(),
    },
  };
}

function read(certificate: Uint8Array, peer: TlsPeer): Certificate {
  try {
    return parseCertificate(certificate);
  } catch (cause) {
    const why = cause instanceof SyntaxError ? `: ${cause.message}` : "";
    throw policyRefusal(peer, `its certificate can't be read${why}`, { cause });
  }
}
