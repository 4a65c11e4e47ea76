/**
 * Addresses: `scheme://location`, as `distributed/comm/addressing.py` reads them. Pure; names are looked up
 * in `host.ts`.
 *
 * The canonical form identifies peers everywhere (`who_has`, the scheduler's workers): compare addresses as
 * text, after {@linkcode normalizeAddress}.
 *
 * @module
 */

import type { Address } from "../messages/common.ts";
import { AddressError } from "./errors.ts";

/** Kinds of links that this package has. */
export type Scheme = "tcp" | "tls" | "inproc";

/** Where a scheduler is dialled if no port is said. */
export const DEFAULT_PORT = 8786;

const SCHEMES: readonly Scheme[] = ["tcp", "tls", "inproc"];

/** Kinds that Dask has and this package has not. */
const FOREIGN: Readonly<Record<string, string>> = {
  ws: "WebSocket links",
  wss: "WebSocket links",
  ucx: "UCX links",
  ucxx: "UCX links",
};

/** An address, taken apart. */
export interface ParsedAddress {
  /** What the link is made of. */
  readonly scheme: Scheme;
  /** Host without brackets, may be empty for "all"; for `inproc` the whole location. */
  readonly host: string;
  /** Port, if one was said. */
  readonly port: number | undefined;
}

/** An address as Dask's `parse_address` splits it, whatever the scheme. */
export interface SplitAddress {
  /** Before the last `://`, or the default. */
  readonly scheme: string;
  /** After it. */
  readonly location: string;
}

/**
 * Splits at the last `://`. Source: `parse_address`.
 *
 * @param options `defaultScheme` is used if there is none, default `"tcp"`; `strict` refuses that.
 * @throws {AddressError} If `strict` and there is no scheme.
 */
export function splitAddress(
  address: string,
  options: { readonly strict?: boolean; readonly defaultScheme?: string } = {},
): SplitAddress {
  const at = address.lastIndexOf("://");
  if (at >= 0) return { scheme: address.slice(0, at), location: address.slice(at + 3) };
  if (options.strict === true) {
    throw new AddressError(
      address,
      `Invalid address "${address}": it must begin with a protocol, such as "tls://localhost:8786"`,
    );
  }
  return { scheme: options.defaultScheme ?? "tcp", location: address };
}

/** Adds the scheme if there is none; nothing else is changed. Source: `normalize_address`. */
export function normalizeAddress(address: string, defaultScheme = "tcp"): Address {
  const { scheme, location } = splitAddress(address, { defaultScheme });
  return `${scheme}://${location}` as Address;
}

/**
 * Reads an address completely.
 *
 * @param defaultScheme Used if the address has none.
 * @throws {AddressError} If the scheme is not one of {@linkcode Scheme}, or host or port can't be read.
 */
export function parseAddress(address: string, defaultScheme = "tcp"): ParsedAddress {
  const { scheme, location } = splitAddress(address, { defaultScheme });
  checkScheme(address, scheme);
  if (scheme === "inproc") return { scheme, host: location, port: undefined };
  const { host, port } = hostAndPort(location);
  return { scheme, host, port: port === undefined ? undefined : checkPort(address, port) };
}

/** Writes an address. IPv6 hosts get their brackets. */
export function formatAddress(scheme: Scheme, host: string, port?: number): Address {
  return `${scheme}://${formatHostPort(host, port)}` as Address;
}

/**
 * Reads `host:port`, `[ipv6]:port`, or only a host. The port is not checked for its range. Source:
 * `parse_host_port`.
 *
 * @throws {AddressError} If it can't be read, or has no port and there is no default.
 */
export function parseHostPort(
  address: string,
  defaultPort?: number,
): { readonly host: string; readonly port: number } {
  const { host, port } = hostAndPort(splitAddress(address).location);
  const known = port ?? defaultPort;
  if (known === undefined) {
    throw new AddressError(address, `Invalid address "${address}": the port is missing`);
  }
  return { host, port: known };
}

/** Writes `host:port`, or only the host. Source: `unparse_host_port`. */
export function formatHostPort(host: string, port?: number): string {
  const bracketed = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return port === undefined ? bracketed : `${bracketed}:${port}`;
}

/**
 * Host and port of a `tcp` or `tls` address. Source: `get_address_host_port`.
 *
 * @throws {AddressError} For `inproc`, and for what can't be read.
 */
