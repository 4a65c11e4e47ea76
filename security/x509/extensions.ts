/**
 * Extensions of certificates and revocation lists, as far as paths, authorization and revocation look at
 * them.
 *
 * @module
 */

import { DerReader, oidText, Tag } from "./der.ts";
import {
  DNS_NAME,
  type GeneralName,
  type NameConstraints,
  readGeneralNames,
  readNameConstraints,
  URI,
} from "./general_names.ts";

/** What a certificate's extensions say. */
export interface Extensions {
  /** URIs of the subject alternative names, such as SPIFFE ids. */
  readonly uris: readonly string[];
  /** DNS names of the subject alternative names. */
  readonly dnsNames: readonly string[];
  /** All subject alternative names. */
  readonly names: readonly GeneralName[];
  /** Whether it is a CA's (basic constraints). */
  readonly isCa: boolean;
  /** How many CAs may stand between it and a certificate; nothing for any number. */
  readonly pathLength: number | undefined;
  /** Extended key usages, dotted; nothing for any usage. */
  readonly usages: readonly string[] | undefined;
  /** Whether its key may sign TLS handshakes by its key usage (digitalSignature); true without one. */
  readonly signsHandshakes: boolean;
  /** Whether it may sign certificates by its key usage; true without one. */
  readonly signsCertificates: boolean;
  /** Whether it may sign revocation lists by its key usage; true without one. */
  readonly signsCrls: boolean;
  /** Which names those below it may have; nothing for any. */
  readonly nameConstraints: NameConstraints | undefined;
  /**
   * Critical extensions that the TLS layer does not know, dotted: it must refuse certificates that have them.
   */
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
/** Bits 0, 5 and 6 of the key usage, from the left. */
const DIGITAL_SIGNATURE = 0x80;
const KEY_CERT_SIGN = 0x04;
const CRL_SIGN = 0x02;

const ascii = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads the rest of a certificate behind its public key. */
export function readExtensions(rest: DerReader): Extensions {
  const names: GeneralName[] = [];
  const unknownCritical: string[] = [];
  let isCa = false;
  let pathLength: number | undefined;
  let usages: string[] | undefined;
  let nameConstraints: NameConstraints | undefined;
  let keyUsage = DIGITAL_SIGNATURE | KEY_CERT_SIGN | CRL_SIGN;
  while (!rest.done && rest.peek() !== CERTIFICATE_EXTENSIONS) rest.next(); // unique identifiers
  const all = rest.done ? [] : extensionList(rest.enter(CERTIFICATE_EXTENSIONS).enter(Tag.sequence));
  for (const { oid, critical, value } of all) {
    if (oid === SUBJECT_ALT_NAME) {
      names.push(...readGeneralNames(new DerReader(value).enter(Tag.sequence)));
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
      nameConstraints = readNameConstraints(value);
    } else if (critical && oid !== REVOCATION_LIST_POINTS) {
      unknownCritical.push(oid);
    }
  }
  const signsHandshakes = (keyUsage & DIGITAL_SIGNATURE) !== 0;
  const signsCertificates = (keyUsage & KEY_CERT_SIGN) !== 0;
  const signsCrls = (keyUsage & CRL_SIGN) !== 0;
  return {
    uris: textsOf(names, URI),
    dnsNames: textsOf(names, DNS_NAME),
    names,
    isCa,
    pathLength,
    usages,
    signsHandshakes,
    signsCertificates,
    signsCrls,
    nameConstraints,
    unknownCritical,
  };
}

function textsOf(names: readonly GeneralName[], kind: number): string[] {
  return names.filter(({ tag }) => tag === kind).map(({ content }) => ascii.decode(content));
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
