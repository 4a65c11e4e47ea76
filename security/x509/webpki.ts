/**
 * Asks Deno's own reader of certificates (rustls' webpki) whether it can read one. Where it can't, Deno's
 * client skips the proof of the key (decision 0018). `strict_der.ts` should have refused such a one already:
 * this is the second lock, which knows webpki as it is in the Deno that runs.
 *
 * The question is put by making an HTTP client that would show the certificate, with a key that is not its
 * own: webpki reads the certificate before it compares the keys. Nothing is connected, and no permission is
 * needed.
 *
 * @module
 */

import { generateKeyPairSync } from "node:crypto";
import { pem } from "./issue.ts";
import type { Certificate } from "./certificate.ts";

type Readable = Pick<Certificate, "raw">;

/** What is said of a certificate that can be read: that the key is another one. */
let expected: string | undefined;
let strangerKey: string | undefined;

/**
 * Whether webpki reads `certificate`.
 *
 * @param good One that it reads for sure: what is said of it is what must be said. Nothing has to be known
 * about words.
 */
export function isReadable(certificate: Readable, good: Readable): boolean {
  expected ??= webpkiSays(good);
  return webpkiSays(certificate) === expected;
}

/**
 * Whether it can be asked at all: what is said of `good` differs from what is said of a certificate that it
 * can't read. It does not where Deno can't make a client for another reason, such as a `DENO_CERT` that is
 * not there.
 */
export function canAsk(good: Readable): boolean {
  return webpkiSays(good) !== webpkiSays({ raw: Uint8Array.from([...good.raw, 0]) });
}

/** What webpki says of a certificate. Words may be others in another Deno. */
export function webpkiSays({ raw }: Readable): string {
  strangerKey ??= generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
    .export({ type: "pkcs8", format: "pem" }).toString();
  try {
    Deno.createHttpClient({ cert: pem("CERTIFICATE", raw), key: strangerKey }).close();
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
