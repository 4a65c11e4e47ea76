/**
 * Mutually authenticated links on `node:tls`, the one TLS of Deno that verifies client certificates and
 * trusts a single CA (docs/decisions/0001-tls-on-node-tls.md).
 *
 * Invariant: `rejectUnauthorized` is true on both sides, the CA list is ours alone, and a stream is handed
 * out only after `policy.ts` accepted the peer, before a byte was read or written.
 *
 * @module
 */

import { connect, type ConnectionOptions, createServer, type TlsOptions, type TLSSocket } from "node:tls";
import { lookup } from "node:dns/promises";
import { type AddressInfo, createServer as createTcpServer, isIP, type Server, type Socket } from "node:net";
import type { ByteStream } from "../byte_stream.ts";
import type { TlsInfo } from "../../security/peer.ts";
import { admit } from "../../security/live/admission.ts";
import { checkListenerCiphers } from "../../security/ciphers/ciphers.ts";
import { TlsContext } from "../../security/live/context.ts";
import { TlsRefusedError } from "../../security/verdict.ts";
import { orAborted } from "../../internal/deadline.ts";
import { Inbox } from "./inbox.ts";
import { isRsa } from "../../security/material/keys.ts";
import { NodeStream } from "./node_stream.ts";
import {
  bytesFrom,
  guardCertificates,
  rawOf,
  saidNothing,
  shownCertificates,
  tcpBelow,
  tlsAbove,
} from "./node_internals.ts";
import { peerChain, type ShownCertificates } from "../../security/x509/peer_chain.ts";
import { checkPeer } from "../../security/policy.ts";
import { diagnose } from "../../security/x509/diagnosis.ts";
import { asRefusal, codeOf, hungUp, policyRefusal, type TlsPeer } from "../../security/verdict.ts";
import type { TlsDialOptions, TlsListener, TlsListenOptions, TlsTransport } from "./tls_transport.ts";
import { type Certificate, certificateName } from "../../security/x509/certificate.ts";

/** Time a peer has for the TLS handshake unless the listener says otherwise. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** The transport of every `tls://` link. */
export const nodeTls: TlsTransport = { dial, listen };

interface OnRead {
  readonly buffer: () => Uint8Array;
  readonly callback: (length: number, buffer: Uint8Array) => boolean;
}

function tlsOptions(context: TlsContext): ConnectionOptions & TlsOptions {
  const { ca, cert, key } = TlsContext.material(context);
  return {
    ca: [...ca],
    cert,
    key,
    minVersion: `TLSv${context.minVersion}`,
    maxVersion: `TLSv${context.maxVersion}`,
    rejectUnauthorized: true,
  };
}

function own(context: TlsContext): string {
  return `"${certificateName(context.certificate)}"`;
}

async function dial(options: TlsDialOptions): Promise<ByteStream> {
  const { hostname, port, context, signal } = options;
  signal?.throwIfAborted();
  const peer: TlsPeer = { way: "dial", address: hostPort(hostname, port), own: own(context) };
  let failure: unknown;
  for (const address of await addressesOf(hostname, peer, signal)) {
    try {
      return await dialAddress(address, options, peer);
    } catch (error) {
      failure = error;
      if (error instanceof TlsRefusedError && error.side === "here") context.refusals[error.kind]++;
      // The next address is tried if nothing listens, not if the peer refuses us.
      if (error instanceof TlsRefusedError || signal?.aborted === true) throw error;
    }
  }
  throw failure;
}

/**
 * IP addresses of a name. Dialling by address is what keeps the name out of the handshake (SNI), as in Dask.
 */
async function addressesOf(
  hostname: string,
  peer: TlsPeer,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  if (isIP(hostname) !== 0) return [hostname];
  try {
    const found = await orAborted(lookup(hostname, { all: true }), signal);
    return found.map(({ address }) => address);
  } catch (cause) {
    if (signal?.aborted === true) throw cause;
    throw connectError(peer, cause);
  }
}

