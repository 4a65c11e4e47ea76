/**
 * Extensions of certificates and revocation lists, as far as authorization and revocation look at them.
 *
 * @module
 */

import { DerReader, oidText, Tag } from "./der.ts";

/** What a certificate's extensions say. */
export interface Extensions {
  /** URIs of the subject alternative names, such as SPIFFE ids. */
  readonly uris: readonly string[];
  /** DNS names of the subject alternative names. */
  readonly dnsNames: readonly string[];
  /** Whether it is a CA's (basic constraints). */
  readonly isCa: boolean;
  /** How many CAs may stand between it and a certificate; nothing for any number. */
  readonly pathLength: number | undefined;
  /** Extended key usages, dotted; nothing for any usage. */
  readonly usages: readonly string[] | undefined;
  /** Whether it may sign certificates by its key usage; true without one. */
  readonly signsCertificates: boolean;
  /** Whether it may sign revocation lists by its key usage; true without one. */
  readonly signsCrls: boolean;
  /** Whether it bounds the names of those that it signs. */
  readonly hasNameConstraints: boolean;
  /** Critical extensions that the TLS layer does not know, dotted: it must refuse who has them. */
  readonly unknownCritical: readonly string[];
}

/** One extension, unread. */
export interface Extension {
  /** Dotted object identifier. */
  readonly oid: string;
  /** Whether who does not know it must refuse the whole. */
  readonly critical: boolean;
  /** What it says, DER. */
  readonly value: Uint8Array;
}

const SUBJECT_ALT_NAME = "2.5.29.17";
const BASIC_CONSTRAINTS = "2.5.29.19";
const KEY_USAGE = "2.5.29.15";
const EXTENDED_KEY_USAGE = "2.5.29.37";
const NAME_CONSTRAINTS = "2.5.29.30";
/** What rustls knows of besides. */
const REVOCATION_LIST_POINTS = "2.5.29.31";

/** `[3]`, constructed: a certificate's extensions. */
const CERTIFICATE_EXTENSIONS = Tag.context | 3;
/** `[2]` and `[6]` of GeneralName. */
const DNS_NAME = 0x82;
const URI = 0x86;
/** Bits 5 and 6 of the key usage, from the left. */
const KEY_CERT_SIGN = 0x04;
const CRL_SIGN = 0x02;

const ascii = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads the rest of a certificate behind its public key. */
export function readExtensions(rest: DerReader): Extensions {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const unknownCritical: string[] = [];
  let isCa = false;
  let pathLength: number | undefined;
  let usages: string[] | undefined;
  let hasNameConstraints = false;
  let keyUsage = KEY_CERT_SIGN | CRL_SIGN;
  while (!rest.done && rest.peek() !== CERTIFICATE_EXTENSIONS) rest.next(); // unique identifiers
  const all = rest.done ? [] : extensionList(rest.enter(CERTIFICATE_EXTENSIONS).enter(Tag.sequence));
  for (const { oid, critical, value } of all) {
    if (oid === SUBJECT_ALT_NAME) {
      const names = new DerReader(value).enter(Tag.sequence);
      while (!names.done) {
        const { tag, content } = names.next();
        if (tag === URI) uris.push(ascii.decode(content));
        if (tag === DNS_NAME) dnsNames.push(ascii.decode(content));
      }
    } else if (oid === BASIC_CONSTRAINTS) {
      const constraints = new DerReader(value).enter(Tag.sequence);
      isCa = constraints.peek() === Tag.boolean && constraints.next().content[0] !== 0;
      if (!constraints.done) pathLength = smallInteger(constraints.next(Tag.integer).content);
    } else if (oid === KEY_USAGE) {
      keyUsage = new DerReader(value).next(Tag.bitString).content[1] ?? 0;
    } else if (oid === EXTENDED_KEY_USAGE) {
      const all = new DerReader(value).enter(Tag.sequence);
      usages = [];
      while (!all.done) usages.push(oidText(all.next(Tag.oid).content));
    } else if (oid === NAME_CONSTRAINTS) {
      hasNameConstraints = true;
    } else if (critical && oid !== REVOCATION_LIST_POINTS) {
      unknownCritical.push(oid);
    }
  }
  const signsCertificates = (keyUsage & KEY_CERT_SIGN) !== 0;
  const signsCrls = (keyUsage & CRL_SIGN) !== 0;
  return {
    uris,
    dnsNames,
    isCa,
    pathLength,
    usages,
    signsCertificates,
    signsCrls,
    hasNameConstraints,
    unknownCritical,
  };
}

function smallInteger(content: Uint8Array): number {
  return content.reduce((number, byte) => number * 256 + byte, 0);
}

/** Takes a sequence of extensions apart. */
export function extensionList(list: DerReader): Extension[] {
  const found: Extension[] = [];
  while (!list.done) {
    const extension = list.enter(Tag.sequence);
    const oid = oidText(extension.next(Tag.oid).content);
    const critical = extension.peek() === Tag.boolean && extension.next().content[0] !== 0;
    found.push({ oid, critical, value: extension.next(Tag.octetString).content });
  }
  return found;
}
