/**
 * Where a worker listens, and how peers reach it.
 *
 * @module
 */

import { addressHost, formatAddress, parseAddress, splitAddress } from "../comm/address.ts";
import type { Comm, Listener } from "../comm/comm.ts";
import { AddressError } from "../comm/errors.ts";
import { resolveAddress } from "../comm/host.ts";
import { checkLink, type LinkOptions } from "../comm/link_options.ts";
import type { Server } from "../rpc/server.ts";
import type { Address } from "../messages/common.ts";
import type { WorkerOptions } from "./options.ts";

/**
 * Checks what was said about addresses, before anything is dialled (`distributed/cli/dask_worker.py`).
 *
 * @throws {AddressError} If one can't be read, or they contradict each other.
 * @throws {SecurityError} If encryption is required and one is plain text.
 */
export function checkAddresses(options: WorkerOptions, links: LinkOptions): void {
  const { listenAddress, contactAddress, host, port, protocol } = options;
  if (contactAddress !== undefined && listenAddress === undefined) {
    throw new AddressError(
      contactAddress,
      `A contact address, "${contactAddress}", needs a listen address beside it`,
    );
  }
  if (listenAddress === undefined) return;
  if (host !== undefined || port !== undefined || protocol !== undefined) {
    throw new AddressError(
      listenAddress,
      `The listen address "${listenAddress}" says host, port and protocol: leave those out`,
    );
  }
  checkWhole("listen on", listenAddress, links);
  if (contactAddress !== undefined) checkWhole("be reached at", contactAddress, links);
}

function checkWhole(what: string, address: string, links: LinkOptions): void {
  splitAddress(address, { strict: true });
  const parsed = parseAddress(address);
  if (parsed.scheme === "inproc" || parsed.port === undefined) {
    throw new AddressError(address, `Cannot ${what} "${address}": it must have a host and a port`);
  }
  checkLink(what, address, parsed, links);
}

/**
 * Address that peers dial: the one that was given, with its name looked up, as schedulers do; or the
 * listener's.
 */
export async function contactOf(listener: Listener, { contactAddress }: WorkerOptions): Promise<Address> {
  return contactAddress === undefined ? listener.contactAddress : await resolveAddress(contactAddress);
}

/** Listens on the first free port of the range, on the host that leads to the scheduler if none is given. */
export async function listenForPeers(
  server: Server,
  comm: Comm,
  links: LinkOptions,
  options: WorkerOptions,
): Promise<Listener> {
  const { port = 0, listenAddress } = options;
  if (listenAddress !== undefined) {
    return await server.listen(listenAddress, {
      ...links,
      contactHost: addressHost(comm.localAddress),
    });
  }
  const [from, to] = typeof port === "number" ? [port, port] : port;
  const scheme = options.protocol ?? parseAddress(comm.peerAddress).scheme;
  if (scheme === "inproc") return await server.listen("inproc://", links);
  const localHost = addressHost(comm.localAddress);
  for (let candidate = from;; candidate++) {
    try {
      const address = formatAddress(scheme, options.host ?? localHost, candidate);
      return await server.listen(address, { ...links, contactHost: localHost });
    } catch (error) {
      if (candidate >= to || !isAddressInUse(error)) throw error;
    }
  }
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Deno.errors.AddrInUse || (error as { code?: unknown }).code === "EADDRINUSE";
}
