/**
 * Listening: a connection becomes a {@linkcode Comm} when TLS and Dask's handshake are done.
 *
 * @module
 */

import { getLogger } from "../config/logging.ts";
import { Scope } from "../internal/scope.ts";
import type { Address } from "../messages/common.ts";
import { SecurityError } from "../security/material/errors.ts";
import { certificateName } from "../security/x509/certificate.ts";
import { addressHost, formatAddress, parseAddress, type ParsedAddress, type Scheme } from "./address.ts";
import { Admission } from "./limits/admission.ts";
import type { ByteStream, SocketAddress } from "../transport/byte_stream.ts";
import type { Comm, Listener } from "./comm.ts";
import { AddressError } from "./errors.ts";
import { messageOf, TimeoutError } from "../internal/errors.ts";
import { ClosedBeforeHandshake } from "./handshake.ts";
import { contactHost } from "./host.ts";
import { listenInproc } from "./inproc.ts";
import type { FullLinkLimits } from "./limits/limits.ts";
import { checkLink, type LinkOptions } from "./link_options.ts";
import { PeerLog } from "./peer_log.ts";
import { openStreamComm } from "./stream_comm.ts";
import { listenTcp } from "../transport/tcp.ts";
import { tlsTransport } from "../transport/tls/transport.ts";

const logger = getLogger("distributed.comm");
const peers = PeerLog.warnings(logger);

