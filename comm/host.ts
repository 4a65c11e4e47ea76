/**
 * Host names and the addresses of this machine: the part of `distributed/comm/addressing.py` and
 * `distributed/utils.py` (`get_ip`) that asks the operating system.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Address } from "../messages/common.ts";
import { addressHost, formatAddress, isWildcard, parseAddress } from "./address.ts";
import { AddressError } from "./errors.ts";
import { messageOf } from "../internal/errors.ts";

/**
 * Replaces a host name by its IP address, IPv4 if it has one. Source: `resolve_address`.
 *
 * @throws {AddressError} If the name is unknown.
 */
export async function resolveAddress(address: string): Promise<Address> {
  const { scheme, host, port } = parseAddress(address);
  if (scheme === "inproc" || isWildcard(host)) return address as Address;
  return formatAddress(scheme, await resolveHost(address, host), port);
}

async function resolveHost(address: string, host: string): Promise<string> {
  if (isIP(host.split("%", 1)[0] ?? host) !== 0) return host;
  try {
    const found = await lookup(host, { all: true });
    const best = found.find(({ family }) => family === 4) ?? found[0];
    if (best !== undefined) return best.address;
    throw new Error("it has no address");
  } catch (cause) {
    const message = `Cannot resolve host "${host}" of "${address}": ${messageOf(cause)}`;
    throw new AddressError(address, message, { cause });
  }
}

/**
 * Whether both addresses are on one machine, as far as their text tells. Source: `Comm.same_host`, without
 * looking up names: links have IP addresses at both ends.
 */
export function sameHost(a: string, b: string): boolean {
  const left = addressHost(a);
  const right = addressHost(b);
  return left === right || (isLoopback(left) && isLoopback(right));
}

/** Whether a host is this machine, seen from inside. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/**
 * The host that others are told for a listener that is bound to `host`.
 *
 * A wildcard (`""`, `0.0.0.0`, `::`) becomes `defaultHost` if there is one: a worker gives the local address
 * of its link to the scheduler. Otherwise the first address of this machine that is not a loopback one, which
 * needs `--allow-sys=networkInterfaces`; it is used if granted and never asked for. Without it there is no
 * way to know, and it is the loopback address, so peers of other machines need an explicit contact address.
 *
 * Source: `ensure_concrete_host`.
 */
export function contactHost(host: string, defaultHost?: string): string {
  if (!isWildcard(host)) return host;
  return defaultHost ?? machineHost(host === "::" ? "IPv6" : "IPv4");
}

function machineHost(family: "IPv4" | "IPv6"): string {
  const loopback = family === "IPv4" ? "127.0.0.1" : "::1";
  const interfaces = networkInterfaces();
  const outside = (kind: string) =>
    interfaces.find((one) =>
      one.family === kind && !isLoopback(one.address) && !one.address.startsWith("fe80:")
    )?.address;
  // A listener on "::" mostly takes IPv4 too, and that is what Dask's get_ip gives.
  return outside("IPv4") ?? (family === "IPv6" ? outside("IPv6") : undefined) ?? loopback;
}

function networkInterfaces(): Deno.NetworkInterfaceInfo[] {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" });
  return state === "granted" ? Deno.networkInterfaces() : [];
}