async function dialAddress(host: string, options: TlsDialOptions, peer: TlsPeer): Promise<ByteStream> {
  const { context, signal } = options;
  const inbox = new Inbox(true);
  const { promise, resolve, reject } = Promise.withResolvers<ByteStream>();
  const socket = connect(dialOptions(host, options.port, context, inbox));
  guardCertificates(socket);
  const abort = () => {
    reject(signal?.reason);
    socket.destroy();
  };
  let received: (() => unknown) | undefined;
  // Who ends the link before it said anything has seen no certificate: it keeps us out for now, or is no
  // peer.
  const isUnheard = () => received?.() === 0;
  const failed = (error: Error) => {
    if (received === undefined) reject(connectError(peer, error));
    else if (isUnheard() && codeOf(error) === "ECONNRESET") reject(connectError(peer, unheard(error)));
    else reject(asRefusal(error, peer, "handshake"));
  };
  const closed = () => reject(isUnheard() ? connectError(peer, unheard()) : hungUp(peer));
  socket.once("connect", () => received = bytesFrom(socket));
  socket.on("error", failed);
  socket.on("close", closed);
  socket.once("secureConnect", () => {
    try {
      const stream = handOut(socket, inbox, context, peer, options.expect);
      socket.off("error", failed);
      socket.off("close", closed);
      resolve(stream);
    } catch (error) {
      reject(error);
      socket.destroy();
    }
  });
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await promise;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function dialOptions(host: string, port: number, context: TlsContext, inbox: Inbox): ConnectionOptions {
  const options: ConnectionOptions & { onread: OnRead } = {
    ...tlsOptions(context),
    host,
    port,
    onread: {
      buffer: inbox.buffer,
      callback: (length, buffer) => {
        inbox.push(buffer.subarray(0, length));
        return true;
      },
    },
    // Dask's rule: the dedicated CA is the trust. Names and addresses are not compared.
    checkServerIdentity: () => undefined,
  };
  return options;
}

function unheard(cause?: Error): Error {
  const told = new Error(
    "it closed the link before it said anything: it lets nobody in for now, is going down, or is no peer",
    { cause },
  );
  return Object.assign(told, { code: "ECONNRESET" });
}

/** No connection at all; `code` is the operating system's. */
function connectError(peer: TlsPeer, cause: unknown): Error {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const told = new Error(`Cannot connect to "${peer.address}": ${error.message}`, { cause });
  return Object.assign(told, { code: codeOf(error) });
}

/** The only place that makes a stream. */
function handOut(
  socket: TLSSocket,
  inbox: Inbox,
  context: TlsContext,
  peer: TlsPeer,
  expect: TlsDialOptions["expect"],
): NodeStream {
  const shown = shownCertificates(socket);
  const checked = facts(socket, shown, context, peer);
  const { tls, chain } = admit(checked, shown, context, peer, expect);
  socket.setNoDelay(context.noDelay);
  socket.setKeepAlive(context.keepAlive, 10_000);
  inbox.onFlow((on) => flow(socket, on));
  const stream = new NodeStream(socket, inbox, tls, peer);
  const forget = context.links.add({
    peer,
    chain,
    grant: tls.peer.grant,
    end: (reason) => stream.abort(reason),
  });
  socket.once("close", forget);
  return stream;
}

function facts(
  socket: TLSSocket,
  { sent, linked }: ShownCertificates,
  context: TlsContext,
  peer: TlsPeer,
): TlsInfo {
  const raw: unknown = sent?.[0] ?? (linked instanceof Object && "raw" in linked ? linked.raw : undefined);
  return checkPeer(
    {
      authorized: socket.authorized,
      certificate: raw instanceof Uint8Array ? raw : undefined,
      protocol: socket.getProtocol(),
      cipher: socket.getCipher()?.name ?? "",
    },
    context,
    peer,
  );
}

async function listen(options: TlsListenOptions): Promise<TlsListener> {
  const { context, onRefused } = options;
  const { ciphers, minVersion, maxVersion } = context;
  checkListenerCiphers({ ciphers, minVersion, maxVersion, rsa: isRsa(context.certificate) });
  // Sockets whose handshake is under way, and where they come from: a refused one has forgotten it.
  const handshakes = new Map<unknown, { readonly raw: Socket; readonly address: string }>();
  const peerOf = (address: string): TlsPeer => ({ way: "accept", address, own: own(context) });
  const server = createServer({
    ...tlsOptions(context),
    requestCert: true,
    handshakeTimeout: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
  });
  let closing = false;
  const shown = new WeakMap<TLSSocket, ShownCertificates>();
  const refuse = (address: string, error: Error) => {
    if (closing) return;
    const refusal = asRefusal(error, peerOf(address), "handshake");
    context.refusals[refusal instanceof TlsRefusedError ? refusal.kind : "handshake"]++;
    onRefused(refusal, address);
  };

  // Who is kept out costs less than half of what it does if TLS is told of it first.
  const gate = createTcpServer((raw: Socket) => {
    raw.on("error", () => {}); // `tlsClientError` tells it
    if (options.admit?.(raw.remoteAddress ?? "unknown") === false) {
      context.refusals.keptOut++;
      raw.destroy();
      return;
    }
    handshakes.set(raw, { raw, address: hostPort(raw.remoteAddress ?? "unknown", raw.remotePort ?? 0) });
    server.emit("connection", raw);
    const socket = tlsAbove(raw);
    if (socket === undefined) return;
    guardCertificates(socket);
    // Before the verdict on it: a refused socket has forgotten what its peer showed.
    socket.prependOnceListener("secure", () => shown.set(socket, shownCertificates(socket)));
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    handshakes.delete(rawOf(socket));
    const address = hostPort(socket.remoteAddress ?? "unknown", socket.remotePort ?? 0);
    const inbox = new Inbox(false);
    let stream: NodeStream;
    try {
      stream = handOut(socket, inbox, context, peerOf(address), undefined);
    } catch (error) {
      socket.on("error", () => {}); // it is gone, whatever it still says
      socket.destroy();
      refuse(address, error instanceof Error ? error : new Error(String(error)));
      return;
    }
    socket.on("data", (chunk: Uint8Array) => inbox.push(chunk));
    options.onConnection(stream);
  });
  server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
    const raw = rawOf(socket);
    const address = handshakes.get(raw)?.address ?? "unknown";
    handshakes.delete(raw);
    socket.on("error", () => {});
    socket.destroy(); // a handshake time-out leaves it open
    if (options.onLeft !== undefined && codeOf(error) === "ECONNRESET" && saidNothing(raw)) {
      if (!closing) options.onLeft(address);
      return;
    }
    const refused = verdict(socket);
    const peer = peerOf(address);
    refuse(
      address,
      refused === undefined ? error : found(shown.get(socket), refused, context, peer) ?? refused,
    );
  });
  await bound(gate, options);
  // Out of file descriptors, say: the listener goes on.
  gate.on("error", (error: Error) => refuse("unknown", error));
  const { address, port } = gate.address() as AddressInfo;
  const unsubscribe = context.onChange(() => server.setSecureContext(tlsOptions(context)));
  return {
    addr: { hostname: address, port },
    close(): Promise<void> {
      if (closing) return Promise.resolve();
      closing = true;
      unsubscribe();
      gate.close(); // its callback waits for accepted links, which live on
      for (const { raw } of handshakes.values()) raw.destroy();
      handshakes.clear();
      return Promise.resolve();
    },
  };
}

