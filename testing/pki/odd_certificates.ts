/**
 * Certificates of any shape, part by part: what `security/x509/issue.ts` would not write.
 *
 * @module
 */

import { der, derBitString, derOid, DerReader, Tag } from "../../security/x509/der.ts";
import {
  derExtension,
  derName,
  derTime,
  type KeyPair,
  keyPem,
  makeKeys,
  pem,
} from "../../security/x509/issue.ts";
import type { Security } from "../../security/security.ts";
import { type Claim, signer } from "../raw_tls/raw_tls.ts";

/** Parts of a certificate, each DER. What is left out is as it should be. */
export interface OddParts {
  /** `[0]` with the version; `null`: none, which is v1. */
  readonly version?: Uint8Array | null;
  /** Serial number. */
  readonly serial?: Uint8Array;
  /** Signature algorithm inside. */
  readonly algorithm?: Uint8Array;
  /** Name of the issuer. */
  readonly issuer?: Uint8Array;
  /** Its two times. */
  readonly validity?: Uint8Array;
  /** Whom it names. */
  readonly subject?: Uint8Array;
  /** Key. */
  readonly publicKey?: Uint8Array;
  /** What stands between the key and the extensions. */
  readonly behindKey?: Uint8Array;
  /** Extensions; `null`: none. */
  readonly extensions?: readonly Uint8Array[] | null;
  /** `[3]` with the extensions, in place of `extensions`. */
  readonly extensionsField?: Uint8Array;
  /** What stands behind the extensions. */
  readonly behindExtensions?: Uint8Array;
  /** Signature algorithm outside. */
  readonly outerAlgorithm?: Uint8Array;
}

const NONE = new Uint8Array();
const DAY_MS = 86_400_000;
const encoder = new TextEncoder();

/** ECDSA with SHA-256. */
export const ECDSA_SHA256: Uint8Array = der(Tag.sequence, derOid("1.2.840.10045.4.3.2"));
/** Object identifiers of two usages. */
export const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
/** See {@linkcode SERVER_AUTH}. */
export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
/** `NULL`: two bytes that fit anywhere, and belong nowhere. */
export const NULL: Uint8Array = Uint8Array.of(5, 0);

/** Basic constraints. */
export function basicConstraints(ca: boolean, pathLength?: number): Uint8Array {
  const parts = [
    ...ca ? [der(Tag.boolean, Uint8Array.of(0xff))] : [],
    ...pathLength === undefined ? [] : [der(Tag.integer, Uint8Array.of(pathLength))],
  ];
  return derExtension("2.5.29.19", true, der(Tag.sequence, ...parts));
}

/** Key usage: its one byte, and how many bits of it are unused. */
export function keyUsage(bits: number, unused: number): Uint8Array {
  return derExtension("2.5.29.15", true, derBitString(unused, Uint8Array.of(bits)));
}

/** Extended key usage. */
export function extendedKeyUsage(...oids: readonly string[]): Uint8Array {
  return derExtension("2.5.29.37", false, der(Tag.sequence, ...oids.map(derOid)));
}

/** One name of an alternative name or a constraint, by its tag. */
export function generalName(tag: number, content: string | Uint8Array): Uint8Array {
  return der(tag, typeof content === "string" ? encoder.encode(content) : content);
}

/** Subject alternative names. */
export function alternativeNames(...names: readonly Uint8Array[]): Uint8Array {
  return derExtension("2.5.29.17", false, der(Tag.sequence, ...names));
}

/** Name constraints. */
export function nameConstraints(
  permitted: readonly Uint8Array[],
  excluded: readonly Uint8Array[] = [],
): Uint8Array {
  const subtrees = (tag: number, bases: readonly Uint8Array[]): Uint8Array[] =>
    bases.length === 0 ? [] : [der(tag, ...bases.map((base) => der(Tag.sequence, base)))];
  return derExtension(
    "2.5.29.30",
    true,
    der(Tag.sequence, ...subtrees(Tag.context, permitted), ...subtrees(Tag.context | 1, excluded)),
  );
}

/** Extensions of a role's certificate. */
export function leafExtensions(): Uint8Array[] {
  return [basicConstraints(false), keyUsage(0x80, 7), extendedKeyUsage(SERVER_AUTH, CLIENT_AUTH)];
}

/** Extensions of a CA. */
export function caExtensions(pathLength?: number): Uint8Array[] {
  return [basicConstraints(true, pathLength), keyUsage(0x06, 1)];
}

/** Two times, so many days from now. */
export function validity(from = -1, to = 30): Uint8Array<ArrayBuffer> {
  const at = (days: number) => derTime(new Date(Date.now() + days * DAY_MS));
  return der(Tag.sequence, at(from), at(to));
}

