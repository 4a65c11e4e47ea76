/**
 * Makes certificates: for {@linkcode Security.temporary} and for tests. A writer of our own, because the
 * libraries that can do it bring twenty packages and a polyfill; it signs by Web Crypto, and judges nothing.
 *
 * @module
 */

import { der, derBitString, derInteger, derOid, Tag } from "./der.ts";

/** A key pair whose private key can be exported. */
export type KeyPair = CryptoKeyPair;

/** Who signs. */
export interface Issuer {
  /** Its name; of a certificate that is there already, its DER. */
  readonly name: readonly (readonly [type: string, value: string])[] | Uint8Array;
  /** Its keys. */
  readonly keys: KeyPair;
  /** What its certificate calls its key. @default {SHA-1 of the key} */
  readonly keyId?: Uint8Array;
}

/** What a certificate says. */
export interface CertificateContent {
  /** Whom it names. */
  readonly subject: readonly (readonly [type: string, value: string])[];
  /** Whose key it certifies. */
  readonly publicKey: CryptoKey;
  /** Who signs; absent: it signs itself with `keys`. */
  readonly issuer: Issuer;
  /** Since when it holds. */
  readonly validFrom: Date;
  /** Until when. */
  readonly validTo: Date;
  /** Whether it may sign others. @default {false} */
  readonly ca?: boolean;
  /** 1 leaves version and extensions out. @default {3} */
  readonly version?: 1 | 3;
  /** DNS names. */
  readonly dnsNames?: readonly string[];
  /** URIs, such as SPIFFE ids. */
  readonly uris?: readonly string[];
  /** Extended key usages. @default Both, for what is no CA */
  readonly usages?: readonly ("serverAuth" | "clientAuth")[];
}

const ECDSA = { name: "ECDSA", namedCurve: "P-256" } as const;

const OID = {
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  extendedKeyUsage: "2.5.29.37",
  subjectKeyIdentifier: "2.5.29.14",
  authorityKeyIdentifier: "2.5.29.35",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

const NAME_OIDS: Readonly<Record<string, string>> = { CN: "2.5.4.3", O: "2.5.4.10", OU: "2.5.4.11" };

/** `[0]` of an authority key identifier. */
const KEY_ID = 0x80;
/** `[2]` and `[6]` of GeneralName. */
const DNS_NAME = 0x82;
const URI = 0x86;

const encoder = new TextEncoder();

/** A fresh P-256 pair. */
export async function makeKeys(): Promise<KeyPair> {
  return await crypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
}

/** A private key as PKCS#8 PEM. */
export async function keyPem(keys: KeyPair): Promise<string> {
  return pem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey)));
}

/** A signed certificate, PEM. */
export async function makeCertificate(content: CertificateContent): Promise<string> {
  const algorithm = der(Tag.sequence, derOid(OID.ecdsaWithSha256));
  const publicKey = await spki(content.publicKey);
  const v3 = (content.version ?? 3) === 3;
  const tbs = der(
    Tag.sequence,
    ...v3 ? [der(Tag.context, derInteger(Uint8Array.of(2)))] : [],
    derInteger(serialNumber()),
    algorithm,
    derName(content.issuer.name),
    der(Tag.sequence, derTime(content.validFrom), derTime(content.validTo)),
    derName(content.subject),
    publicKey,
    ...v3 ? [der(Tag.context | 3, der(Tag.sequence, ...await extensions(content, publicKey)))] : [],
  );
  return pem("CERTIFICATE", await signed(tbs, algorithm, content.issuer));
}

/** What a revocation list says. */
export interface RevocationListContent {
  /** Who signs. */
  readonly issuer: Issuer;
  /** When it is made. */
  readonly thisUpdate: Date;
  /** When there will be another. */
  readonly nextUpdate: Date;
  /** Serial numbers, hexadecimal. */
  readonly serials: readonly string[];
}

/** A signed revocation list, DER. */
export async function makeRevocationList(content: RevocationListContent): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = der(Tag.sequence, derOid(OID.ecdsaWithSha256));
  const entries = content.serials.map((serial) =>
    der(
      Tag.sequence,
      derInteger(Uint8Array.fromHex(serial.padStart(serial.length + serial.length % 2, "0"))),
      derTime(content.thisUpdate),
    )
  );
  const tbs = der(
    Tag.sequence,
    derInteger(Uint8Array.of(1)),
    algorithm,
    derName(content.issuer.name),
    derTime(content.thisUpdate),
    derTime(content.nextUpdate),
    ...entries.length > 0 ? [der(Tag.sequence, ...entries)] : [],
  );
  return await signed(tbs, algorithm, content.issuer);
}

