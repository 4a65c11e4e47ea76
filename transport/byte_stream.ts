/**
 * A link that carries bytes: what `comm/` frames messages over, whatever is below it.
 *
 * Its one invariant: it is handed out ready. For TLS that means that both certificates were verified and the
 * policy (`security/policy.ts`) passed; not a byte is read or written before.
 *
 * @module
 */

import type { TlsInfo } from "../security/peer.ts";

/** One end of a connection, as the socket knows it. */
export interface SocketAddress {
  /** IP address, without brackets. */
  readonly hostname: string;
  /** TCP port. */
  readonly port: number;
}

/**
 * A connected socket. One reader; writes may overlap and keep the order of the calls.
 *
 * Every failure after the link was up is an `Error` with the reason in its message; nothing is emitted
 * anywhere else.
 */
export interface ByteStream {
  /** This end. */
  readonly localAddr: SocketAddress;
  /** The other end. */
  readonly remoteAddr: SocketAddress;
  /** TLS facts; absent on a plain socket. */
  readonly tls?: TlsInfo;
  /** Bytes of writes that the operating system has taken, or a buffer that is bounded. */
  readonly sentBytes: number;
  /**
   * Next bytes, at least one; `null` when the peer ended its side. One call at a time.
   *
   * The chunk belongs to the stream and is valid until the next call of `read`: copy what is kept longer.
   *
   * @throws {Error} If the link broke, or was aborted or closed by this side.
   */
  read(): Promise<Uint8Array | null>;
  /**
   * Sends `chunks` back to back. Resolves when they were handed to the operating system or a bounded buffer
   * has room again: that is the back-pressure. They may not be changed before.
   *
   * @throws {Error} If the link ended; how much of `chunks` was sent is unknown then.
   */
  write(chunks: readonly Uint8Array[]): Promise<void>;
  /**
   * Sends what was written, ends this side, and resolves once the socket is gone. A peer that never reads can
   * delay that for ever: `abort` cuts it short. Idempotent.
   */
  close(): Promise<void>;
  /** Drops the connection at once; pending reads and writes reject. Idempotent. */
  abort(): void;
}
