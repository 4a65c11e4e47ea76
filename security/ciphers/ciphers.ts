/**
 * The allowed cipher suites. Deno's TLS layer ignores `ciphers`, so they are compared after the handshake and
 * before the first byte.
 *
 * @module
 */

import { type CipherString, expandCipherString } from "./cipher_string.ts";
import { SecurityError } from "../material/errors.ts";

/** A TLS version that links may have. */
export type TlsVersion = "1.2" | "1.3";

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

const VERSIONS = ["1.2", "1.3"] as const;

/**
 * The suites that an OpenSSL cipher string allows, of those that Deno can negotiate: for TLS 1.2 what it
 * means to OpenSSL; for TLS 1.3 all, unless it names some.
 *
 * @throws {SecurityError} If OpenSSL could not read the string, or if it fits nothing that Deno can negotiate
 * within the range of versions.
 */
export function parseCiphers(
  text: string,
  min: TlsVersion = "1.2",
  max: TlsVersion = "1.3",
): ReadonlySet<string> {
  const { tls12, tls13, namesTls13, unknown } = expanded(text);
  const meant = namesTls13 || tls12.size > 0;
  const usable = [...max === "1.3" ? tls13 : [], ...min === "1.2" ? tls12 : []];
  if (!meant || usable.length === 0) {
    const hint = unknown.length === 0 ? "" : ` (${unknown.map((word) => `"${word}"`).join(", ")}: unknown)`;
    throw new SecurityError(
      `"tlsCiphers" "${text}" has no suite that Deno can negotiate${range(min, max)}${hint}: it has ${
        DENO_SUITES.filter((name) => isTls13(name) ? max === "1.3" : min === "1.2").join(", ")
      }`,
    );
  }
  return new Set([...tls13, ...tls12]);
}

/**
 * Words of a cipher string that OpenSSL would pass over, because it does not know them: typing errors, most
 * likely.
 */
export function unknownCipherWords(text: string): readonly string[] {
  return expanded(text).unknown;
}

/** Whether a negotiated suite is allowed. */
export function cipherAllowed(allowed: ReadonlySet<string> | undefined, negotiated: string): boolean {
  return allowed === undefined || allowed.has(negotiated);
}

/** What a listener's suites are compared with. */
export interface ListenerCiphers {
  /** Allowed suites; absent: all. */
  readonly ciphers: ReadonlySet<string> | undefined;
  /** Lowest TLS version. */
  readonly minVersion: TlsVersion;
  /** Highest TLS version. */
  readonly maxVersion: TlsVersion;
  /** Whether the listener's own key is an RSA one, which decides about the suites of TLS 1.2. */
  readonly rsa: boolean;
}

/**
 * Refuses a listener that no peer could link with: a dialler that prefers what Deno prefers, as all roles of
 * this package do, negotiates a suite that is not allowed, in every version.
 *
 * @throws {SecurityError} Says what is negotiated.
 */
export function checkListenerCiphers(listener: ListenerCiphers): void {
  if (listener.ciphers === undefined) return;
  const preferred = preferences(listener);
  if (preferred.some((name) => cipherAllowed(listener.ciphers, name))) return;
  throw new SecurityError(
    `"tlsCiphers" allows none of the suites that peers of this listener negotiate (${
      preferred.join(", ")
    }): Deno ` +
      "can't be told to prefer another, so add one of these",
  );
}

/** The suite that two roles with the same options negotiate, if `ciphers` forbid it. */
export function forbiddenPreference(listener: ListenerCiphers): string | undefined {
  const [best] = preferences(listener);
  return best === undefined || cipherAllowed(listener.ciphers, best) ? undefined : best;
}

/** What is negotiated between two Denos, in the best version first. */
function preferences({ minVersion, maxVersion, rsa }: ListenerCiphers): readonly string[] {
  return VERSIONS.filter((version) => version >= minVersion && version <= maxVersion).reverse()
    .map((version) =>
      version === "1.3" ? "TLS_AES_256_GCM_SHA384" : `ECDHE-${rsa ? "RSA" : "ECDSA"}-AES256-GCM-SHA384`
    );
}

function expanded(text: string): CipherString {
  try {
    return expandCipherString(text);
  } catch (cause) {
    const part = cause instanceof Error ? cause.message : String(cause);
    throw new SecurityError(
      `"tlsCiphers" "${text}" can't be read from "${part}" on: it must be a cipher string of OpenSSL, such as ` +
        '"HIGH:!aNULL" or names of suites with colons between',
    );
  }
}

function isTls13(name: string): boolean {
  return name.startsWith("TLS_");
}

function range(min: TlsVersion, max: TlsVersion): string {
  return min === max ? ` with TLS ${min} alone` : "";
}
