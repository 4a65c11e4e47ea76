/**
 * Dialling: an address becomes a {@linkcode Comm}.
 *
 * @module
 */

import { parseTimedelta } from "../internal/units.ts";
import type { Address } from "../messages/common.ts";
import { DEFAULT_PORT, normalizeAddress, parseAddress, type ParsedAddress } from "./address.ts";
import { formatAddress } from "./address.ts";
import type { ByteStream } from "../transport/byte_stream.ts";
import type { Clock } from "../internal/clock.ts";
import type { Comm } from "./comm.ts";
import { connectInproc } from "./inproc.ts";
import { checkLink, type LinkOptions } from "./link_options.ts";
import { withRetries } from "./retry.ts";
import { openStreamComm } from "./stream_comm.ts";
import { dialTcp } from "../transport/tcp.ts";
import { tlsTransport } from "../transport/tls/transport.ts";

/** Dask's `distributed.comm.timeouts.connect`. */
export const CONNECT_TIMEOUT = "30s";

/** How to dial. */
export interface ConnectOptions extends LinkOptions {
  /** Tries at most. Default: as many as fit into the time. */
  readonly tries?: number | undefined;
  /** Gives up at once; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Time, for tests. */
  readonly clock?: Clock | undefined;
  /** Randomness of pauses, for tests. */
  readonly random?: (() => number) | undefined;
}

/**
 * Connects, and retries as long as it makes sense. The result's handshake is done.
 *
 * @param address Such as `"tls://10.0.0.7:8786"`; the port may be left out if it is 8786.
 * @throws {AddressError} If the address can't be read.
 * @throws {SecurityError} If the options forbid such a link, or have no certificates for it.
 * @throws {CommAuthError} If one end refused the other. Final.
 * @throws {CommTimeoutError} If there is no link within `timeout`.
 */
export async function connect(address: string, options: ConnectOptions = {}): Promise<Comm> {
  const { signal, timeout = CONNECT_TIMEOUT, tries, clock, random } = options;
  const parsed = parseAddress(address);
  const peer = normalizeAddress(address);
  checkLink("connect to", address, parsed, options);
  signal?.throwIfAborted();
  if (parsed.scheme === "inproc") return connectInproc(peer);
  const timeoutMs = parseTimedelta(timeout, "ms") * 1000;
  const attempt = (given: AbortSignal) => dialOnce(peer, parsed, options, given);
  return await withRetries(peer, attempt, { timeoutMs, tries, signal, clock, random });
}

async function dialOnce(
  peerAddress: Address,
  parsed: ParsedAddress,
  options: LinkOptions,
  signal: AbortSignal,
): Promise<Comm> {
  const stream = await dialStream(parsed, options, signal);
  const { hostname, port } = stream.localAddr;
  return await openStreamComm(stream, {
    localAddress: formatAddress(parsed.scheme, hostname, port),
    peerAddress,
    compression: options.compression ?? null,
    handshake: options.handshake,
    limits: options.limits,
    signal,
  });
}

async function dialStream(
  { scheme, host, port = DEFAULT_PORT }: ParsedAddress,
  { context, expect }: LinkOptions,
  signal: AbortSignal,
): Promise<ByteStream> {
  const hostname = host === "" ? "127.0.0.1" : host;
  if (scheme !== "tls") return await dialTcp({ hostname, port, signal });
  if (context === undefined) throw new TypeError("TLS without certificates"); // `checkLink` said so before
  return await tlsTransport.dial({ hostname, port, context, expect, signal });
}
