/**
 * What we read of an X.509 certificate (RFC 5280, 4.1). It takes more than there should be: whether one is
 * written as it should be is what `strict_der.ts` says, and where it leads `path.ts`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { DerReader, oidText, Tag } from "./der.ts";
import { type Extensions, readExtensions } from "./extensions.ts";

/** One attribute of a name, such as `["CN", "worker-1"]`. */
export type NameAttribute = readonly [type: string, value: string];

/** The parts of a certificate that we look at. */
export interface Certificate {
  /** DER. */
  readonly raw: Uint8Array<ArrayBuffer>;
  /** 1, 2 or 3. */
  readonly version: number;
  /** Serial number, upper-case hexadecimal without leading zeros. */
  readonly serial: string;
  /** Whom it names, in the order of the certificate. */
  readonly subject: readonly NameAttribute[];
  /** Distinguished name of the issuer. */
  readonly issuer: readonly NameAttribute[];
  /** Since when it holds. */
  readonly validFrom: Date;
  /** Until when. */
  readonly validTo: Date;
  /** What the extensions say. */
  readonly extensions: Extensions;
}

/** Short names of RFC 4514, and what else certificates commonly have. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.5": "SERIALNUMBER",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "E",
};

/** Constructed `[0]` in front: the version; a v1 certificate has none. */
const VERSION_TAG = Tag.context;

/**
 * Reads a certificate, DER or PEM.
 *
 * @throws {SyntaxError} If it is none.
 */
export function parseCertificate(source: Uint8Array | string): Certificate {
  // A copy: buffers of the TLS layer may be shared.
  const raw = typeof source === "string" ? fromPem(source) : Uint8Array.from(source);
  const certificate = new DerReader(raw).enter(Tag.sequence).enter(Tag.sequence);
  const version = certificate.peek() === VERSION_TAG
    ? (certificate.enter(VERSION_TAG).next(Tag.integer).content.at(-1) ?? 0) + 1
    : 1;
  const serial = serialText(certificate.next(Tag.integer).content);
  certificate.next(Tag.sequence); // signature algorithm
  const issuer = readName(certificate.enter(Tag.sequence));
  const validity = certificate.enter(Tag.sequence);
  const validFrom = readTime(validity);
  const validTo = readTime(validity);
  const subject = readName(certificate.enter(Tag.sequence));
  certificate.next(Tag.sequence); // public key
  const extensions = readExtensions(certificate);
  return { raw, version, serial, subject, issuer, validFrom, validTo, extensions };
}

/** A serial number as `openssl x509 -serial` prints it, without leading zeros. */
export function serialText(content: Uint8Array): string {
  return content.toHex().toUpperCase().replace(/^0+(?=.)/, "");
}

/** `name` as RFC 4514 writes it: last attribute first, `CN=worker-1,O=acme`. */
export function nameText(name: readonly NameAttribute[]): string {
  return name.map(([type, value]) => `${type}=${escaped(value)}`).reverse().join(",");
}

/**
 * What a certificate is called where people read it: its subject. cert-manager and SPIFFE leave that empty,
 * or give all the same: where it has no common name, the first URI or DNS name stands beside or in place of
 * it, or else the fingerprint.
 */
export function certificateName({ subject, extensions, raw }: Certificate): string {
  const name = nameText(subject);
  if (subject.some(([type]) => type === "CN")) return name;
  const [uri] = extensions.uris;
  const [dnsName] = extensions.dnsNames;
  const other = uri !== undefined
    ? `URI:${printed(uri)}`
    : dnsName !== undefined
    ? `DNS:${printed(dnsName)}`
    : "";
  if (name === "") return other === "" ? `SHA-256 ${fingerprint256(raw)}` : other;
  return other === "" ? name : `${name} (${other})`;
}

/**
 * SHA-256 of a certificate, upper-case hexadecimal with colons, as `openssl x509 -fingerprint -sha256` prints
 * it.
 */
export function fingerprint256(der: Uint8Array): string {
  const hex = createHash("sha256").update(der).digest("hex").toUpperCase();
  return hex.replaceAll(/(..)(?=.)/g, "$1:");
}

function fromPem(pem: string): Uint8Array<ArrayBuffer> {
  const base64 = pem.replaceAll(/-----[A-Z0-9 ]+-----/g, "").replaceAll(/\s/g, "");
  try {
    return Uint8Array.fromBase64(base64);
  } catch (cause) {
    throw new SyntaxError("PEM: not base64", { cause });
  }
}

/** Reads a name (RFC 5280, 4.1.2.4). */
export function readName(rdns: DerReader): NameAttribute[] {
  const name: NameAttribute[] = [];
  while (!rdns.done) {
    const rdn = rdns.enter(Tag.set);
    while (!rdn.done) {
      const attribute = rdn.enter(Tag.sequence);
      const oid = oidText(attribute.next(Tag.oid).content);
      name.push([ATTRIBUTES[oid] ?? oid, readText(attribute)]);
    }
  }
  return name;
}

const BMP_STRING = 0x1e;
/** A byte order mark is a character of a name like others: without it, another name would be the same. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function readText(reader: DerReader): string {
  const { tag, content } = reader.next();
  return tag === BMP_STRING
    ? new TextDecoder("utf-16be", { ignoreBOM: true }).decode(content)
    : utf8.decode(content);
}

/** UTCTime `YYMMDDHHMMSSZ` (from 1950 on) or GeneralizedTime `YYYYMMDDHHMMSSZ`. */
export function readTime(reader: DerReader): Date {
  const { tag, content } = reader.next();
  const text = utf8.decode(content);
  const short = tag === Tag.utcTime;
  const full = short ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}` : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  const [, year, month, day, hours, minutes, seconds] = match ?? [];
  const date = new Date(`${year}-${month}-${day}T${hours}:${minutes}:${seconds}Z`);
  // `Date` makes 1 March of 30 February.
  const isTime = !Number.isNaN(date.getTime()) &&
    date.toISOString().replaceAll(/\D/g, "").startsWith(full.slice(0, 14));
  if (match === null || !isTime || (!short && tag !== Tag.generalizedTime)) {
    throw new SyntaxError(`X.509: "${printed(text)}" is not a time`);
  }
  return date;
}

function escaped(value: string): string {
  return printed(value, /[,+"\\<>;=]/g);
}

/** A name comes from a peer and ends up in logs: control characters may not forge a line there. */
function printed(value: string, special: RegExp = /["\\]/g): string {
  return value.replaceAll(special, "\\$&").replaceAll(/\p{C}|[\u2028\u2029]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return `\\${code.toString(16).padStart(2, "0").toUpperCase()}`;
  });
}

/** Whether two certificates, or lists, are the same one, byte for byte. */
export function isSame(a: { readonly raw: Uint8Array }, b: { readonly raw: Uint8Array }): boolean {
  return a.raw.length === b.raw.length && a.raw.every((byte, at) => byte === b.raw[at]);
}

/** Hexadecimal digits of a fingerprint or serial number, upper-case, without colons. */
export function hexOf(text: string): string {
  return text.replaceAll(":", "").replace(/^0x/i, "").toUpperCase();
}
