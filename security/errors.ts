/**
 * What can be wrong with certificates, keys and options, before any link exists.
 *
 * @module
 */

/**
 * A security option, certificate or key can't be used. The message names the option, the file and the reason; it
 * never holds a key.
 */
export class SecurityError extends Error {
  /** Stable, for programs. */
  readonly code = "SECURITY";
  /** `"SecurityError"`. */
  override readonly name = "SecurityError";
}

/** Which side ended a TLS link. */
export type RefusingSide = "here" | "peer";

/** What is wrong with a peer: its TLS handshake, a revoked certificate, or one that may not be what it claims. */
export type RefusalKind = "handshake" | "revoked" | "unauthorized";

/** TLS, or the policy on top of it, refused a link. */
export class TlsRefusedError extends Error {
  /** Stable, for programs. */
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
