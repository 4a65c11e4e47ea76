/**
 * Whether a certificate is written to the letter of DER and RFC 5280. Deno's client asks for no proof of the
 * key, and looks at nothing but names, where rustls can't read a certificate (decision 0018). So one that
 * rustls might not read is refused, whichever CA signed it: an attacker could append a byte to another's
 * certificate.
 *
 * Stricter than rustls' reader (webpki) in all that it looks at; `strict_der_test.ts` compares the two.
 *
 * @module
 */

import { DerReader, oidText, Tag } from "./der.ts";
import { GENERAL_NAMES } from "./general_names.ts";
import { readTime } from "./certificate.ts";

/** Nesting of elements; certificates have about eight levels. */
const DEEPEST = 16;
/** Longest element that webpki reads. */
const LONGEST = 0xfffe;
/** `[3]`, constructed: a certificate's extensions. */
const EXTENSIONS = Tag.context | 3;
const CONSTRUCTED = 0x20;
/** Version 3 is written as 2. */
const VERSION_3 = [Tag.integer, 1, 2] as const;

class Fault extends Error {
  override readonly name = "Fault";
}

/** What is wrong with how a certificate is written, in words; nothing if it is as it should be. */
export function derFault(raw: Uint8Array): string | undefined {
  try {
    checkLengths(raw);
    checkCertificate(raw);
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    if (error instanceof SyntaxError) return error.message.replace(/^(?:DER|X\.509): /, "");
    throw error;
  }
}

function expect(claim: boolean, fault: string): asserts claim {
  if (!claim) throw new Fault(fault);
}

function checkCertificate(raw: Uint8Array): void {
  const whole = new DerReader(raw);
  const outer = whole.enter(Tag.sequence);
  const body = outer.enter(Tag.sequence);
  const algorithm = outer.next(Tag.sequence).whole;
  expect(outer.next(Tag.bitString).content[0] === 0, "its signature has unused bits");
  expect(outer.done && whole.done, "something stands behind its signature");
  const version = body.next(Tag.context).content;
  expect(isEqual(version, VERSION_3), "its version is not 3");
  body.next(Tag.integer); // serial number
  expect(isEqual(body.next(Tag.sequence).whole, algorithm), "it names two signature algorithms");
  body.next(Tag.sequence); // issuer
  checkValidity(body.enter(Tag.sequence));
  body.next(Tag.sequence); // subject
  const key = body.enter(Tag.sequence);
  key.next(Tag.sequence);
  expect(key.next(Tag.bitString).content[0] === 0 && key.done, "its public key is not as it should be");
  if (body.done) return;
  const tagged = body.enter(EXTENSIONS);
  const extensions = tagged.enter(Tag.sequence);
  expect(tagged.done && body.done, "something stands behind its extensions");
  checkExtensions(extensions);
}

function checkValidity(validity: DerReader): void {
  readTime(validity);
  readTime(validity);
  expect(validity.done, "something stands behind its times");
}

function checkExtensions(list: DerReader): void {
  const seen = new Set<string>();
  while (!list.done) {
    const extension = list.enter(Tag.sequence);
    const oid = oidText(extension.next(Tag.oid).content);
    expect(!seen.has(oid), `extension ${oid} occurs twice`);
    seen.add(oid);
    if (extension.peek() === Tag.boolean) expectBoolean(extension, `extension ${oid} is not as it should be`);
    const value = extension.next(Tag.octetString).content;
    expect(extension.done, `something stands behind extension ${oid}`);
    // Those of X.509 itself; unknown ones are opaque bytes.
    if (oid.startsWith("2.5.29.")) checkKnown(oid, value);
  }
}

function checkKnown(oid: string, value: Uint8Array): void {
  const fault = `extension ${oid} is not as it should be`;
  checkLengths(value);
  const content = new DerReader(value);
  switch (oid) {
    case "2.5.29.15": { // key usage
      const bits = content.next(Tag.bitString).content;
      return expect(bits.length >= 2 && (bits[0] ?? 8) < 8, fault);
    }
    case "2.5.29.19": { // basic constraints
      const constraints = content.enter(Tag.sequence);
      if (constraints.peek() === Tag.boolean) expectBoolean(constraints, fault);
      if (!constraints.done) {
        const most = constraints.next(Tag.integer).content;
        expect(most.length === 1 && (most[0] ?? 0x80) < 0x80, fault);
      }
      return expect(constraints.done, fault);
    }
    case "2.5.29.37": // extended key usage
      return expectAll(content.enter(Tag.sequence), (tag) => tag === Tag.oid, fault);
    case "2.5.29.17": // subject alternative name
      return expectAll(content.enter(Tag.sequence), (tag) => GENERAL_NAMES.has(tag), fault);
    case "2.5.29.30": // name constraints
    case "2.5.29.31": // distribution points of revocation lists
      return void content.next(Tag.sequence);
    default:
  }
}

function expectBoolean(reader: DerReader, fault: string): void {
  const { content } = reader.next(Tag.boolean);
  expect(content.length === 1 && (content[0] === 0 || content[0] === 0xff), fault);
}

/** At least one, and all of a kind. */
function expectAll(list: DerReader, isKind: (tag: number) => boolean, fault: string): void {
  expect(!list.done, fault);
  while (!list.done) expect(isKind(list.next().tag), fault);
}

/** One element, whose lengths and those of all in it are as short as they can be, and fit. */
function checkLengths(bytes: Uint8Array): void {
  const end = elementEnd(bytes, 0, bytes.length, 0);
  expect(end === bytes.length, "something stands behind it");
}

function elementEnd(bytes: Uint8Array, from: number, limit: number, depth: number): number {
  expect(depth <= DEEPEST, "it is nested too deeply");
  const tag = bytes[from] ?? 0;
  const first = bytes[from + 1];
  expect(from + 2 <= limit && first !== undefined, "an element of it is cut off");
  expect((tag & 0x1f) !== 0x1f, "a tag of it has more than one byte");
  let at = from + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    expect(count >= 1 && count <= 4 && at + count <= limit, "a length in it is not as it should be");
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[at++] ?? 0);
    expect(length >= 0x80 && length >= 256 ** (count - 1), "a length in it is longer than it need be");
    expect(length <= LONGEST, `an element of it has more than ${LONGEST} bytes`);
  }
  const end = at + length;
  expect(end <= limit, "an element of it is cut off");
  if ((tag & CONSTRUCTED) !== 0) { while (at < end) at = elementEnd(bytes, at, end, depth + 1); }
  return end;
}

function isEqual(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  return a.length === b.length && Array.from(a).every((byte, at) => byte === b[at]);
}
