/**
 * Certificates for tests, made when a test runs: good ones and every kind of bad one.
 *
 * @module
 */

import { der, derOid, DerReader, Tag } from "../../security/x509/der.ts";
import {
  type CertificateContent,
  type KeyPair,
  keyPem,
  makeCertificate,
  makeKeys,
  makeRevocationList,
  pem,
} from "../../security/x509/issue.ts";
import type { Security } from "../../security/security.ts";
import { parseCertificate } from "../../security/x509/certificate.ts";

/** A certificate and its key, PEM. */
export interface TestPair {
  /** Certificate. */
  readonly cert: string;
  /** Private key, PKCS#8. */
  readonly key: string;
}

/** What a test may want otherwise than usual. */
export type TestCertificateOptions = Partial<
  Pick<
    CertificateContent,
    "validFrom" | "validTo" | "version" | "usages" | "ca" | "dnsNames" | "uris" | "subject"
  >
>;

const DAY_MS = 86_400_000;

/** A certificate authority with a mind to issue anything. */
export class TestCa {
  /** Its own certificate. */
  readonly pem: string;
  readonly #name: string;
  readonly #keys: KeyPair;

  private constructor(name: string, keys: KeyPair, pem: string) {
    this.#name = name;
    this.#keys = keys;
    this.pem = pem;
  }

  /** Makes one. */
  static async make(name = "test-ca", options: TestCertificateOptions = {}): Promise<TestCa> {
    const keys = await makeKeys();
    const subject = [["CN", name]] as const;
    const cert = await makeCertificate({
      ...inForce(),
      ...options,
      subject,
      publicKey: keys.publicKey,
      issuer: { name: subject, keys },
      ca: true,
    });
    return new TestCa(name, keys, cert);
  }

  /** A pair for `name`, such as a role. */
  async issue(name: string, options: TestCertificateOptions = {}): Promise<TestPair> {
    const keys = await makeKeys();
    const cert = await makeCertificate({
      ...inForce(),
      subject: [["O", "test"], ["CN", name]],
      ...options,
      publicKey: keys.publicKey,
      issuer: { name: [["CN", this.#name]], keys: this.#keys },
    });
    return { cert, key: await keyPem(keys) };
  }

  /** A CA below this one, and its certificate. */
  async intermediate(name: string, options: TestCertificateOptions = {}): Promise<TestCa> {
    const keys = await makeKeys();
    const cert = await makeCertificate({
      ...inForce(),
      ca: true,
      ...options,
      subject: [["CN", name]],
      publicKey: keys.publicKey,
      issuer: { name: [["CN", this.#name]], keys: this.#keys },
    });
    return new TestCa(name, keys, cert);
  }

  /** A revocation list of the certificates `revoked` (PEM), DER. */
  async crl(
    revoked: readonly string[],
    options: { readonly thisUpdate?: Date; readonly nextUpdate?: Date } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    return await makeRevocationList({
      issuer: { name: [["CN", this.#name]], keys: this.#keys },
      thisUpdate: new Date(Date.now() - 60_000),
      nextUpdate: new Date(Date.now() + 30 * DAY_MS),
      serials: revoked.map((cert) => parseCertificate(cert).serial),
      ...options,
    });
  }

  /** A record in which this CA is trusted and every role shows `pair`; fresh pairs per role without. */
  async security(pair?: TestPair): Promise<Security> {
    const of = async (role: string): Promise<TestPair> => pair ?? await this.issue(role);
    const [client, scheduler, worker] = [await of("client"), await of("scheduler"), await of("worker")];
    return {
      tlsCaFile: this.pem,
      tlsClientCert: client.cert,
      tlsClientKey: client.key,
      tlsSchedulerCert: scheduler.cert,
      tlsSchedulerKey: scheduler.key,
      tlsWorkerCert: worker.cert,
      tlsWorkerKey: worker.key,
    };
  }
}

/** Options of a certificate that ended yesterday. */
export function expired(): TestCertificateOptions {
  return { validFrom: new Date(Date.now() - 30 * DAY_MS), validTo: new Date(Date.now() - DAY_MS) };
}

/** Options of a certificate that begins tomorrow. */
export function notYetValid(): TestCertificateOptions {
  return { validFrom: new Date(Date.now() + DAY_MS), validTo: new Date(Date.now() + 30 * DAY_MS) };
}

/**
 * A key file for somebody who holds only the public certificate `victim`: the victim's public point beside a
 * scalar of their own. OpenSSL's check that key and certificate belong together compares the points, so
 * `openssl s_server` takes it; what it signs is wrong. SEC 1 PEM.
 */
export async function forgedKey(victim: string): Promise<string> {
  const own = await crypto.subtle.exportKey("jwk", (await makeKeys()).privateKey);
  const scalar = Uint8Array.fromBase64(own.d ?? "", { alphabet: "base64url" });
  return pem(
    "EC PRIVATE KEY",
    der(
      Tag.sequence,
      der(Tag.integer, Uint8Array.of(1)),
      der(Tag.octetString, scalar),
      der(Tag.context, derOid("1.2.840.10045.3.1.7")),
      der(Tag.context | 1, der(Tag.bitString, publicPoint(victim))),
    ),
  );
}

/** Content of the public key's bit string: `unused bits | point`. */
function publicPoint(certificate: string): Uint8Array {
  const tbs = new DerReader(parseCertificate(certificate).raw).enter(Tag.sequence).enter(Tag.sequence);
  if (tbs.peek() === Tag.context) tbs.next();
  // serial, algorithm, issuer, validity, subject
  for (let i = 0; i < 5; i++) tbs.next();
  const publicKey = tbs.enter(Tag.sequence);
  publicKey.next(Tag.sequence);
  return publicKey.next(Tag.bitString).content;
}

function inForce(): { validFrom: Date; validTo: Date } {
  return { validFrom: new Date(Date.now() - 60_000), validTo: new Date(Date.now() + 30 * DAY_MS) };
}