/**
 * Lets bytes come in, or not. `socket.pause()` is no way: in Deno 2.9.6 it goes on receiving without a limit,
 * and may lose the end of the stream (decision 0001). What holds the peer back is to stop reading the TCP
 * socket below, for which there is no public name. Without that name nothing is held back;
 * `tests/canary_test.ts` tells.
 */
function flow(socket: TLSSocket, on: boolean): void {
  const tcp = tcpBelow(socket);
  if (on) tcp?.readStart();
  else tcp?.readStop();
}

/** The refusal of a client with what is wrong with the certificate that it showed, if that can be told. */
function found(
  shown: ShownCertificates | undefined,
  cause: Error,
  context: TlsContext,
  peer: TlsPeer,
): Error | undefined {
  if (shown === undefined) return undefined;
  let chain: readonly Certificate[];
  try {
    chain = peerChain(shown);
  } catch {
    return undefined; // the verdict stands as it is
  }
  const why = diagnose(chain, context.trust.cas, new Date(), "client");
  const [leaf] = chain;
  if (why !== undefined) return policyRefusal(peer, `its ${why}`, { cause });
  return leaf === undefined
    ? undefined
    : asRefusal(cause, { ...peer, shown: certificateName(leaf) }, "handshake");
}

/**
 * Why our verification refused a client, which `node:tls` tells beside an error that says "socket hang up".
 */
function verdict(socket: TLSSocket): Error | undefined {
  const code: unknown = socket.authorizationError;
  if (typeof code !== "string" && !(code instanceof Error)) return undefined;
  return Object.assign(new Error("Client certificate refused"), { code: String(code) });
}

function bound(
  server: Server,
  { hostname, port }: Pick<TlsListenOptions, "hostname" | "port">,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (cause: Error) => {
    reject(new Error(`Cannot listen on "${hostPort(hostname, port)}": ${cause.message}`, { cause }));
  };
  server.once("error", failed);
  server.listen({ host: hostname, port }, () => {
    server.off("error", failed);
    resolve();
  });
  return promise;
}

function hostPort(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
