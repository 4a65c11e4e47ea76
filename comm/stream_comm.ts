/**
 * Messages over bytes: what `tcp://` and `tls://` links have in common. Source: `distributed/comm/tcp.py`.
 *
 * After a failed read or write the link is dropped, because it is unknown how much was sent. A message that
 * was framed well and can't be decoded costs nothing: `read` rejects with the reason, and the next one may be
 * fine.
 *
 * @module
 */

import { pauseIfBusy } from "../internal/turns.ts";
import type { Address } from "../messages/common.ts";
import { encodeFrames, FrameReader } from "../protocol/frames.ts";
import type { DecodeLimits } from "../protocol/msgpack_decode.ts";
import { decodeMessage, encodeMessage } from "../protocol/message.ts";
import { TlsRefusedError } from "../security/verdict.ts";
import type { ByteStream } from "../transport/byte_stream.ts";
import type { Comm, HandshakeInfo } from "./comm.ts";
import type { TlsInfo } from "../security/peer.ts";
import { CommClosed } from "./errors.ts";
import { messageOf } from "../internal/errors.ts";
import {
  ClosedBeforeHandshake,
  HandshakeError,
  handshakeInfo,
  negotiate,
  parseHandshake,
  SpeaksTlsError,
} from "./handshake.ts";
import { DEFAULT_LINK_LIMITS, type LinkLimits } from "./limits/limits.ts";

/** Bytes of a message of a client that may only look: it asks, and gives nothing. */
const OBSERVER_BYTES = 16 * 2 ** 20;

