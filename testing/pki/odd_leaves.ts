/**
 * Certificates of one role, written in every way that is not quite right: by a CA that signs anything, or by
 * anybody who found the certificate and has neither key. With each, what has to become of it.
 *
 * @module
 */

import { der, derBitString, derOid, Tag } from "../../security/x509/der.ts";
import { derExtension, type KeyPair } from "../../security/x509/issue.ts";
import {
  alternativeNames,
  basicConstraints,
  certificateParts,
  CLIENT_AUTH,
  ECDSA_SHA256,
  extendedKeyUsage,
  keyUsage,
  leafExtensions,
  NULL,
  type OddCa,
  type OddParts,
  publicKeyOf,
  SERVER_AUTH,
  validity,
} from "./odd_certificates.ts";
import { concat } from "../raw_tls/raw_tls.ts";

const U = (...bytes: readonly number[]): Uint8Array => Uint8Array.of(...bytes);
const version = (...content: readonly Uint8Array[]): OddParts => ({ version: der(Tag.context, ...content) });
const integer = (...bytes: readonly number[]): Uint8Array => der(Tag.integer, U(...bytes));
const utc = (text: string): Uint8Array => der(Tag.utcTime, new TextEncoder().encode(text));
const generalized = (text: string): Uint8Array => der(Tag.generalizedTime, new TextEncoder().encode(text));
const times = (...parts: readonly Uint8Array[]): OddParts => ({ validity: der(Tag.sequence, ...parts) });
const P256 = der(Tag.sequence, derOid("1.2.840.10045.2.1"), derOid("1.2.840.10045.3.1.7"));

/** What has to become of it. Neither: it links, with its key. */
interface OddVerdict {
  /** What is wrong by `derFault`; in a refusal it is said like that, too. */
  readonly fault?: RegExp;
  /** What is said where nothing is wrong with its DER. */
  readonly refused?: RegExp;
}