/** How to listen. */
export interface ListenOptions extends LinkOptions {
  /** Takes a new comm; it owns it from then on. Must not throw. */
  readonly onComm: (comm: Comm) => void;
  /** Told of a peer that did not become a comm, beside the log. */
  readonly onRefused?: ((reason: unknown, peer: string) => void) | undefined;
  /** Host of the contact address if this listens on all interfaces. Default: see {@linkcode contactHost}. */
  readonly contactHost?: string | undefined;
  /** Closes the listener when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Listens at `address`; a missing port is 0, which is any. A peer that is refused, silent or no peer at all
 * is logged and forgotten, and does not keep others waiting.
 *
 * @throws {AddressError} If the address can't be read.
 * @throws {SecurityError} If the options forbid such a listener, or have no certificates for it.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 * @throws {AddressError} If the address can't be bound for another reason.
 */
export async function listen(address: string, options: ListenOptions): Promise<Listener> {
  const parsed = parseAddress(address);
  checkLink("listen on", address, parsed, options);
  const { signal } = options;
  signal?.throwIfAborted();
  const listener = parsed.scheme === "inproc"
    ? listenInproc(address as Address, (comm) => handOver(comm, options))
    : await bind(parsed, options).catch((error) => refuseAddress(address, error));
  if (signal === undefined) return listener;
  const onAbort = () => void listener.close();
  signal.addEventListener("abort", onAbort, { once: true });
  const close = (): Promise<void> => {
    signal.removeEventListener("abort", onAbort);
    return listener.close();
  };
  return {
    listenAddress: listener.listenAddress,
    contactAddress: listener.contactAddress,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function bind(parsed: ParsedAddress, options: ListenOptions): Promise<Listener> {
  const { scheme, host, port = 0 } = parsed;
  const handshakes = new Scope();
  const hostname = host === "" ? "0.0.0.0" : host;
  const admission = new Admission(options.limits);
  const { limits } = admission;
  const handshakeTimeoutMs = limits.handshakeTimeout;
  let where = formatAddress(scheme, hostname, port); // with the real port once it is known
  const refuse = (reason: unknown, peer: string) => {
    admission.refused(addressHost(peer), performance.now());
    peers.about(peer, `Refused a connection from ${peer} on ${where}: ${messageOf(reason)}`);
    options.onRefused?.(reason, peer);
  };
  const admit = (peerHost: string): boolean => {
    const now = performance.now();
    if (admission.admit(peerHost, now)) return true;
    if (admission.isNews(peerHost, now)) {
      peers.write(
        peerHost,
        `Keeping out ${peerHost} on ${where}: it opens links too fast, was refused too often, ` +
          `or too many peers are in their handshake or were refused`,
      );
    }
    return false;
  };
  const onConnection = (stream: ByteStream) => {
    const peerHost = stream.remoteAddr.hostname;
    const started = handshakes.add(async (ended) => {
      if (await greet(stream, scheme, { ...options, limits }, ended, refuse)) admission.proved(peerHost);
      admission.settled(peerHost);
    });
    if (!started) stream.abort();
  };
  const { context } = options;
  if (scheme === "tls" && context === undefined) throw new TypeError("TLS without certificates"); // `checkLink` said so
  const bound = scheme === "tls" && context !== undefined
    ? await tlsTransport.listen({
      hostname,
      port,
      context,
      handshakeTimeoutMs,
      admit,
      onConnection,
      onLeft: (peer) => {
        admission.settled(addressHost(`${scheme}://${peer}`));
        logger.debug(`${scheme}://${peer} came and went without a word`);
      },
      onRefused: (reason, peer) => {
        admission.settled(addressHost(`${scheme}://${peer}`));
        refuse(reason, `${scheme}://${peer}`);
      },
    })
    : listenTcp({
      hostname,
      port,
      onConnection: (stream) => {
        if (admit(stream.remoteAddr.hostname)) onConnection(stream);
        else stream.abort();
      },
      onAcceptError: (error) =>
        logger.error(`Cannot accept a connection on tcp://${hostname}, trying again: ${messageOf(error)}`),
    });
  where = formatAddress(scheme, bound.addr.hostname, bound.addr.port);
  return new StreamListener(scheme, bound, handshakes, options.contactHost);
}

/** The same error for the same reason, whatever the transport says. */
function refuseAddress(address: string, error: unknown): never {
  if (error instanceof Deno.errors.NotCapable || error instanceof SecurityError) throw error;
  if (error instanceof Deno.errors.AddrInUse || systemCode(error) === "EADDRINUSE") {
    throw new Deno.errors.AddrInUse(`Cannot listen on "${address}": somebody else does`, { cause: error });
  }
  throw new AddressError(address, `Cannot listen on "${address}": ${messageOf(error)}`, { cause: error });
}

/** Code of the operating system, which may be one cause down. */
function systemCode(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  return "code" in error ? error.code : systemCode(error.cause);
}

/** Exchanges handshakes and hands the comm over; false if there is none. */
async function greet(
  stream: ByteStream,
  scheme: Scheme,
  options: ListenOptions & { readonly limits: FullLinkLimits },
  ended: AbortSignal,
  refuse: (reason: unknown, peer: string) => void,
): Promise<boolean> {
  const { localAddr, remoteAddr } = stream;
  const peerAddress = formatAddress(scheme, remoteAddr.hostname, remoteAddr.port);
  const late = new AbortController();
  const timeoutMs = options.limits.handshakeTimeout;
  const timer = setTimeout(
    () => late.abort(new TimeoutError(`no handshake message within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  let comm: Comm;
  try {
    comm = await openStreamComm(stream, {
      localAddress: formatAddress(scheme, localAddr.hostname, localAddr.port),
      peerAddress,
      compression: options.compression ?? null,
      handshake: options.handshake,
      limits: options.limits,
      signal: AbortSignal.any([late.signal, ended]),
    });
  } catch (error) {
    if (!ended.aborted) refuse(suspected(error, options), peerAddress);
    return false;
  } finally {
    clearTimeout(timer);
  }
  handOver(comm, options);
  return true;
}

/** Who ends the link as soon as TLS is done may refuse us: the log must not leave that to be guessed. */
function suspected(error: unknown, { context }: ListenOptions): unknown {
  if (!(error instanceof ClosedBeforeHandshake) || !error.afterTls || context === undefined) return error;
  return new Error(
    `${error.message} after TLS, before it said anything: it went away, or refuses our certificate "${
      certificateName(context.certificate)
    }"; its log has the reason`,
    { cause: error },
  );
}

function handOver(comm: Comm, options: ListenOptions): void {
  try {
    options.onComm(comm);
  } catch (error) {
    comm.abort();
    logger.error(`Cannot handle a connection from ${comm.peerAddress}: ${messageOf(error)}`);
  }
}

class StreamListener implements Listener {
  readonly listenAddress: Address;
  readonly contactAddress: Address;
  readonly #bound: { close(): Promise<void> };
  readonly #handshakes: Scope;
  #closing: Promise<void> | undefined = undefined;

  constructor(
    scheme: Scheme,
    bound: { readonly addr: SocketAddress; close(): Promise<void> },
    handshakes: Scope,
    defaultHost: string | undefined,
  ) {
    const { hostname, port } = bound.addr;
    this.listenAddress = formatAddress(scheme, hostname, port);
    this.contactAddress = formatAddress(scheme, contactHost(hostname, defaultHost), port);
    this.#bound = bound;
    this.#handshakes = handshakes;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#bound.close();
    await this.#handshakes.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
