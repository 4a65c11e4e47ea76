/**
 * The first message of each side (`distributed/comm/core.py`, `handshake_info` and
 * `handshake_configuration`). Both write at once; neither waits for the other before it has written.
 *
 * @module
 */

import { isRecord } from "../messages/common.ts";
import type { HandshakeInfo } from "./comm.ts";
import { sameHost } from "./host.ts";

/** Highest pickle protocol that our roles read. */
export const PICKLE_PROTOCOL = 5;

/** What both sides agreed on. It governs only what this side writes. */
export interface Negotiated {
  /** Lower one of the two. */
  readonly pickleProtocol: number;
  /** The one that both named, or none. */
  readonly compression: string | null;
}

/** What the other end says first is not Dask's handshake. */
export class HandshakeError extends Error {
  /** Class name. */
  override readonly name: string = "HandshakeError";
}

/** The other end answered a plain link with TLS. */
export class SpeaksTlsError extends HandshakeError {
  /** Class name. */
  override readonly name = "SpeaksTlsError";
}

/** The peer ended the link before it said anything; over TLS this is also what a refusal may look like. */
export class ClosedBeforeHandshake extends Error {
  /** Class name. */
  override readonly name = "ClosedBeforeHandshake";
  /** Whether a TLS handshake had gone well, as far as this side can tell. */
  readonly afterTls: boolean;

  /** Made while a link is opened. */
  constructor(message: string, afterTls: boolean, options?: ErrorOptions) {
    super(message, options);
    this.afterTls = afterTls;
  }
}

/**
 * What this side says. On one host nothing is compressed, whatever the configuration says, as in Dask.
 *
 * @param compression From `distributed.comm.compression`, resolved to a name or nothing.
 */
export function handshakeInfo(
  localAddress: string,
  peerAddress: string,
  compression: string | null,
): HandshakeInfo {
  return {
    compression: compression === null || sameHost(localAddress, peerAddress) ? null : compression,
    python: [0, 0, 0],
    "pickle-protocol": PICKLE_PROTOCOL,
    javascript: { protocol: 1 },
  };
}

/**
 * Makes sense of what the other side said. Unknown keys are ignored.
 *
 * @throws {HandshakeError} If it is not a handshake.
 */
export function parseHandshake(message: unknown): HandshakeInfo {
  if (!isRecord(message)) {
    throw new HandshakeError(`the first message is not a handshake but ${describe(message)}`);
  }
  const compression = message["compression"];
  if (compression !== null && typeof compression !== "string") {
    throw new HandshakeError(
      `"compression" of the handshake is ${describe(compression)}, not a name or nil`,
    );
  }
  const pickleProtocol = message["pickle-protocol"];
  if (typeof pickleProtocol !== "number" || !Number.isInteger(pickleProtocol)) {
    throw new HandshakeError(
      `"pickle-protocol" of the handshake is ${describe(pickleProtocol)}, not an integer: ` +
        `versions of dask and distributed may not be in sync`,
    );
  }
  const python = message["python"];
  const javascript = message["javascript"];
  return {
    compression,
    python: Array.isArray(python) ? python.filter((part) => typeof part === "number") : [],
    "pickle-protocol": pickleProtocol,
    ...isRecord(javascript) && javascript["protocol"] === 1 && { javascript: { protocol: 1 } },
  };
}

/** What both sides can do. Both compute the same from the two messages. */
export function negotiate(local: HandshakeInfo, remote: HandshakeInfo): Negotiated {
  return {
    pickleProtocol: Math.min(local["pickle-protocol"], remote["pickle-protocol"]),
    compression: local.compression === remote.compression ? local.compression : null,
  };
}

function describe(value: unknown): string {
  if (value === null) return "nil";
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "a map" : `a ${typeof value}`;
}
