/**
 * Parts of addresses as state machines need them. What may be listened on and dialled is judged in
 * `comm/address.ts`.
 *
 * @module
 */

/** `"10.0.0.7"` of `"tls://10.0.0.7:8786"`, `"::1"` of `"tls://[::1]:8786"`. */
export function hostOf(address: string): string {
  const location = withoutScheme(address);
  if (location.startsWith("[")) {
    const end = location.indexOf("]");
    return end < 0 ? location : location.slice(1, end);
  }
  const colon = location.lastIndexOf(":");
  return colon < 0 ? location : location.slice(0, colon);
}

/** `"10.0.0.7:8786"` of `"tls://10.0.0.7:8786"`. */
export function withoutScheme(address: string): string {
  const separator = address.indexOf("://");
  return separator < 0 ? address : address.slice(separator + 3);
}
