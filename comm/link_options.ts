/**
 * What dialling and listening have in common, and the rule that plain text is refused where encryption is
 * required.
 *
 * @module
 */

import type { TlsContext } from "../security/live/context.ts";
import { SecurityError } from "../security/material/errors.ts";
import type { ParsedAddress } from "./address.ts";
import type { HandshakeInfo } from "./comm.ts";
import type { LinkLimits } from "./limits/limits.ts";

/** How links are made, by either side. */
export interface LinkOptions {
  /** Certificates, for `tls://`. */
  readonly context?: TlsContext | undefined;
  /** Refuses `tcp://`. Default: what `context` says, false without one. */
  readonly requireEncryption?: boolean | undefined;
  /** What a dialled peer must be by `authorization`, if there is one. Default: scheduler or worker. */
  readonly expect?: "scheduler" | "worker" | undefined;
  /** Compression that is offered to peers on other hosts. Default: none. */
  readonly compression?: string | null | undefined;
  /** A dial gives up after that long: milliseconds, or text such as `"30s"`, the default. */
  readonly timeout?: number | string | undefined;
  /** What peers may cost. */
  readonly limits?: LinkLimits | undefined;
  /** Replaces fields of what this side says first. */
  readonly handshake?: Partial<HandshakeInfo> | undefined;
}

/**
 * Checks an address against the options.
 *
 * @param what `"connect to"` or `"listen on"`, for the message.
 * @throws {SecurityError} If the link would be plain and must not be, or would be TLS without certificates.
 */
export function checkLink(
  what: string,
  address: string,
  { scheme }: ParsedAddress,
  { context, requireEncryption = context?.requireEncryption ?? false }: LinkOptions,
): void {
  if (scheme === "tcp" && requireEncryption) {
    throw new SecurityError(
      `Cannot ${what} "${address}": encryption is required ("requireEncryption"), and tcp:// is plain text; use tls://`,
    );
  }
  if (scheme === "tls" && context === undefined) {
    throw new SecurityError(
      `Cannot ${what} "${address}": TLS needs certificates, and no security was given ` +
        `("tlsCaFile", and a certificate with its key)`,
    );
  }
}
