/**
 * A CA that lives as long as somebody holds it, and pairs that it signs.
 *
 * @module
 */

import { type Issuer, keyPem, makeCertificate, makeKeys } from "./issue.ts";

/** Other machines' clocks may be a little behind. */
const CLOCK_SKEW_MS = 5 * 60_000;

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
  readonly #issuer: Issuer;
  readonly #validity: { readonly validFrom: Date; readonly validTo: Date };

  private constructor(cert: string, issuer: Issuer, validity: { validFrom: Date; validTo: Date }) {
    this.cert = cert;
    this.#issuer = issuer;
    this.#validity = validity;
  }

  /** A new CA; it and all that it signs hold for `days`. */
  static async make(name: NameAttributes, days: number): Promise<Authority> {
    const keys = await makeKeys();
    const issuer: Issuer = { name, keys };
    const now = Date.now();
    const validity = {
      validFrom: new Date(now - CLOCK_SKEW_MS),
      validTo: new Date(now + days * 86_400_000),
    };
    const cert = await makeCertificate({
      ...validity,
      subject: name,
      publicKey: keys.publicKey,
      issuer,
      ca: true,
    });
    return new Authority(cert, issuer, validity);
  }

  /** Its private key, PEM. */
  async key(): Promise<string> {
    return await keyPem(this.#issuer.keys);
  }

  /** A new pair for `subject`. */
  async issue(subject: NameAttributes, dnsNames: readonly string[] = []): Promise<Pair> {
    const keys = await makeKeys();
    const cert = await makeCertificate({
      ...this.#validity,
      subject,
      publicKey: keys.publicKey,
      issuer: this.#issuer,
      dnsNames,
    });
    return { cert, key: await keyPem(keys) };
  }
}