export function addressHostPort(address: string): { readonly host: string; readonly port: number } {
  const { scheme, host, port } = parseAddress(address);
  if (scheme === "inproc") {
    throw new AddressError(address, `Cannot tell host and port of "${address}": an inproc address has none`);
  }
  return { host, port: port ?? DEFAULT_PORT };
}

/** Host of an address; for `inproc` the host that is part of its name. Source: `get_address_host`. */
export function addressHost(address: string): string {
  const { scheme, host } = parseAddress(address);
  return scheme === "inproc" ? host.split("/", 1)[0] ?? "" : host;
}

/** Whether a host means "all interfaces" to a listener. */
export function isWildcard(host: string): boolean {
  return host === "" || host === "0.0.0.0" || host === "::";
}

/** What a user may say about where to listen. */
export interface ListenArguments {
  /** Host, host with port, or a whole address. */
  readonly host?: string | undefined;
  /** Port; 0 for any. */
  readonly port?: number | undefined;
  /** `"tcp"`, `"tls"` or `"inproc"`, with or without `://`; wins over the scheme of `host`. */
  readonly protocol?: string | undefined;
  /** Port if neither `host` nor `port` says one. Default 0: any. */
  readonly defaultPort?: number | undefined;
}

/**
 * The address to listen on. Source: `address_from_user_args`; unlike there, nothing given is not `""` but the
 * default scheme on all interfaces.
 *
 * @throws {AddressError} If the port is said twice and differs, or the result can't be read.
 */
export function listenAddress(options: ListenArguments): Address {
  const protocol = options.protocol?.replace(/:\/\/$/, "");
  const { host = "", port, defaultPort = 0 } = options;
  const { scheme, location } = splitAddress(host);
  const wanted = protocol ?? scheme;
  checkScheme(host === "" ? `${wanted}://` : host, wanted);
  if (wanted === "inproc") {
    if (location !== "" || port !== undefined) {
      throw new AddressError(
        host,
        `Cannot listen on inproc with a host or a port: its addresses are made up`,
      );
    }
    return "inproc://" as Address;
  }
  const said = hostAndPort(location);
  if (said.port !== undefined && said.port !== 0 && port !== undefined && port !== 0 && port !== said.port) {
    throw new AddressError(host, `Port number given twice in options: host "${host}" and port ${port}`);
  }
  const chosen = said.port ?? port ?? defaultPort;
  return formatAddress(wanted, said.host, checkPort(formatHostPort(said.host, chosen), chosen));
}

function checkScheme(address: string, scheme: string): asserts scheme is Scheme {
  if ((SCHEMES as readonly string[]).includes(scheme)) return;
  const known = SCHEMES.map((name) => `${name}://`).join(", ");
  throw new AddressError(
    address,
    Object.hasOwn(FOREIGN, scheme)
      ? `Cannot use "${address}": ${FOREIGN[scheme]} (${scheme}://) are not supported (supported: ${known})`
      : `Cannot use "${address}": unknown address scheme "${scheme}" (known: ${known})`,
  );
}

function checkPort(address: string, port: number): number {
  if (port > 65535) {
    throw new AddressError(address, `Invalid address "${address}": port ${port} is not between 0 and 65535`);
  }
  return port;
}

function hostAndPort(location: string): { host: string; port: number | undefined } {
  let host: string;
  let tail: string | undefined;
  if (location.startsWith("[")) {
    const end = location.indexOf("]");
    const rest = location.slice(end + 1);
    if (end < 0 || (rest !== "" && !rest.startsWith(":"))) throw needsBrackets(location);
    host = location.slice(1, end);
    tail = rest === "" ? undefined : rest.slice(1);
  } else {
    const colon = location.lastIndexOf(":");
    host = colon < 0 ? location : location.slice(0, colon);
    if (host.includes(":")) throw needsBrackets(location);
    tail = colon < 0 ? undefined : location.slice(colon + 1);
  }
  if (tail === undefined) return { host, port: undefined };
  if (!/^\d+$/.test(tail)) {
    throw new AddressError(location, `Invalid address "${location}": port "${tail}" is not a number`);
  }
  return { host, port: Number(tail) };
}

function needsBrackets(location: string): AddressError {
  return new AddressError(
    location,
    `Invalid address "${location}": maybe an IPv6 address that needs brackets, such as [::1]`,
  );
}