/** The key as certificates have it. */
export async function publicKeyOf({ publicKey }: KeyPair): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
}

/** A certificate and its keys. */
export interface OddPair {
  /** DER. */
  readonly cert: Uint8Array<ArrayBuffer>;
  /** Keys. */
  readonly keys: KeyPair;
}

/** Somebody who signs. */
export class OddCa implements OddPair {
  /** Its own certificate. */
  readonly cert: Uint8Array<ArrayBuffer>;
  readonly keys: KeyPair;
  /** Its name, DER. */
  readonly name: Uint8Array;

  /** Of what is there: another name, say, for a key that has one. */
  constructor(cert: Uint8Array<ArrayBuffer>, keys: KeyPair, name: Uint8Array) {
    this.cert = cert;
    this.keys = keys;
    this.name = name;
  }

  /** A root. */
  static async make(name: string, parts: OddParts = {}): Promise<OddCa> {
    const keys = await makeKeys();
    const self = new OddCa(new Uint8Array(), keys, commonName(name));
    return new OddCa(
      await self.sign({ extensions: caExtensions(), ...parts, subject: self.name }, keys),
      keys,
      self.name,
    );
  }

  /** A certificate for `keys`, signed over whatever it says. */
  async sign(parts: OddParts, keys: KeyPair): Promise<Uint8Array<ArrayBuffer>> {
    const { extensions = leafExtensions(), algorithm = ECDSA_SHA256 } = parts;
    const body = der(
      Tag.sequence,
      parts.version === null ? NONE : parts.version ?? der(Tag.context, der(Tag.integer, Uint8Array.of(2))),
      parts.serial ?? der(Tag.integer, Uint8Array.of(0x40), crypto.getRandomValues(new Uint8Array(8))),
      algorithm,
      parts.issuer ?? this.name,
      parts.validity ?? validity(),
      parts.subject ?? commonName("scheduler"),
      parts.publicKey ?? await publicKeyOf(keys),
      parts.behindKey ?? NONE,
      parts.extensionsField ??
        (extensions === null ? NONE : der(Tag.context | 3, der(Tag.sequence, ...extensions))),
      parts.behindExtensions ?? NONE,
    );
    const signature = await signer(this.keys)(body);
    return der(Tag.sequence, body, parts.outerAlgorithm ?? algorithm, derBitString(0, signature));
  }

  /** A certificate for fresh keys. */
  async issue(parts: OddParts = {}): Promise<OddPair> {
    const keys = await makeKeys();
    return { cert: await this.sign(parts, keys), keys };
  }

  /** A CA below this one. */
  async intermediate(name: string, parts: OddParts = {}): Promise<OddCa> {
    const [keys, subject] = [await makeKeys(), commonName(name)];
    return new OddCa(await this.sign({ extensions: caExtensions(), ...parts, subject }, keys), keys, subject);
  }

  /** A record in which this CA is trusted, and one good pair plays all roles. */
  async security(): Promise<Security> {
    const { cert, keys } = await this.issue({ subject: commonName("own") });
    const [text, key] = [certificatePem(cert), await keyPem(keys)];
    return {
      tlsCaFile: certificatePem(this.cert),
      tlsClientCert: text,
      tlsClientKey: key,
      tlsSchedulerCert: text,
      tlsSchedulerKey: key,
    };
  }
}

/** A name with nothing but a common name. */
export function commonName(name: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(derName([["CN", name]]));
}

/** A common name as a PrintableString: to us the same name, to who compares bytes another one. */
export function printableName(name: string): Uint8Array<ArrayBuffer> {
  const attribute = der(Tag.sequence, derOid("2.5.4.3"), der(0x13, encoder.encode(name)));
  return der(Tag.sequence, der(Tag.set, attribute));
}

/** PEM. */
export function certificatePem(cert: Uint8Array): string {
  return pem("CERTIFICATE", cert);
}

/** Shows a chain, with the key of its first certificate or without. */
export function claim(chain: readonly Uint8Array[], keys?: KeyPair): Claim {
  return keys === undefined ? { chain } : { chain, sign: signer(keys) };
}

/** The three parts of a certificate, each DER. */
export function certificateParts(
  cert: Uint8Array,
): { readonly body: Uint8Array; readonly algorithm: Uint8Array; readonly signature: Uint8Array } {
  const outer = new DerReader(cert).enter(Tag.sequence);
  return {
    body: outer.next(Tag.sequence).whole,
    algorithm: outer.next(Tag.sequence).whole,
    signature: outer.next(Tag.bitString).content.subarray(1),
  };
}
