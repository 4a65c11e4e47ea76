/**
 * Parts of addresses, for state machines. `comm/address.ts` checks addresses for listening and dialling.
 *
 * @module
 */

/**
 * Returns the host of an address: `"10.0.0.7"` of `"tls://10.0.0.7:8786"`, `"::1"` of `"tls://[::1]:8786"`.
 */
export function hostOf(address: string): string {
  const location = withoutScheme(address);
  if (location.startsWith("[")) {
    const end = location.indexOf("]");
    return end < 0 ? location : location.slice(1, end);
  }
  const colon = location.lastIndexOf(":");
  return colon < 0 ? location : location.slice(0, colon);
}

/** Returns an address without its scheme: `"10.0.0.7:8786"` of `"tls://10.0.0.7:8786"`. */
export function withoutScheme(address: string): string {
  const separator = address.indexOf("://");
  return separator < 0 ? address : address.slice(separator + 3);
}
