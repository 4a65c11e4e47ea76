/**
 * The seam between links and the TLS implementation. All that `comm/` knows of TLS is here; `node_tls.ts`
 * stands behind it until Deno's own TLS can demand client certificates and trust a single CA
 * (docs/decisions/0001-tls-on-node-tls.md).
 *
 * @module
 */

import type { ByteStream, SocketAddress } from "../byte_stream.ts";
import type { TlsContext } from "../../security/live/context.ts";

/** Where to dial, and with which certificate. */
export interface TlsDialOptions {
  /** Name or address of the peer. It is not compared with the peer's certificate, and not sent as SNI. */
  readonly hostname: string;
  /** TCP port of the peer. */
  readonly port: number;
  /** What this end shows and trusts. */
  readonly context: TlsContext;
  /** What the peer must be by `authorization`, if there is one. Default: scheduler or worker. */
  readonly expect?: "scheduler" | "worker" | undefined;
  /** Gives up; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Where to listen, with which certificate, and what to do with peers. */
export interface TlsListenOptions {
  /** Address to bind; `0.0.0.0` or `::` for all. */
  readonly hostname: string;
  /** TCP port; 0 for any. */
  readonly port: number;
  /** What this end shows and trusts. */
  readonly context: TlsContext;
  /** Time a peer has for the TLS handshake, in milliseconds. @default {10_000} */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * Whether `host` may begin a handshake; it is dropped if not. What is admitted ends as `onConnection`,
   * `onRefused` or `onLeft`. Default: always.
   */
  readonly admit?: ((host: string) => boolean) | undefined;
  /** A peer that passed the policy. Must not throw. */
  readonly onConnection: (stream: ByteStream) => void;
  /**
   * A peer that was refused, or went away during the handshake; the listener goes on. Must not throw.
   *
   * @param reason A {@linkcode TlsRefusedError} in most cases.
   * @param peer `host:port` of the peer.
   */
  readonly onRefused: (reason: Error, peer: string) => void;
  /**
   * A peer that came and went without a byte, as who looks whether a port is open. Must not throw. Default:
   * as refused.
   *
   * @param peer `host:port` of the peer.
   */
  readonly onLeft?: ((peer: string) => void) | undefined;
}

/** A bound listener. */
export interface TlsListener {
  /** Where it is bound, with the real port. */
  readonly addr: SocketAddress;
  /**
   * Stops accepting, and drops handshakes that are not complete; streams that were handed out live on.
   * Idempotent.
   */
  close(): Promise<void>;
}

/** Something that makes mutually authenticated links. */
export interface TlsTransport {
  /**
   * Connects, verifies both ways, applies the policy.
   *
   * With TLS 1.3 the peer may still refuse *us* after this resolved: its first message is the proof that it
   * did not.
   *
   * @throws {TlsRefusedError} If TLS failed; `final` tells whether a retry makes sense.
   * @throws {Error} If there was no connection (`code` `ECONNREFUSED`, `ENOTFOUND`, …), or `signal`'s reason.
   */
  dial(options: TlsDialOptions): Promise<ByteStream>;
  /**
   * Listens. Peers must show a certificate of our CA.
   *
   * @throws {SecurityError} If no peer could ever link, because of the suites that `context` allows.
   * @throws {Error} If the address can't be bound.
   */
  listen(options: TlsListenOptions): Promise<TlsListener>;
}
