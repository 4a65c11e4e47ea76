/**
 * The allowed cipher suites. Deno's TLS layer ignores `ciphers`, so they are compared after the handshake and before
 * the first byte.
 *
 * @module
 */

import { SecurityError } from "./errors.ts";

/** Suites that Deno can negotiate, by OpenSSL's names, in its order of preference. */
export const DENO_SUITES: readonly string[] = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_AES_128_GCM_SHA256",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-RSA-CHACHA20-POLY1305",
];

/** Two or more parts of capitals and digits: a suite. Keywords such as `HIGH` have one. */
const SUITE = /^[A-Z0-9]+(?:[-_][A-Z0-9]+)+$/;

/**
 * Reads a list of suites such as `ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384`.
 *
 * @throws {SecurityError} If it is one of OpenSSL's expressions (`HIGH:!aNULL`, `ECDHE+AESGCM`), or if Deno can
 * negotiate none of the suites.
 */
export function parseCiphers(text: string): ReadonlySet<string> {
  const names = text.split(":").filter((name) => name !== "");
  for (const name of names) {
    if (!SUITE.test(name)) {
      throw new SecurityError(
        `"tlsCiphers" has "${name}", which is not the name of a suite: expressions of OpenSSL are not supported, ` +
          `list the suites with colons between, such as "${DENO_SUITES[6]}:${DENO_SUITES[3]}"`,
      );
    }
  }
  if (!names.some((name) => DENO_SUITES.includes(name))) {
    throw new SecurityError(
      `"tlsCiphers" "${text}" has no suite that Deno can negotiate: it has ${DENO_SUITES.join(", ")}`,
    );
  }
  return new Set(names);
}

/**
 * Whether a negotiated suite is allowed. As in OpenSSL a list without TLS 1.3 suites (`TLS_…`) leaves all of those
 * allowed.
 */
export function cipherAllowed(allowed: ReadonlySet<string> | undefined, negotiated: string): boolean {
  if (allowed === undefined || allowed.has(negotiated)) return true;
  if (!negotiated.startsWith("TLS_")) return false;
  for (const name of allowed) if (name.startsWith("TLS_")) return false;
  return true;
}