const HARMLESS: OddVerdict = {};
/** rustls refuses it, and proof of the key is asked for. */
const REFUSED: OddVerdict = { refused: /can't be verified/ };
/** Not even its names and times can be read. */
const UNREADABLE: OddVerdict = { fault: /cut off|unexpected end|expected tag|is not a time/ };

type Group<T> = readonly [verdict: OddVerdict, cases: Readonly<Record<string, T>>];

/** What a CA may sign. */
function signed(publicKey: Uint8Array): readonly Group<OddParts>[] {
  const point = publicKey.subarray(26);
  const key = (...parts: readonly Uint8Array[]): OddParts => ({ publicKey: der(Tag.sequence, ...parts) });
  const leaf = (...extensions: readonly Uint8Array[]): OddParts => ({
    extensions: [...leafExtensions(), ...extensions],
  });
  const only = (...extensions: readonly Uint8Array[]): OddParts => ({ extensions });
  const usages = extendedKeyUsage(SERVER_AUTH, CLIENT_AUTH);
  const constraints = (...parts: readonly Uint8Array[]): OddParts =>
    only(derExtension("2.5.29.19", true, der(Tag.sequence, ...parts)), usages);
  return [
    [HARMLESS, {
      "as it should be": {},
      "negative serial number": { serial: integer(0x80, 1) },
      "serial number 0": { serial: integer(0) },
      "empty serial number": { serial: integer() },
      "serial number of 21 bytes": { serial: integer(1, ...new Uint8Array(20)) },
      "serial number with zeros in front": { serial: integer(0, 0, 5) },
      "v3 without extensions": { extensions: null },
      "empty list of extensions": only(),
      "unknown extension full of nonsense": leaf(derExtension("1.2.3.4", false, U(0xff))),
      "CA:FALSE in so many words": constraints(der(Tag.boolean, U(0))),
      "times of four digits, before 2050": times(
        generalized("20200101000000Z"),
        generalized("20400101000000Z"),
      ),
      "times until the end of time": times(utc("200101000000Z"), generalized("99991231235959Z")),
      "a compressed key": key(
        P256,
        derBitString(0, U(2 + (point.at(-1) ?? 0) % 2, ...point.subarray(1, 33))),
      ),
      "no name": { subject: der(Tag.sequence) },
    }],
    [REFUSED, {
      "unknown critical extension": leaf(derExtension("1.2.3.4", true, NULL)),
      "an algorithm with a NULL": { algorithm: der(Tag.sequence, derOid("1.2.840.10045.4.3.2"), NULL) },
      "a key with a NULL for its curve": key(
        der(Tag.sequence, derOid("1.2.840.10045.2.1"), derOid("1.2.840.10045.3.1.7"), NULL),
        derBitString(0, point),
      ),
      "a key on a curve of its own": key(
        der(Tag.sequence, derOid("1.2.840.10045.2.1"), der(Tag.sequence, integer(1))),
        derBitString(0, point),
      ),
      "a key of no known kind": key(der(Tag.sequence, derOid("1.2.3.4")), derBitString(0, U(1, 2, 3))),
    }],
    [{ refused: /does not lead to the CA in "tlsCaFile"/ }, {
      "CA:TRUE": only(basicConstraints(true), usages),
    }],
    [{ refused: /has expired/ }, {
      "times that end before they begin": times(utc("400101000000Z"), utc("200101000000Z")),
    }],
    [{ refused: /can't be read: DER: expected tag 49/ }, {
      "a name that is none": { subject: der(Tag.sequence, NULL) },
    }],
    [{ fault: /expected tag 160|is X\.509 v1/ }, { "v1": { version: null, extensions: null } }],
    [{ fault: /its version is not 3|is X\.509 v[24]/ }, {
      "v2": { ...version(integer(1)), extensions: null },
      "v4": version(integer(3)),
      "a NULL behind the version": version(integer(2), NULL),
      "two versions": version(integer(2), integer(2)),
      "version 00 02": version(integer(0, 2)),
      "version 01 02": version(integer(1, 2)),
      "version ff 02": version(integer(0xff, 2)),
    }],
    [{ fault: /a length in it is longer than it need be/ }, {
      "long length of the version": { version: U(Tag.context, 0x81, 3, 2, 1, 2) },
      "long length of the key": { publicKey: U(Tag.sequence, 0x81, ...publicKey.subarray(1)) },
    }],
    [{ fault: /expected tag 163/ }, {
      "issuer's unique id": { behindKey: der(0x81, U(0, 1)) },
      "subject's unique id": { behindKey: der(0x82, U(0, 1)) },
      "unique ids, no extensions": {
        behindKey: concat(der(0x81, U(0, 1)), der(0x82, U(0, 1))),
        extensions: null,
      },
    }],
    [{ fault: /something stands behind its extensions/ }, {
      "NULL behind the extensions": { behindExtensions: NULL },
      "[4] behind the extensions": { behindExtensions: der(0xa4, NULL) },
      "two lists of extensions": {
        extensionsField: der(Tag.context | 3, der(Tag.sequence, ...leafExtensions()), der(Tag.sequence)),
      },
    }],
    [{ fault: /something stands behind extension 1\.2\.3\.4/ }, {
      "something behind an extension": leaf(
        der(Tag.sequence, derOid("1.2.3.4"), der(Tag.octetString, NULL), NULL),
      ),
    }],
    [{ fault: /extension 2\.5\.29\.19 occurs twice/ }, {
      "basic constraints twice": leaf(basicConstraints(false)),
    }],
    [{ fault: /extension 2\.5\.29\.37 occurs twice/ }, {
      "extended key usage twice": leaf(extendedKeyUsage(SERVER_AUTH)),
    }],
    [{ fault: /extension 2\.5\.29\.15 is not as it should be/ }, {
      "key usage with nine unused bits": only(keyUsage(0x80, 9), usages),
      "key usage of no bits": only(derExtension("2.5.29.15", true, derBitString(0, U())), usages),
    }],
    [{ fault: /extension 2\.5\.29\.17 is not as it should be/ }, {
      "no alternative name in its list": leaf(alternativeNames()),
      "an alternative name of no kind": leaf(alternativeNames(der(0x89, U(1)))),
      "an alternative name that is text": leaf(alternativeNames(der(Tag.utf8String, U(0x61)))),
    }],
    [{ fault: /extension 2\.5\.29\.19 is not as it should be/ }, {
      "CA:01": constraints(der(Tag.boolean, U(1))),
      "a path length of two bytes": constraints(der(Tag.boolean, U(0xff)), integer(1, 0)),
      "something behind a path length": constraints(der(Tag.boolean, U(0)), integer(1), NULL),
      "critical 01": only(
        der(
          Tag.sequence,
          derOid("2.5.29.19"),
          der(Tag.boolean, U(1)),
          der(Tag.octetString, der(Tag.sequence)),
        ),
        usages,
      ),
    }],
    [{ fault: /extension 2\.5\.29\.37 is not as it should be|expected tag 6/ }, {
      "no extended key usage in its list": only(basicConstraints(false), extendedKeyUsage()),
      "extended key usage that is text": only(
        derExtension("2.5.29.37", false, der(Tag.sequence, der(Tag.utf8String))),
      ),
    }],
    [{ fault: /something stands behind its times/ }, {
      "a third time": { validity: der(Tag.sequence, validity().subarray(2), NULL) },
    }],
    [{ fault: /it names two signature algorithms/ }, {
      "another algorithm outside": { outerAlgorithm: der(Tag.sequence, derOid("1.2.840.10045.4.3.3")) },
    }],
    [{ fault: /its public key is not as it should be|expected tag 3|unexpected end/ }, {
      "a key with a NULL behind it": key(publicKey.subarray(2), NULL),
      "a key with an unused bit": key(P256, derBitString(1, point)),
      "a key that is bytes": key(P256, der(Tag.octetString, point)),
      "a key of no bits": key(P256, der(Tag.bitString)),
      "no key": key(),
    }],
    [UNREADABLE, {
      "serial number that is bytes": { serial: der(Tag.octetString, U(5)) },
      "empty field of extensions": { extensionsField: der(Tag.context | 3) },
      "basic constraints that are none": only(derExtension("2.5.29.19", true, U(0xff)), usages),
      "extended key usage that is cut off": only(derExtension("2.5.29.37", false, U(Tag.sequence, 5, 1))),
      "alternative names that are cut off": leaf(derExtension("2.5.29.17", false, U(Tag.sequence, 9))),
      "times without seconds": times(utc("2001010000Z"), utc("4001010000Z")),
      "times with an offset": times(utc("200101000000+0000"), utc("400101000000+0000")),
      "times with a fraction": times(generalized("20200101000000.5Z"), generalized("20400101000000.5Z")),
      "times with 60 seconds": times(utc("200101000060Z"), utc("400101000000Z")),
      "times with a month 13": times(utc("200101000000Z"), utc("401301000000Z")),
      "times with a 30 February": times(utc("200101000000Z"), utc("400230000000Z")),
    }],
  ];
}

/** What anybody can make of somebody else's certificate, whose signature stays good. */
function retouched(cert: Uint8Array): readonly Group<Uint8Array>[] {
  const { body, algorithm, signature } = certificateParts(cert);
  const whole = (...parts: readonly Uint8Array[]): Uint8Array => der(Tag.sequence, body, ...parts);
  const content = cert.subarray(4);
  return [
    [{ fault: /something stands behind it/ }, {
      "NULL behind it": concat(cert, NULL),
      "itself behind it": concat(cert, cert),
    }],
    [{ fault: /something stands behind its signature/ }, {
      "an element more": der(Tag.sequence, content, NULL),
    }],
    [{ fault: /a length in it is longer than it need be/ }, {
      "a length of three bytes": concat(U(Tag.sequence, 0x83, 0), cert.subarray(2)),
      "a long length of its signature": whole(
        ECDSA_SHA256,
        U(Tag.bitString, 0x81, signature.length + 1, 0, ...signature),
      ),
    }],
    [{ fault: /a length in it is not as it should be/ }, {
      "a length without end": concat(U(Tag.sequence, 0x80), content, U(0, 0)),
    }],
    [{ fault: /it names two signature algorithms/ }, {
      "a NULL for its algorithm": whole(
        der(Tag.sequence, algorithm.subarray(2), NULL),
        derBitString(0, signature),
      ),
      "another algorithm": whole(
        der(Tag.sequence, derOid("1.2.840.10045.4.3.3")),
        derBitString(0, signature),
      ),
    }],
    [{ fault: /its signature has unused bits/ }, {
      "an unused bit of its signature": whole(ECDSA_SHA256, derBitString(1, signature)),
    }],
    [{ fault: /expected tag 3 / }, {
      "a signature that is bytes": whole(ECDSA_SHA256, der(Tag.octetString, U(0), signature)),
    }],
    [REFUSED, {
      "NULL behind its signature": whole(ECDSA_SHA256, derBitString(0, concat(signature, NULL))),
    }],
    [UNREADABLE, {
      "the last byte cut off": cert.subarray(0, -1),
      "three bytes in its place": U(1, 2, 3),
      "nothing in its place": U(),
    }],
  ];
}

/** One of them. */
export interface OddLeaf extends OddVerdict {
  /** What is odd about it. */
  readonly what: string;
  /** DER, or what is sent in its place. */
  readonly cert: Uint8Array;
}

/** All of them, for `keys`. */
export async function oddLeaves(ca: OddCa, keys: KeyPair): Promise<OddLeaf[]> {
  const leaves: OddLeaf[] = [];
  for (const [verdict, cases] of signed(await publicKeyOf(keys))) {
    for (const [what, parts] of Object.entries(cases)) {
      leaves.push({ ...verdict, what, cert: await ca.sign(parts, keys) });
    }
  }
  for (const [verdict, cases] of retouched(await ca.sign({}, keys))) {
    for (const [what, cert] of Object.entries(cases)) leaves.push({ ...verdict, what, cert });
  }
  return leaves;
}
