/**
 * A CA, and pairs that it signs: a CA in memory, or one from files.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { DerReader, Tag } from "../x509/der.ts";
import { SecurityError } from "./errors.ts";
import {
  type CertificateContent,
  type Issuer,
  keyIdOf,
  keyPem,
  makeCertificate,
  makeKeys,
  pem,
} from "../x509/issue.ts";
import { keyBelongsTo, normalKey } from "./keys.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { extensionList } from "../x509/extensions.ts";

/** Other machines' clocks may be a little behind. */
const CLOCK_SKEW_MS = 5 * 60_000;
const DAY_MS = 86_400_000;
const SUBJECT_KEY_IDENTIFIER = "2.5.29.14";

/** Attributes of a name, the least specific first. */
export type NameAttributes = readonly (readonly [type: "O" | "OU" | "CN", value: string])[];

/** A certificate and its private key, PEM. */
export interface Pair {
  /** Certificate. */
  readonly cert: string;
  /** Private key, PKCS#8. */
  readonly key: string;
}

/** Signs pairs. */
export class Authority {
  /** Its own certificate, PEM. */
  readonly cert: string;
  /** Until when its pairs hold. */
  readonly validTo: Date;
  readonly #issuer: Issuer;
  readonly #validFrom: Date;

  private constructor(cert: string, issuer: Issuer, validFrom: Date, validTo: Date) {
    this.cert = cert;
    this.validTo = validTo;
    this.#issuer = issuer;
    this.#validFrom = validFrom;
  }

  /** A new CA; it and all that it signs hold for `days`. */
  static async make(name: NameAttributes, days: number): Promise<Authority> {
    const keys = await makeKeys();
    const issuer: Issuer = { name, keys };
    const now = Date.now();
    const [validFrom, validTo] = [new Date(now - CLOCK_SKEW_MS), new Date(now + days * DAY_MS)];
    const content = { validFrom, validTo, subject: name, publicKey: keys.publicKey, issuer, ca: true };
    return new Authority(await makeCertificate(content), issuer, validFrom, validTo);
  }

  /**
   * A CA that is there already. What it signs holds for `days`, but not longer than it does.
   *
   * @param cert Its certificate, PEM.
   * @param key Its private key, PEM: EC P-256.
   * @throws {SecurityError} If they can't be used.
   */
  static async load(cert: string, key: string, days: number): Promise<Authority> {
    const certificate = readCa(cert, key);
    const now = Date.now();
    if (certificate.validTo.getTime() <= now) {
      throw new SecurityError(`The CA has expired on ${certificate.validTo.toISOString()}: make a new one`);
    }
    const issuer: Issuer = {
      name: subjectOf(certificate),
      keys: await caKeys(certificate, normalKey(key, "The CA's key file")),
      keyId: await caKeyId(certificate),
    };
    const validFrom = new Date(Math.max(now - CLOCK_SKEW_MS, certificate.validFrom.getTime()));
    const validTo = new Date(Math.min(now + days * DAY_MS, certificate.validTo.getTime()));
    return new Authority(pem("CERTIFICATE", certificate.raw), issuer, validFrom, validTo);
  }

  /** Its private key, PEM. */
  async key(): Promise<string> {
    return await keyPem(this.#issuer.keys);
  }

  /** A new pair for `subject`. */
  async issue(
    subject: NameAttributes,
    names: Pick<CertificateContent, "dnsNames" | "uris"> = {},
  ): Promise<Pair> {
    const keys = await makeKeys();
    const cert = await makeCertificate({
      ...names,
      validFrom: this.#validFrom,
      validTo: this.validTo,
      subject,
      publicKey: keys.publicKey,
      issuer: this.#issuer,
    });
    return { cert, key: await keyPem(keys) };
  }
}

/** The certificate that `key` belongs to: while a CA is changed, a file holds two. */
function readCa(text: string, key: string): Certificate {
  let all: Certificate[];
  try {
    all = [...text.matchAll(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g)].map(([one]) =>
      parseCertificate(one)
    );
  } catch (cause) {
    throw new SecurityError("The CA's certificate can't be read: it must be PEM text", { cause });
  }
  const normal = normalKey(key, "The CA's key file");
  const certificate = all.find((one) => keyBelongsTo(normal, one));
  if (certificate === undefined) throw new SecurityError("The CA's key does not belong to its certificate");
  const { isCa, signsCertificates } = certificate.extensions;
  if (!isCa || !signsCertificates) {
    throw new SecurityError("The CA's certificate may not sign others (CA:FALSE)");
  }
  return certificate;
}

async function caKeys(certificate: Certificate, key: string): Promise<CryptoKeyPair> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const base64 = key.replaceAll(/-----[A-Z ]+-----|\s/g, "");
  try {
    return {
      privateKey: await crypto.subtle.importKey("pkcs8", Uint8Array.fromBase64(base64), algorithm, true, [
        "sign",
      ]),
      publicKey: await crypto.subtle.importKey("spki", publicKeyOf(certificate), algorithm, true, ["verify"]),
    };
  } catch {
    // The cause might quote the key.
    throw new SecurityError(
      "The CA's key is not an EC P-256 one, as this command makes: sign with the program that made the CA, such as openssl",
    );
  }
}

function publicKeyOf(certificate: Certificate): Uint8Array<ArrayBuffer> {
  const { publicKey } = new X509Certificate(certificate.raw);
  return Uint8Array.from(publicKey.export({ type: "spki", format: "der" }));
}

/** The subject as it is written there: a certificate must name its issuer byte for byte. */
function subjectOf({ raw }: Certificate): Uint8Array {
  const body = new DerReader(raw).enter(Tag.sequence).enter(Tag.sequence);
  body.next(Tag.context);
  body.next(Tag.integer);
  for (let skipped = 0; skipped < 3; skipped++) body.next(Tag.sequence); // algorithm, issuer, validity
  return body.next(Tag.sequence).whole;
}

async function caKeyId(certificate: Certificate): Promise<Uint8Array> {
  const body = new DerReader(certificate.raw).enter(Tag.sequence).enter(Tag.sequence);
  while (!body.done && body.peek() !== (Tag.context | 3)) body.next();
  const all = body.done ? [] : extensionList(body.enter(Tag.context | 3).enter(Tag.sequence));
  const own = all.find(({ oid }) => oid === SUBJECT_KEY_IDENTIFIER);
  return own === undefined
    ? await keyIdOf(publicKeyOf(certificate))
    : new DerReader(own.value).next(Tag.octetString).content;
}