/** What to say, and who the ends are. */
export interface StreamCommOptions {
  /** What the peer may send. */
  readonly limits?: LinkLimits | undefined;
  /** This end. */
  readonly localAddress: Address;
  /** The other end. */
  readonly peerAddress: Address;
  /** Compression that this side offers. */
  readonly compression: string | null;
  /** Replaces fields of what this side says first. */
  readonly handshake?: Partial<HandshakeInfo> | undefined;
  /** Aborted when it takes too long; the link is dropped then. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Exchanges handshakes. Until the peer's was read it may send a few KiB at most.
 *
 * @throws {ClosedBeforeHandshake} If the peer went away before.
 * @throws {HandshakeError} If the peer says something else.
 */
export async function openStreamComm(stream: ByteStream, options: StreamCommOptions): Promise<Comm> {
  const { localAddress, peerAddress, compression, signal } = options;
  const local = { ...handshakeInfo(localAddress, peerAddress, compression), ...options.handshake };
  const onAbort = () => stream.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    const limits = { ...DEFAULT_LINK_LIMITS, ...options.limits };
    const reader = new FrameReader({
      maxFrames: limits.handshakeFrames,
      maxMessageBytes: limits.handshakeBytes,
    });
    const [first, written] = await Promise.allSettled([
      readFirst(stream, reader),
      stream.write(encodeFrames(encodeMessage(local, { compression: null }))),
    ]);
    signal?.throwIfAborted();
    // What the peer said tells more than that it can't be written to any more.
    if (first.status === "rejected") throw first.reason;
    if (written.status === "rejected") throw closedEarly(stream, messageOf(written.reason), written.reason);
    const remote = parseHandshake(first.value);
    const { role, access } = stream.tls?.peer.grant ?? {};
    const most = role === "client" && access === "observe" ? OBSERVER_BYTES : Infinity;
    reader.limits = {
      maxFrames: limits.messageFrames,
      maxMessageBytes: Math.min(limits.messageBytes, most),
    };
    const { compression: negotiated } = negotiate(local, remote);
    return new StreamComm(stream, reader, options, remote, negotiated, {
      depth: limits.messageDepth,
      values: limits.messageValues,
    });
  } catch (error) {
    stream.abort();
    throw signal?.aborted === true ? signal.reason : error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

async function readFirst(stream: ByteStream, reader: FrameReader): Promise<unknown> {
  let seen = 0;
  for (;;) {
    let chunk: Uint8Array | null;
    try {
      chunk = await stream.read();
    } catch (cause) {
      throw cause instanceof TlsRefusedError ? cause : closedEarly(stream, messageOf(cause), cause);
    }
    if (chunk === null) throw closedEarly(stream, "the peer closed the connection");
    if (seen === 0 && looksLikeTls(chunk)) {
      throw new SpeaksTlsError(`the other end speaks TLS, and this link is plain: use "tls://" at both ends`);
    }
    seen += chunk.length;
    try {
      reader.push(chunk);
      const frames = reader.next();
      if (frames !== undefined) return decodeMessage(frames);
    } catch (cause) {
      throw new HandshakeError(`the other end does not speak Dask's protocol: ${messageOf(cause)}`, {
        cause,
      });
    }
  }
}

function closedEarly(stream: ByteStream, message: string, cause?: unknown): ClosedBeforeHandshake {
  return new ClosedBeforeHandshake(message, stream.tls !== undefined, { cause });
}

/** A TLS record (alert or handshake) of version 3.x. As the length of a Dask message it would be absurd. */
function looksLikeTls(chunk: Uint8Array): boolean {
  return (chunk[0] === 0x15 || chunk[0] === 0x16) && chunk[1] === 3 && (chunk[2] ?? 0) <= 4 &&
    chunk.length >= 3;
}

class StreamComm implements Comm {
  readonly localAddress: Address;
  readonly peerAddress: Address;
  readonly peerInfo: HandshakeInfo;
  readonly tls?: TlsInfo;
  readonly #stream: ByteStream;
  readonly #reader: FrameReader;
  readonly #options: { readonly compression: string | null };
  readonly #limits: DecodeLimits;
  #reading = false;
  /** Bytes that the stream was given so far, also before. */
  #givenBytes: number;
  #ended: CommClosed | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;

  constructor(
    stream: ByteStream,
    reader: FrameReader,
    ends: { readonly localAddress: Address; readonly peerAddress: Address },
    peerInfo: HandshakeInfo,
    compression: string | null,
    limits: DecodeLimits,
  ) {
    this.localAddress = ends.localAddress;
    this.peerAddress = ends.peerAddress;
    this.peerInfo = peerInfo;
    if (stream.tls !== undefined) this.tls = stream.tls;
    this.#stream = stream;
    this.#givenBytes = stream.sentBytes;
    this.#reader = reader;
    this.#options = { compression };
    this.#limits = limits;
  }

  get closed(): boolean {
    return this.#ended !== undefined;
  }

  get sentBytes(): number {
    return this.#stream.sentBytes;
  }

  get queuedBytes(): number {
    return this.#givenBytes - this.#stream.sentBytes;
  }

  async read(): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#reading) throw new TypeError(`Cannot read from "${this.peerAddress}": another read is pending`);
    this.#reading = true;
    try {
      const frames = await this.#nextFrames();
      // Whoever waited for the same pause may have been faster, and taken long.
      for (let pause = pauseIfBusy(); pause !== undefined; pause = pauseIfBusy()) await pause;
      if (this.#ended !== undefined) throw this.#ended; // meanwhile
      return decodeMessage(frames, this.#limits);
    } finally {
      this.#reading = false;
    }
  }

  async #nextFrames(): Promise<Uint8Array[]> {
    let frames = this.#framesOf(undefined);
    while (frames === undefined) {
      let chunk: Uint8Array | null;
      try {
        chunk = await this.#stream.read();
      } catch (error) {
        throw this.#fail(`Link to "${this.peerAddress}" broke: ${messageOf(error)}`, error);
      }
      if (chunk === null) {
        const where = this.#reader.isInside ? " in the middle of a message" : "";
        throw this.#fail(`Link to "${this.peerAddress}" was closed by the peer${where}`);
      }
      frames = this.#framesOf(chunk);
      const pause = frames === undefined ? pauseIfBusy() : undefined;
      if (pause !== undefined) await pause;
    }
    return frames;
  }

  #framesOf(chunk: Uint8Array | undefined): Uint8Array[] | undefined {
    try {
      if (chunk !== undefined) this.#reader.push(chunk);
      return this.#reader.next();
    } catch (error) {
      throw this.#fail(`Link to "${this.peerAddress}" dropped: ${messageOf(error)}`, error);
    }
  }

  /** Does not hold on to the message: only its bytes wait. */
  write(message: unknown): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    try {
      return this.#send(encodeFrames(encodeMessage(message, this.#options)));
    } catch (error) {
      return Promise.reject(error); // nothing was sent: the link stays
    }
  }

  async #send(chunks: readonly Uint8Array[]): Promise<void> {
    for (let i = 0; i < chunks.length; i++) this.#givenBytes += chunks[i]?.byteLength ?? 0;
    try {
      await this.#stream.write(chunks);
    } catch (error) {
      throw this.#fail(`Cannot write to "${this.peerAddress}": ${messageOf(error)}`, error);
    }
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#ended = this.#byThisSide("closed");
    await this.#stream.close();
  }

  abort(): void {
    this.#ended ??= this.#byThisSide("aborted");
    this.#stream.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #byThisSide(what: string): CommClosed {
    return new CommClosed(this.peerAddress, `Link to "${this.peerAddress}" was ${what} by this side`);
  }

  /** Ends the link, unless this side did before: then that is the reason. */
  #fail(message: string, cause?: unknown): CommClosed {
    if (this.#ended === undefined) {
      this.#ended = new CommClosed(this.peerAddress, message, cause === undefined ? undefined : { cause });
      this.#stream.abort();
    }
    return this.#ended;
  }
}
