/**
 * TLS peers that show any certificates and sign with any key, or none: what somebody who wants to pass for
 * another would run. Written on Web Crypto, because no TLS library sends a signature that it knows to be
 * wrong.
 *
 * @module
 */

import { type Claim, dial13, HandshakeEnded, serve12, serve13 } from "./handshake.ts";
import { ecdsaSignature, type KeyPair } from "../../security/x509/issue.ts";
import { concat, Content, Wire } from "./records.ts";
import { Arrivals } from "../tls_pair.ts";

export type { Claim } from "./handshake.ts";
export { concat } from "./records.ts";

/** The connection broke, or was dropped here: it ended. */
const GONE = [
  Deno.errors.BadResource,
  Deno.errors.BrokenPipe,
  Deno.errors.ConnectionReset,
  Deno.errors.Interrupted,
] as const;

/** What came of a connection. */
export interface RawEnd {
  /** Whether the other end completed the handshake. */
  readonly finished: boolean;
  /** What it sent behind the handshake. */
  readonly heard: Uint8Array;
  /** The alert that it sent last, if any. */
  readonly alert: number | undefined;
}

/** Answers what was heard. */
export type Answer = (heard: Uint8Array, say: (bytes: Uint8Array) => Promise<void>) => Promise<void>;

/** A server. */
export class RawServer implements AsyncDisposable {
  /** How connections ended. */
  readonly ends: Arrivals<RawEnd> = new Arrivals<RawEnd>();
  readonly #listener: Deno.TcpListener;
  readonly #conns = new Set<Deno.TcpConn>();
  readonly #serving: Promise<void>;

  /** Listens on a free port of loopback. */
  constructor(claim: Claim, version: "1.2" | "1.3" = "1.3", answer?: Answer) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#serving = this.#serve(
      (wire) => version === "1.3" ? serve13(wire, claim) : serve12(wire, claim),
      answer,
    );
  }

  /** Its port. */
  get port(): number {
    return this.#listener.addr.port;
  }

  async #serve(handshake: (wire: Wire) => Promise<void>, answer: Answer | undefined): Promise<void> {
    const served: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      this.#conns.add(conn);
      const wire = new Wire(conn);
      served.push(
        follow(wire, handshake(wire), answer).then((end) => this.ends.add(end)).finally(() =>
          this.#drop(conn)
        ),
      );
    }
    await Promise.all(served);
  }

  #drop(conn: Deno.TcpConn): void {
    if (this.#conns.delete(conn)) conn.close();
  }

  /** Ends it and its connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) this.#drop(conn);
    await this.#serving;
  }
}

/** Dials a port of loopback over TLS 1.3, and tells how it ended. */
export async function rawDial(port: number, claim: Claim): Promise<RawEnd> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const wire = new Wire(conn);
  return await follow(wire, dial13(wire, claim), undefined);
}

/** Follows a connection to its end. */
async function follow(wire: Wire, handshake: Promise<void>, answer: Answer | undefined): Promise<RawEnd> {
  const end = {
    finished: false,
    heard: new Uint8Array() as Uint8Array,
    alert: undefined as number | undefined,
  };
  try {
    await handshake;
    end.finished = true;
    for (let next = await wire.next(); next !== undefined; next = await wire.next()) {
      if (next.type === Content.alert) end.alert = next.data[1];
      if (next.type !== Content.data) continue;
      end.heard = concat(end.heard, next.data);
      await answer?.(next.data, (bytes) => wire.send(Content.data, bytes));
    }
  } catch (error) {
    if (error instanceof HandshakeEnded) end.alert = error.alert;
    else if (!GONE.some((kind) => error instanceof kind)) throw error;
  }
  return end;
}

/** Signs as the owner of a P-256 key. */
export function signer({ privateKey }: KeyPair): NonNullable<Claim["sign"]> {
  return async (content) =>
    ecdsaSignature(
      new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, content)),
    );
}
