/**
 * Codes and texts of the TLS layer, in words with what to do.
 *
 * Which end an error comes from is what matters: "we refused the peer's certificate" and "the peer refused
 * ours" have different remedies. An alert that we received is the peer's verdict; everything else is ours.
 *
 * @module
 */

/** Which side ended a TLS link. */
export type RefusingSide = "here" | "peer";

/**
 * What is wrong with a peer: its TLS handshake, a revoked certificate, or one that may not be what it claims.
 */
export type RefusalKind = "handshake" | "revoked" | "unauthorized";

/**
 * TLS, or the policy on top of it, refused a link.
 *
 * ```ts
 * import { TlsRefusedError } from "jsr:@dask/distributed/security";
 *
 * // Whether a retry makes no sense, by an error or its causes.
 * function isFinal(error: unknown): boolean {
 *   if (error instanceof TlsRefusedError) return error.final;
 *   return error instanceof Error && error.cause !== undefined && isFinal(error.cause);
 * }
 * console.log(isFinal(new Error("no route to host"))); // false
 * ```
 */
export class TlsRefusedError extends Error {
  /** A stable name of the kind of error. */
  readonly code = "TLS_REFUSED";
  /** `"TlsRefusedError"`. */
  override readonly name = "TlsRefusedError";
  /** Whether trying again can't help: a certificate was refused, say. */
  readonly final: boolean;
  /** Who refused. */
  readonly side: RefusingSide;
  /** What was wrong with the peer. */
  readonly kind: RefusalKind;

  /** Made by the transport; `message` says what to do about it. */
  constructor(
    message: string,
    verdict: { final: boolean; side: RefusingSide; kind?: RefusalKind },
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.kind = verdict.kind ?? "handshake";
    this.final = verdict.final;
    this.side = verdict.side;
  }
}

/** Who the peer is, and what it is to us. */
export interface TlsPeer {
  /** `"dial"`: we connected to it. `"accept"`: it connected to us. */
  readonly way: "dial" | "accept";
  /** `host:port`. */
  readonly address: string;
  /** Own certificate in words, for "the peer refused …". */
  readonly own: string;
  /** Subject of the peer's certificate, if it is known. */
  readonly shown?: string;
}

interface Verdict {
  readonly side: RefusingSide;
  readonly final: boolean;
  readonly kind?: RefusalKind;
  readonly reason: (peer: TlsPeer) => string;
}

type Rule = readonly [pattern: RegExp, verdict: Verdict];

const HERE = { side: "here", final: true } as const;
const PEER = { side: "peer", final: true } as const;

/** What the alerts say that a peer sends (RFC 8446, 6.2), as OpenSSL and rustls spell them. */
const ALERTS: readonly Rule[] = [
  [/CERTIFICATE_?REQUIRED/i, {
    ...PEER,
    reason: () => "it demands a certificate and got none: set this role's certificate and key",
  }],
  [/UNKNOWN_?CA/i, {
    ...PEER,
    reason: ({ own }) => `it does not trust the issuer of our certificate ${own}`,
  }],
  [/CERTIFICATE_?EXPIRED/i, {
    ...PEER,
    reason: ({ own }) => `our certificate ${own} has expired, by its clock`,
  }],
  [/CERTIFICATE_?REVOKED/i, { ...PEER, reason: ({ own }) => `our certificate ${own} is revoked` }],
  [/(?:BAD|UNSUPPORTED)_?CERTIFICATE|CERTIFICATE_?UNKNOWN|ACCESS_?DENIED/i, {
    ...PEER,
    reason: ({ own }) => `it refused our certificate ${own}: its log has the reason`,
  }],
  [/DECRYPT_?ERROR/i, {
    ...PEER,
    reason: ({ own }) => `it could not verify our signature for certificate ${own}`,
  }],
  [/PROTOCOL_?VERSION/i, {
    ...PEER,
    reason: () => 'no TLS version suits both: compare "tlsMinVersion" and "tlsMaxVersion"',
  }],
  [/HANDSHAKE_?FAILURE|INSUFFICIENT_?SECURITY/i, {
    ...PEER,
    reason: () =>
      "it found no common ground: a certificate that it demands, a cipher suite or a signature algorithm",
  }],
];

