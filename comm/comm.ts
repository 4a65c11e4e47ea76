/**
 * What a comm is: a link that carries messages, whatever it is made of. Nothing above `comm/` knows whether
 * it is `tcp://`, `tls://` or `inproc://`.
 *
 * A message is what `protocol/message.ts` encodes: plain data, with opaque `Serialized` payloads inside that
 * stay opaque (a comm never decodes a value).
 *
 * @module
 */

import type { TlsInfo } from "../security/peer.ts";
import type { Address } from "../messages/common.ts";

/** What each side says first on a new link (`distributed/comm/core.py`, `handshake_info`). */
export interface HandshakeInfo {
  /** Compression that this side would like, or nothing. */
  readonly compression: string | null;
  /** Version of Python; ours says `[0, 0, 0]`. */
  readonly python: readonly number[];
  /** Highest pickle protocol it reads. */
  readonly "pickle-protocol": number;
  /** Ours: present if the other end is a role of this package. */
  readonly javascript?: JavascriptHandshake;
}

/** What our roles add to the handshake; Python peers ignore it. */
export interface JavascriptHandshake {
  /** Version of the additions in `docs/wire.md`. */
  readonly protocol: 1;
}

/** A link that carries messages. */
export interface Comm extends AsyncDisposable {
  /** This end, such as `tls://127.0.0.1:40112`. */
  readonly localAddress: Address;
  /** The other end: the dialled address, or for an accepted comm its ephemeral one. */
  readonly peerAddress: Address;
  /** What the other end said first. */
  readonly peerInfo: HandshakeInfo;
  /** TLS facts; absent unless the scheme is `tls`. */
  readonly tls?: TlsInfo;
  /** Whether this end can't be used any more. */
  readonly closed: boolean;
  /**
   * Bytes that were written here and that the transport has not taken yet; absent where messages become no
   * bytes.
   */
  readonly queuedBytes?: number;
  /** Bytes that the transport has taken; absent as {@linkcode Comm.queuedBytes}. */
  readonly sentBytes?: number;
  /**
   * Next message. One reader at a time.
   *
   * @throws {CommClosed} If the link ended, by either side.
   */
  read(): Promise<unknown>;
  /**
   * Sends a message. Resolves once its bytes are handed to the transport and there is room for more, which is
   * the back-pressure. Calls may overlap: messages keep the order of the calls.
   *
   * @throws {CommClosed} If the link ended before. A failed write aborts the comm, because it is unknown how
   * much was sent.
   */
  write(message: unknown): Promise<void>;
  /** Sends what is waiting, then ends the link. Idempotent. */
  close(): Promise<void>;
  /** Ends the link at once. Pending reads and writes reject. Idempotent. */
  abort(): void;
}

/** Something that accepts comms. */
export interface Listener extends AsyncDisposable {
  /** Where it is bound, such as `tls://0.0.0.0:8786`. */
  readonly listenAddress: Address;
  /** Where others reach it: as `listenAddress`, with a concrete host. */
  readonly contactAddress: Address;
  /** Stops accepting; accepted comms live on. Idempotent. */
  close(): Promise<void>;
}