async function signed(
  tbs: Uint8Array<ArrayBuffer>,
  algorithm: Uint8Array,
  issuer: Issuer,
): Promise<Uint8Array<ArrayBuffer>> {
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, issuer.keys.privateKey, tbs);
  return der(Tag.sequence, tbs, algorithm, derBitString(0, ecdsaSignature(new Uint8Array(signature))));
}

/** PEM text with a newline at its end. */
export function pem(kind: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${kind}-----\n${lines.join("\n")}\n-----END ${kind}-----\n`;
}

async function extensions(
  content: CertificateContent,
  publicKey: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array[]> {
  const { ca = false, dnsNames = [], uris = [], usages = ca ? [] : ["serverAuth", "clientAuth"] } = content;
  const { keys, keyId: issuerKeyId = await keyIdOf(await spki(keys.publicKey)) } = content.issuer;
  // keyCertSign and cRLSign, or digitalSignature: bits 5 and 6, or 0, from the left.
  const keyUsage = ca ? derBitString(1, Uint8Array.of(0x06)) : derBitString(7, Uint8Array.of(0x80));
  const all = [
    derExtension(
      OID.basicConstraints,
      true,
      der(Tag.sequence, ...ca ? [der(Tag.boolean, Uint8Array.of(0xff))] : []),
    ),
    derExtension(OID.keyUsage, true, keyUsage),
    derExtension(OID.subjectKeyIdentifier, false, der(Tag.octetString, await keyIdOf(publicKey))),
    derExtension(OID.authorityKeyIdentifier, false, der(Tag.sequence, der(KEY_ID, issuerKeyId))),
  ];
  if (usages.length > 0) {
    all.push(
      derExtension(
        OID.extendedKeyUsage,
        false,
        der(Tag.sequence, ...usages.map((usage) => derOid(OID[usage]))),
      ),
    );
  }
  if (dnsNames.length + uris.length > 0) {
    const names = [
      ...dnsNames.map((dnsName) => der(DNS_NAME, encoder.encode(dnsName))),
      ...uris.map((uri) => der(URI, encoder.encode(uri))),
    ];
    all.push(derExtension(OID.subjectAltName, false, der(Tag.sequence, ...names)));
  }
  return all;
}

async function spki(key: CryptoKey): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.exportKey("spki", key));
}

/** A name for a key; the hash is no signature, and need not be a strong one (RFC 5280, 4.2.1.2). */
export async function keyIdOf(publicKey: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-1", publicKey));
}

/** One extension of a certificate. */
export function derExtension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? [der(Tag.boolean, Uint8Array.of(0xff))] : [];
  return der(Tag.sequence, derOid(oid), ...flag, der(Tag.octetString, value));
}

/** A name, DER. */
export function derName(attributes: Issuer["name"]): Uint8Array {
  if (attributes instanceof Uint8Array) return attributes;
  return der(
    Tag.sequence,
    ...attributes.map(([type, value]) => {
      const oid = NAME_OIDS[type];
      if (oid === undefined) throw new TypeError(`Cannot write the name attribute "${type}"`);
      return der(Tag.set, der(Tag.sequence, derOid(oid), der(Tag.utf8String, encoder.encode(value))));
    }),
  );
}

/** UTCTime up to 2049, GeneralizedTime after it (RFC 5280, 4.1.2.5). */
export function derTime(date: Date): Uint8Array {
  const digits = date.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14);
  return date.getUTCFullYear() < 2050
    ? der(Tag.utcTime, encoder.encode(`${digits.slice(2)}Z`))
    : der(Tag.generalizedTime, encoder.encode(`${digits}Z`));
}

function serialNumber(): Uint8Array {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40; // positive, and always 16 bytes
  return bytes;
}

/** Web Crypto gives r and s side by side; X.509 and TLS want a sequence of the two. */
export function ecdsaSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  return der(Tag.sequence, derInteger(raw.subarray(0, half)), derInteger(raw.subarray(half)));
}
