/**
 * Alternative names, and the bounds that a CA may have for those of its certificates (RFC 5280, 4.2.1.6 and
 * 4.2.1.10).
 *
 * Deno's TLS looks at bounds, too, but not where it looks at nothing but the names of issuers (decision
 * 0018). So they are judged here as rustls judges them: DNS names and IP addresses are compared, and where
 * there is a bound for another kind of name, whoever has one is out of bounds.
 *
 * @module
 */

import { DerReader, Tag } from "./der.ts";

/** One name. */
export interface GeneralName {
  /** Its kind. */
  readonly tag: number;
  /** What stands in it. */
  readonly content: Uint8Array;
}

/** Bounds. */
export interface NameConstraints {
  /** Of the kinds that occur here, a name must be within one. */
  readonly permitted: readonly GeneralName[];
  /** A name must be within none. */
  readonly excluded: readonly GeneralName[];
}

/** `[2]`, a DNS name. */
export const DNS_NAME = 0x82;
/** `[6]`, a URI. */
export const URI = 0x86;
const IP_ADDRESS = 0x87;
/** What every certificate has one of: its subject. */
const DIRECTORY_NAME = 0xa4;

/** Kinds of names. */
export const GENERAL_NAMES: ReadonlySet<number> = new Set([
  ...[0xa0, 0x81, DNS_NAME, 0xa3, DIRECTORY_NAME],
  ...[0xa5, URI, IP_ADDRESS, 0x88],
]);

const SUBJECT: GeneralName = { tag: DIRECTORY_NAME, content: new Uint8Array() };
/** A host name, maybe with a star in front. */
const HOST = /^(?:\*\.)?[a-z\d_-]+(?:\.[a-z\d_-]+)*$/;
const ascii = new TextDecoder();

/** Names one behind the other. */
export function readGeneralNames(list: DerReader): GeneralName[] {
  const names: GeneralName[] = [];
  while (!list.done) {
    const { tag, content } = list.next();
    names.push({ tag, content });
  }
  return names;
}

/**
 * Reads bounds.
 *
 * @throws {SyntaxError} If they are not as they should be: it is unknown then what they let through.
 */
export function readNameConstraints(value: Uint8Array): NameConstraints {
  const whole = new DerReader(value);
  const parts = whole.enter(Tag.sequence);
  const permitted = readSubtrees(parts, Tag.context);
  const excluded = readSubtrees(parts, Tag.context | 1);
  if (!parts.done || !whole.done) throw new SyntaxError("X.509: name constraints hold more than they may");
  return { permitted, excluded };
}

function readSubtrees(parts: DerReader, tag: number): GeneralName[] {
  if (parts.peek() !== tag) return [];
  const subtrees = parts.enter(tag);
  const bases: GeneralName[] = [];
  while (!subtrees.done) {
    const subtree = subtrees.enter(Tag.sequence);
    const base = subtree.next();
    // RFC 5280 leaves minimum and maximum out.
    if (!subtree.done || !GENERAL_NAMES.has(base.tag)) {
      throw new SyntaxError("X.509: a name constraint is not as it should be");
    }
    bases.push(base);
  }
  return bases;
}

/** Whether certificates with `names` may stand below a CA with `bounds`. */
export function isWithin(names: readonly GeneralName[], { permitted, excluded }: NameConstraints): boolean {
  return [...names, SUBJECT].every((name) => {
    const bounds = permitted.filter(({ tag }) => tag === name.tag);
    return (bounds.length === 0 || bounds.some((base) => contains(base, name, false))) &&
      !excluded.some((base) => base.tag === name.tag && contains(base, name, true));
  });
}

/** @param doubtful What is said where it can't be told. */
function contains(base: GeneralName, name: GeneralName, doubtful: boolean): boolean {
  if (name.tag === DNS_NAME) {
    return containsHost(text(base), text(name), doubtful);
  }
  return name.tag === IP_ADDRESS ? containsAddress(base.content, name.content, doubtful) : doubtful;
}

function text({ content }: GeneralName): string {
  return ascii.decode(content).toLowerCase();
}

function containsHost(base: string, host: string, doubtful: boolean): boolean {
  const domain = base.replace(/^\./, "");
  if (!HOST.test(host) || (domain !== "" && !HOST.test(domain))) return doubtful;
  if (domain === "" || host.endsWith(`.${domain}`)) return true;
  if (host === domain) return !base.startsWith(".");
  // A star may stand for what is excluded.
  return doubtful && host.startsWith("*.") && domain.endsWith(host.slice(1));
}

/** @param base Address and mask. */
function containsAddress(base: Uint8Array, address: Uint8Array, doubtful: boolean): boolean {
  const { length } = address;
  const mask = base.subarray(length);
  if ((length !== 4 && length !== 16) || (base.length !== 8 && base.length !== 32)) return doubtful;
  if (mask.length !== length) return false; // of the other kind
  return address.every((byte, at) => ((byte ^ (base[at] ?? 0)) & (mask[at] ?? 0)) === 0);
}