const OWN_VERDICTS: readonly Rule[] = [
  [/NOT_RETURN_A_CERTIFICATE|sent no certificates/i, {
    ...HERE,
    reason: () => "it showed no certificate",
  }],
  [/CERT_HAS_EXPIRED|\bexpired\b/i, { ...HERE, reason: () => "its certificate has expired" }],
  [/CERT_NOT_YET_VALID|not ?(?:yet )?valid ?yet/i, {
    ...HERE,
    reason: () => "its certificate is not valid yet: compare the clocks",
  }],
  [/CERT_REVOKED/i, { ...HERE, reason: () => "its certificate is revoked" }],
  [/INVALID_PURPOSE|InvalidPurpose|extended key usage/i, {
    ...HERE,
    reason: ({ way }) =>
      `its certificate may not be used as a ${
        way === "dial" ? "server's" : "client's"
      }: see its extended key usage`,
  }],
  [/SELF_SIGNED|UNABLE_TO_GET_ISSUER|UnknownIssuer|CERT_UNTRUSTED|INVALID_CA/i, {
    ...HERE,
    reason: () => 'its certificate does not lead to the CA in "tlsCaFile"',
  }],
  // Deno's word for what else a verification may find. A listener mostly knows better (`diagnosis.ts`).
  [/UNABLE_TO_VERIFY/i, {
    ...HERE,
    reason: ({ way, shown }) => {
      const which = way === "dial" ? 'server; "client.ts check" with this address tells which' : "client";
      return `its certificate${
        shown === undefined ? "" : ` "${shown}"`
      } can't be verified: it is not of the CA in ` +
        '"tlsCaFile", has expired, is not valid yet, is X.509 v1, a CA in its chain may not sign it, or its extended ' +
        `key usage is not that of a ${which}`;
    },
  }],
  [/CERT_SIGNATURE_FAILURE|BadSignature|BAD_SIGNATURE|DECRYPTION_FAILED/i, {
    ...HERE,
    reason: () => "a signature of its certificate or handshake is wrong: it does not own that certificate",
  }],
  [/invalid peer certificate|\bCERT_/i, { ...HERE, reason: () => "its certificate can't be accepted" }],
  [/WRONG_VERSION_NUMBER|InvalidContentType|corrupt message/i, {
    ...HERE,
    reason: ({ way }) =>
      way === "dial"
        ? "it does not speak TLS: a plain tcp:// port?"
        : "it does not speak TLS: did it dial tcp:// instead of tls://?",
  }],
  [/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|NO_PROTOCOLS|peer is incompatible/i, {
    ...HERE,
    reason: () => 'no TLS version or cipher suite suits both: compare "tlsMinVersion" and "tlsMaxVersion"',
  }],
  [/NO_SHARED_CIPHER|NO_CIPHER/i, { ...HERE, reason: () => "no cipher suite suits both" }],
  [/HANDSHAKE[_ ]TIMEOUT/i, {
    side: "here",
    final: false,
    reason: () => "it did not complete the TLS handshake in time",
  }],
];

/** Closed without a word: what a refused certificate looks like from the other end, and a dying peer too. */
const HANG_UP: Verdict = {
  side: "peer",
  final: false,
  reason: ({ way, own }) =>
    way === "dial"
      ? `it closed the link during the TLS handshake: it is going down, or refuses our certificate ${own}; its log ` +
        "has the reason"
      : "it closed the link during the TLS handshake: it went away, or refuses our certificate; its log has the reason",
};

/**
 * The refusal that `error` is, or `error` itself if it is none: no connection, say.
 *
 * @param during Whether the handshake was under way: then a reset is a refusal as well.
 */
export function asRefusal(error: Error, peer: TlsPeer, during: "handshake" | "link"): Error {
  if (error instanceof TlsRefusedError) return error;
  const code = codeOf(error);
  const verdict = verdictOf(`${code} ${error.message}`, code, during);
  if (verdict === undefined) return error;
  return refused(verdict, peer, error);
}

/** A peer that hung up during the handshake, with nothing said. */
export function hungUp(peer: TlsPeer): TlsRefusedError {
  return refused(HANG_UP, peer, undefined);
}

/** A verdict of our own policy. */
export function policyRefusal(
  peer: TlsPeer,
  reason: string,
  options?: ErrorOptions & { readonly kind?: RefusalKind },
): TlsRefusedError {
  return refused({ ...HERE, kind: options?.kind ?? "handshake", reason: () => reason }, peer, options?.cause);
}

/** `code` of a Node error, or an empty string. */
export function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

function verdictOf(text: string, code: string, during: "handshake" | "link"): Verdict | undefined {
  // Deno gives its own "peer is incompatible: …" the code of the alert that it sends.
  if (/alert/i.test(text) && !/peer is incompatible/i.test(text)) {
    return ALERTS.find(([pattern]) => pattern.test(text))?.[1] ??
      { ...PEER, final: false, reason: () => `it ended the handshake with ${text.trim()}` };
  }
  const own = OWN_VERDICTS.find(([pattern]) => pattern.test(text))?.[1];
  if (own !== undefined) return own;
  if (during === "link") return undefined;
  if (code === "ECONNRESET" || code === "EPIPE") return HANG_UP;
  if (code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS")) {
    return { side: "here", final: false, reason: () => `the TLS handshake failed (${text.trim()})` };
  }
  return undefined;
}

function refused(verdict: Verdict, peer: TlsPeer, cause: unknown): TlsRefusedError {
  const whom = peer.way === "dial" ? `"${peer.address}"` : `the peer at "${peer.address}"`;
  const who = verdict.side === "here" ? `TLS link with ${whom} refused` : `TLS link was refused by ${whom}`;
  return new TlsRefusedError(
    `${who}: ${verdict.reason(peer)}`,
    verdict,
    cause === undefined ? undefined : { cause },
  );
}
