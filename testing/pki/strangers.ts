/**
 * Peers that follow none of our rules: as lax as `node:tls` lets them be.
 *
 * @module
 */

import { connect, createServer, type TLSSocket } from "node:tls";
import type { AddressInfo } from "node:net";
import { type KeyPair, keyPem, makeCertificate, makeKeys } from "../../security/x509/issue.ts";
import type { TestPair } from "./pki.ts";

const LAX = { rejectUnauthorized: false, checkServerIdentity: () => undefined };

/** TLS versions, as `node:tls` calls them. */
export type Version = "TLSv1.2" | "TLSv1.3";

/** Both. */
export const VERSIONS: readonly Version[] = ["TLSv1.2", "TLSv1.3"];

/** What a stranger does once there is a link. */
export interface StrangerTalk {
  /** Said as soon as TLS lets it. */
  readonly words?: Uint8Array;
  /** Hangs up when it hears that. Default: never. */
  readonly until?: RegExp;
}

/** Dials `port` as somebody else; resolves when the link has ended, with what came from the other side. */
export async function strangerDials(
  port: number,
  pair: Partial<TestPair>,
  version: Version,
  { words, until }: StrangerTalk = {},
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let heard = "";
  const socket = connect({ ...LAX, ...pair, host: "127.0.0.1", port, maxVersion: version });
  if (words !== undefined) socket.once("secureConnect", () => socket.write(words));
  socket.on("data", (bytes) => {
    heard += String(bytes);
    if (until?.test(heard) === true) socket.destroy();
  });
  socket.on("error", () => {});
  socket.on("close", () => resolve());
  await promise;
  return heard;
}

/** A server that is somebody else's, for one test. */
export class Stranger implements AsyncDisposable {
  /** What was said to it. */
  readonly heard: string[] = [];
  readonly #sockets = new Set<TLSSocket>();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(options: Parameters<typeof createServer>[0] & object) {
    this.#server = createServer(options, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("data", (bytes) => this.heard.push(String(bytes)));
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  /** Listens on a free port of loopback. */
  static async start(options: Parameters<typeof createServer>[0] & object): Promise<Stranger> {
    const stranger = new Stranger(options);
    const { promise, resolve } = Promise.withResolvers<void>();
    stranger.#server.listen(0, "127.0.0.1", () => resolve());
    await promise;
    return stranger;
  }

  /** Its port. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends it and its links. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}

/** A pair that nobody but itself signed. */
export async function selfSigned(name: string): Promise<TestPair> {
  const keys: KeyPair = await makeKeys();
  const subject = [["CN", name]] as const;
  const validity = { validFrom: new Date(Date.now() - 60_000), validTo: new Date(Date.now() + 60_000) };
  const issuer = { name: subject, keys };
  const cert = await makeCertificate({ ...validity, subject, publicKey: keys.publicKey, issuer });
  return { cert, key: await keyPem(keys) };
}
