/**
 * Looks at a TLS peer for people who want to know why a link fails. Nothing here makes a link: the peer's
 * certificates are read off its side of the handshake, and the socket is dropped; no byte of ours follows, and
 * nothing it could say is read. It is the one place where a peer is looked at before it is trusted, and it is
 * reached from the `check` command alone.
 *
 * @module
 */

import { connect, type DetailedPeerCertificate } from "node:tls";
import { TlsContext } from "./context.ts";
import { type Certificate, parseCertificate } from "./x509.ts";

/** What a TLS peer showed. */
export interface Probe {
  /** Its certificate first, then those that it sent along; empty if it showed none. */
  readonly chain: readonly Certificate[];
  /** `"TLSv1.2"` or `"TLSv1.3"`; absent if the handshake did not get that far. */
  readonly protocol: string | undefined;
  /** Suite by OpenSSL's name; absent if the handshake did not get that far. */
  readonly cipher: string | undefined;
}

const NOTHING: Probe = { chain: [], protocol: undefined, cipher: undefined };

/** Dials `hostname:port` as `context` would, and returns what the peer showed; nothing if it does not speak TLS. */
export async function probe(
  hostname: string,
  port: number,
  context: TlsContext,
  signal: AbortSignal,
): Promise<Probe> {
  const { cert, key } = TlsContext.material(context);
  const { promise, resolve } = Promise.withResolvers<Probe>();
  const socket = connect({
    host: hostname,
    port,
    cert,
    key,
    rejectUnauthorized: false, // to look, not to link: see the module's comment
    checkServerIdentity: () => undefined,
  });
  const onAbort = () => resolve(NOTHING);
  signal.addEventListener("abort", onAbort, { once: true });
  socket.on("error", () => resolve(NOTHING));
  socket.on("close", () => resolve(NOTHING));
  socket.once("secureConnect", () => {
    resolve({
      chain: chainOf(socket.getPeerCertificate(true)),
      protocol: socket.getProtocol() ?? undefined,
      cipher: socket.getCipher()?.name,
    });
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}

/** Most certificates that are followed from one to its issuer. */
const CHAIN_MAX = 10;

function chainOf(shown: DetailedPeerCertificate | undefined): Certificate[] {
  const chain: Certificate[] = [];
  const seen = new Set<string>();
  for (let at = shown; at !== undefined && chain.length < CHAIN_MAX; at = at.issuerCertificate) {
    if (!(at.raw instanceof Uint8Array)) break;
    const certificate = parseCertificate(at.raw);
    const id = at.raw.toHex();
    if (seen.has(id)) break; // a root is its own issuer
    seen.add(id);
    chain.push(certificate);
  }
  return chain;
}
