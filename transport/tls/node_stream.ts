/**
 * A {@linkcode ByteStream} over a `node:tls` socket whose peer passed the policy.
 *
 * @module
 */

import type { TLSSocket } from "node:tls";
import type { ByteStream, SocketAddress } from "../byte_stream.ts";
import type { TlsInfo } from "../../security/peer.ts";
import type { Inbox } from "./inbox.ts";
import { type Done, SLICE_BYTES, Slices } from "./slices.ts";
import { asRefusal, type TlsPeer } from "../../security/verdict.ts";

/** Messages up to that many bytes leave as one buffer, and so mostly as one TLS record. */
const COALESCE_BYTES = 64 * 1024;

/**
 * Slices of large writes that the socket has at a time: two are too few for a busy machine, more gain
 * nothing.
 */
const SLICES_UNDER_WAY = 4;

/**
 * How long a peer has to end its side after we ended ours. Dropping the socket at once could make the kernel
 * discard what the peer has not read yet; waiting for ever would let a hung peer hold `close`.
 */
const LINGER_MS = 1000;

/** See the module. */
export class NodeStream implements ByteStream {
  readonly localAddr: SocketAddress;
  readonly remoteAddr: SocketAddress;
  readonly tls: TlsInfo;
  sentBytes = 0;
  readonly #socket: TLSSocket;
  readonly #inbox: Inbox;
  readonly #pending = new Set<(error: Error) => void>();
  readonly #closed: Promise<void>;
  readonly #slices = new Slices();
  #slicesUnderWay = 0;
  #endsWhenSent = false;
  #error: Error | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: TLSSocket, inbox: Inbox, tls: TlsInfo, peer: TlsPeer) {
    this.#socket = socket;
    this.#inbox = inbox;
    this.tls = tls;
    this.localAddr = { hostname: socket.localAddress ?? "", port: socket.localPort ?? 0 };
    this.remoteAddr = { hostname: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closed = promise;
    socket.on("end", () => inbox.end());
    // TLS 1.3: a peer that refuses our certificate says so only now.
    socket.on("error", (error: Error) => this.#fail(asRefusal(error, peer, "link")));
    socket.on("close", () => {
      clearTimeout(this.#linger);
      inbox.end();
      this.#fail(new Error(`Link with "${peer.address}" is closed`));
      resolve();
    });
  }

  read(): Promise<Uint8Array | null> {
    return this.#inbox.read();
  }

  // hot: per batch
  write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#pending.add(reject);
    this.#send(chunks, (error) => {
      this.#pending.delete(reject);
      if (error === undefined || error === null) resolve();
      else reject(this.#error ?? error);
    });
    return promise;
  }

  #send(chunks: readonly Uint8Array[], done: Done): void {
    const socket = this.#socket;
    // Deno fails a write of no bytes (EPERM), so empty chunks must not get through.
    let length = 0;
    let last = -1;
    for (let i = 0; i < chunks.length; i++) {
      const size = chunks[i]?.length ?? 0;
      length += size;
      if (size > 0) last = i;
    }
    const end = chunks[last];
    if (end === undefined) return void queueMicrotask(done);
    if (this.#slices.isEmpty) { // else it must wait its turn
      const sent: Done = (error) => {
        this.sentBytes += length;
        done(error);
      };
      if (end.length === length && length <= SLICE_BYTES) return void socket.write(end, sent);
      if (length <= COALESCE_BYTES) return void socket.write(joined(chunks, length), sent);
    }
    this.#slices.push(chunks, done);
    this.#sendSlices();
  }

  #sendSlices(): void {
    while (this.#slicesUnderWay < SLICES_UNDER_WAY) {
      const slice = this.#slices.next();
      if (slice === undefined) break;
      const [bytes, done] = slice;
      this.#slicesUnderWay++;
      this.#socket.write(bytes, (error) => {
        this.#slicesUnderWay--;
        this.sentBytes += bytes.length;
        done?.(error);
        this.#sendSlices();
      });
    }
    if (this.#endsWhenSent && this.#slices.isEmpty) this.#end();
  }

  #end(): void {
    this.#endsWhenSent = false;
    this.#socket.end(() => this.#startLinger());
  }

  close(): Promise<void> {
    if (this.#error === undefined) {
      this.#error = new Error("Link was closed by this side");
      // Discarding what still comes in lets the peer's end be seen.
      this.#inbox.discard(this.#error);
      if (this.#slices.isEmpty) this.#end();
      else this.#endsWhenSent = true;
    }
    return this.#closed;
  }

  abort(reason: Error = new Error("Link was aborted by this side")): void {
    this.#fail(reason);
    this.#socket.destroy();
  }

  /** Everything is sent: from here on only the peer's end is waited for. */
  #startLinger(): void {
    if (!this.#socket.destroyed) this.#linger = setTimeout(() => this.#socket.destroy(), LINGER_MS);
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#inbox.fail(this.#error);
    this.#slices.clear();
    const pending = [...this.#pending];
    this.#pending.clear();
    for (const reject of pending) reject(this.#error);
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < chunks.length; i++) {
    const chunk = chunks[i];
    if (chunk === undefined) continue;
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
