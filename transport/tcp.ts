/**
 * Plain TCP: bytes over `Deno.Conn`. Nothing here knows of messages.
 *
 * @module
 */

import type { ByteStream, SocketAddress } from "./byte_stream.ts";
import { systemClock } from "../internal/clock.ts";

/** Reads start small, so that a thousand idle links cost little, and grow with what arrives. */
const READ_BYTES_MIN = 16 * 1024;
const READ_BYTES_MAX = 256 * 1024;

/**
 * How long a peer has to end its side after we ended ours. Closing the socket while it still holds unread
 * bytes would reset the link, and the peer could lose what we sent last.
 */
const LINGER_MS = 1000;

/** Where to dial. */
export interface TcpDialOptions {
  /** Name or address of the peer. */
  readonly hostname: string;
  /** Its port. */
  readonly port: number;
  /** Gives up; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Where to listen. */
export interface TcpListenOptions {
  /** Address to bind. */
  readonly hostname: string;
  /** Port; 0 for any. */
  readonly port: number;
  /** Somebody came. Must not throw. */
  readonly onConnection: (stream: ByteStream) => void;
  /** Accepting failed, and is tried again. Must not throw. */
  readonly onAcceptError: (error: unknown) => void;
}

/** A bound listener. */
export interface TcpListener {
  /** Where it is bound, with the real port. */
  readonly addr: SocketAddress;
  /** Stops accepting; streams that were handed out live on. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects.
 *
 * @throws {Error} What `Deno.connect` throws, or the signal's reason.
 */
export async function dialTcp(options: TcpDialOptions): Promise<ByteStream> {
  const { hostname, port, signal } = options;
  signal?.throwIfAborted();
  try {
    // Deno watches the signal only until the connection is up.
    const conn = await Deno.connect({ hostname, port, ...signal !== undefined && { signal } });
    if (signal?.aborted === true) conn.close();
    signal?.throwIfAborted();
    return new TcpStream(conn);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Listens. Throws what `Deno.listen` throws. */
export function listenTcp(options: TcpListenOptions): TcpListener {
  const { hostname, port, onConnection, onAcceptError } = options;
  const listener = Deno.listen({ hostname: hostname === "" ? "0.0.0.0" : hostname, port });
  const accepting = acceptAll(
    () => listener.accept(),
    (conn) => onConnection(new TcpStream(conn)),
    onAcceptError,
  );
  let closing: Promise<void> | undefined;
  const close = async () => {
    accepting.abort();
    listener.close();
    await accepting.finished;
  };
  return { addr: listener.addr, close: () => closing ??= close() };
}

/**
 * Accepts until aborted. A failure, such as too many open files, is waited out: a listener that gives up
 * would take the role's future with it. Exported for its tests.
 */
export function acceptAll<T>(
  accept: () => Promise<T>,
  onAccepted: (accepted: T) => void,
  onError: (error: unknown) => void,
  backoffMs: readonly [first: number, most: number] = [5, 1000],
): { readonly finished: Promise<void>; abort(): void } {
  const controller = new AbortController();
  const { signal } = controller;
  const loop = async (): Promise<void> => {
    let wait = backoffMs[0];
    while (!signal.aborted) {
      try {
        const accepted = await accept();
        wait = backoffMs[0];
        onAccepted(accepted);
      } catch (error) {
        if (signal.aborted) return;
        onError(error);
        await systemClock.sleep(wait, signal).catch(() => {}); // aborted: the loop ends
        wait = Math.min(wait * 2, backoffMs[1]);
      }
    }
  };
  return { finished: loop(), abort: () => controller.abort() };
}

class TcpStream implements ByteStream {
  readonly localAddr: SocketAddress;
  readonly remoteAddr: SocketAddress;
  sentBytes = 0;
  readonly #conn: Deno.TcpConn;
  #buffer = new Uint8Array(READ_BYTES_MIN);
  #reading: Promise<number | null> | undefined = undefined;
  /** Ends when everything written so far is handed to the system. */
  #tail: Promise<void> = Promise.resolve();
  #pendingWrites = 0;
  #ended: Error | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.localAddr = { hostname: conn.localAddr.hostname, port: conn.localAddr.port };
    this.remoteAddr = { hostname: conn.remoteAddr.hostname, port: conn.remoteAddr.port };
    try {
      conn.setNoDelay(true);
      // Deno leaves the intervals to the system, mostly hours: roles notice silent peers by their heartbeats.
      conn.setKeepAlive(true);
    } catch {
      // The peer is gone already; the first read or write tells.
    }
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#ended !== undefined) throw this.#ended;
    const buffer = this.#buffer;
    let count: number | null;
    try {
      this.#reading = this.#conn.read(buffer);
      count = await this.#reading;
    } catch (error) {
      throw this.#ended ?? this.#fail(error);
    } finally {
      this.#reading = undefined;
    }
    if (count === null) return null;
    if (count === buffer.length && count < READ_BYTES_MAX) this.#buffer = new Uint8Array(count * 4);
    return buffer.subarray(0, count);
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    const turn = this.#pendingWrites === 0 ? this.#writeAll(chunks) : this.#afterTail(chunks);
    this.#pendingWrites++;
    this.#tail = turn;
    try {
      await turn;
    } finally {
      this.#pendingWrites--;
    }
  }

  async #afterTail(chunks: readonly Uint8Array[]): Promise<void> {
    await this.#tail;
    await this.#writeAll(chunks);
  }

  async #writeAll(chunks: readonly Uint8Array[]): Promise<void> {
    try {
      for (let i = 0; i < chunks.length; i++) {
        let rest = chunks[i] as Uint8Array;
        while (rest.length > 0) {
          const count = await this.#conn.write(rest);
          this.sentBytes += count;
          rest = rest.subarray(count);
        }
      }
    } catch (error) {
      throw this.#dropped ?? this.#fail(error);
    }
  }

  /** Why this side dropped the connection, if it did. While it is being closed writes still go on. */
  get #dropped(): Error | undefined {
    return this.#closing === undefined ? this.#ended : undefined;
  }

  #fail(cause: unknown): Error {
    this.#ended ??= cause instanceof Error ? cause : new Error("Connection failed", { cause });
    this.#drop();
    return this.#ended;
  }

  #drop(): void {
    try {
      this.#conn.close();
    } catch {
      // Closed before.
    }
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#ended = new Error("Connection was closed by this side");
    try {
      await this.#tail;
      await this.#conn.closeWrite();
      await this.#linger();
    } catch {
      // The peer closed first; there is no one to tell.
    }
    this.#drop();
  }

  async #linger(): Promise<void> {
    const timer = setTimeout(() => this.#drop(), LINGER_MS);
    try {
      await this.#reading;
      const waste = new Uint8Array(READ_BYTES_MIN);
      while (await this.#conn.read(waste) !== null);
    } finally {
      clearTimeout(timer);
    }
  }

  abort(): void {
    // Also cuts short a close that lingers.
    this.#ended ??= new Error("Connection was aborted by this side");
    this.#drop();
  }
}
