/**
 * Pairs of connected comms, and raw peers that misbehave, for tests.
 *
 * @module
 */

import { parseAddress } from "../comm/address.ts";
import type { Comm, Listener } from "../comm/comm.ts";
import { connect } from "../comm/connect.ts";
import type { LinkOptions } from "../comm/link_options.ts";
import { listen } from "../comm/listen.ts";
import { decodeMessage, encodeMessage } from "../protocol/message.ts";
import { encodeFrames, FrameReader } from "../protocol/frames.ts";
import { loadTlsContext } from "../security/live/context.ts";
import { Security } from "../security/security.ts";

/** Kinds of links, each with an address to listen on. */
export const SCHEMES: Readonly<Record<"tcp" | "tls" | "inproc", string>> = {
  tcp: "tcp://127.0.0.1:0",
  tls: "tls://127.0.0.1:0",
  inproc: "inproc://",
};

/** Options of the dialling and of the listening side. */
export interface LinkSides {
  /** Who dials. */
  readonly client: LinkOptions;
  /** Who listens. */
  readonly server: LinkOptions;
}

let shared: Promise<LinkSides> | undefined;

async function makeTlsSides(): Promise<LinkSides> {
  const security = await Security.temporary();
  return {
    client: { context: await loadTlsContext(security, "client") },
    server: { context: await loadTlsContext(security, "scheduler") },
  };
}

/** Certificates of one CA for both sides; made once per process. */
export function tlsSides(): Promise<LinkSides> {
  return shared ??= makeTlsSides();
}

/** The options that links of `scheme` need. */
export async function sidesOf(scheme: keyof typeof SCHEMES): Promise<LinkSides> {
  return scheme === "tls" ? await tlsSides() : { client: {}, server: {} };
}

/** Two ends of one link. */
export class LinkPair implements AsyncDisposable {
  /** Who dialled. */
  readonly client: Comm;
  /** Who accepted. */
  readonly server: Comm;
  readonly #listener: Listener;

  private constructor(client: Comm, server: Comm, listener: Listener) {
    this.client = client;
    this.server = server;
    this.#listener = listener;
  }

  /** Makes a link. */
  static async make(scheme: keyof typeof SCHEMES, options: LinkOptions = {}): Promise<LinkPair> {
    const sides = await sidesOf(scheme);
    const accepted = Promise.withResolvers<Comm>();
    const listener = await listen(SCHEMES[scheme], { ...sides.server, ...options, onComm: accepted.resolve });
    const client = await connect(listener.contactAddress, { ...sides.client, ...options });
    return new LinkPair(client, await accepted.promise, listener);
  }

  /** Drops both ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.client.abort();
    this.server.abort();
    await this.#listener.close();
    // A socket is gone once the system says so.
    await Promise.all([this.client.close(), this.server.close()]);
  }
}

/** A TCP peer that sends what a test likes. */
export class RawPeer implements Disposable {
  readonly #conn: Deno.TcpConn;
  readonly #reader = new FrameReader();
  #closed = false;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** Connects to `address`, and says nothing. */
  static async dial(address: string): Promise<RawPeer> {
    const { host, port = 0 } = parseAddress(address);
    return new RawPeer(await Deno.connect({ hostname: host, port }));
  }

  /** Connects, and exchanges handshakes. */
  static async greet(address: string, handshake: unknown = PYTHON_HANDSHAKE): Promise<RawPeer> {
    const peer = await RawPeer.dial(address);
    await peer.write(handshake);
    await peer.read();
    return peer;
  }

  /** Sends bytes as they are. */
  async send(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#conn.write(rest));
  }

  /** Sends a message. */
  async write(message: unknown): Promise<void> {
    for (const chunk of encodeFrames(encodeMessage(message))) await this.send(chunk);
  }

  /** Next message; `undefined` if the link ended. */
  async read(): Promise<unknown> {
    const buffer = new Uint8Array(65536);
    for (;;) {
      const frames = this.#reader.next();
      if (frames !== undefined) return decodeMessage(frames);
      const count = await this.#conn.read(buffer).catch(() => null);
      if (count === null) return undefined;
      this.#reader.push(buffer.slice(0, count));
    }
  }

  /** Ends the link. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  /** Ends the link. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** What Python's `distributed` says first on one host. */
export const PYTHON_HANDSHAKE: Readonly<Record<string, unknown>> = {
  compression: null,
  python: [3, 11, 2],
  "pickle-protocol": 5,
};
