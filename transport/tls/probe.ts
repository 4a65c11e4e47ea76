/**
 * Looks at a TLS peer for people who want to know why a link fails. Nothing here makes a link: the peer's
 * certificates are read off its side of the handshake, and the socket is dropped; no byte of ours follows,
 * and nothing it could say is read. It is the one place where a peer is looked at before it is trusted, and
 * it is reached from the `check` command alone.
 *
 * @module
 */

import { connect } from "node:tls";
import { TlsContext } from "../../security/live/context.ts";
import { guardCertificates, shownCertificates } from "./node_internals.ts";
import { peerChain } from "../../security/x509/peer_chain.ts";
import type { Certificate } from "../../security/x509/certificate.ts";

/** What a TLS peer showed. */
export interface Probe {
  /** Its certificate first, then those that it sent along; empty if it showed none. */
  readonly chain: readonly Certificate[];
  /** Why the handshake did not get to its end; absent if it did. */
  readonly failure?: string;
}

/** Dials `hostname:port` as `context` would, and returns what the peer showed. */
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
  guardCertificates(socket);
  const failed = (failure: string): void => resolve({ chain: [], failure });
  const onAbort = () => failed("it did not answer in time");
  signal.addEventListener("abort", onAbort, { once: true });
  socket.on("error", (error) => failed(error.message));
  socket.on("close", () => failed("it closed the link"));
  socket.once("secureConnect", () => {
    try {
      resolve({ chain: peerChain(shownCertificates(socket)) });
    } catch (error) {
      failed(`its certificate can't be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}
