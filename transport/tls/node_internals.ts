/**
 * What `node:tls` has no public name for. Each of these may be missing in another Deno; what is lost then is
 * said with it, and `tests/canary_test.ts` tells.
 *
 * @module
 */

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ShownCertificates } from "../../security/x509/peer_chain.ts";

/** A property of what may be no object. */
function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** The TCP socket below; without it a refusal is told without an address. */
export function rawOf(socket: TLSSocket): unknown {
  return field(socket, "_parent");
}

/** Whether nothing came from the socket. If unknown, a peer that comes and goes counts as refused. */
export function saidNothing(raw: unknown): boolean {
  return field(raw, "bytesRead") === 0;
}

/**
 * What reads the TCP socket below a TLS one. Without it nothing is held back (decision 0001).
 */
export function tcpBelow(socket: TLSSocket): { readStart(): unknown; readStop(): unknown } | undefined {
  const tcp = field(field(socket, "_handle"), "_nativeTcpHandle");
  return isReader(tcp) ? tcp : undefined;
}

/**
 * Counts the bytes that came from below, also when `socket` is gone; without it a peer that says nothing may
 * refuse us.
 */
export function bytesFrom(socket: TLSSocket): () => unknown {
  const tcp = field(field(socket, "_handle"), "_nativeTcpHandle");
  const count = field(tcp, "getBytesRead");
  return () => typeof count === "function" ? Reflect.apply(count, tcp, []) : undefined;
}

function isReader(value: unknown): value is { readStart(): unknown; readStop(): unknown } {
  return typeof field(value, "readStart") === "function" && typeof field(value, "readStop") === "function";
}

/**
 * The TLS socket above a TCP one, which `node:tls` does not hand out before it is verified. Without it a
 * refusal is told without the peer's name.
 */
export function tlsAbove(raw: Socket): TLSSocket | undefined {
  const handle = field(raw, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  return Object.getOwnPropertySymbols(handle).map((symbol): unknown => Reflect.get(handle, symbol))
    .find((value) => value instanceof TLSSocket);
}

/** The certificates that the peer of `socket` sent. Without the list of all, the public ones must do. */
export function shownCertificates(socket: TLSSocket): ShownCertificates {
  const handle = field(socket, "_handle");
  const list = field(handle, "getPeerCertificateChain");
  const sent: unknown = typeof list === "function"
    ? field(Reflect.apply(list, handle, []), "certificates")
    : undefined;
  return {
    sent: Array.isArray(sent) && sent.every((one) => one instanceof Uint8Array)
      ? sent.map((one) => Uint8Array.from(one))
      : undefined,
    linked: socket.getPeerCertificate(true),
  };
}

/**
 * Keeps a peer from ending the process: Deno reads the peer's certificates in a callback of its own, and
 * throws there if it can't. To be called before the handshake.
 */
export function guardCertificates(socket: TLSSocket): void {
  const read = socket.getPeerCertificate;
  const guarded = (detailed?: boolean): unknown => {
    try {
      return Reflect.apply(read, socket, [detailed]);
    } catch {
      return {}; // as if there were none, which is refused
    }
  };
  Object.defineProperty(socket, "getPeerCertificate", { value: guarded });
}
