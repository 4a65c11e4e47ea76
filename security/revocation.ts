/**
 * Certificates that are not to be trusted any more: revocation lists (RFC 5280, 5) and a list of our own.
 * Deno's TLS layer takes revocation lists and ignores them, so that they are enforced here.
 *
 * @module
 */

import { getLogger } from "../config/logging.ts";
import { hexOf } from "./x509/certificate.ts";
import { DerReader, Tag } from "./x509/der.ts";
import { SecurityError } from "./material/errors.ts";
import { checkWhole, isText, whyUnreadable } from "./material/pem.ts";
import { isSignedBy } from "./x509/signatures.ts";
import { fingerprints } from "./x509/twins.ts";
import {
  type Certificate,
  fingerprint256,
  isSame,
  type NameAttribute,
  nameText,
  readName,
  readTime,
  serialText,
} from "./x509/certificate.ts";
import { extensionList } from "./x509/extensions.ts";

const logger = getLogger("distributed.security");

/** A revocation list, read but not checked. */
export interface RevocationList {
  /** Who signed it, and whose certificates it is about. */
  readonly issuer: readonly NameAttribute[];
  /** When it was made. */
  readonly thisUpdate: Date;
  /** When there is a newer one at the latest; absent: never. */
  readonly nextUpdate: Date | undefined;
  /** Serial numbers of the revoked certificates, upper-case hexadecimal. */
  readonly serials: ReadonlySet<string>;
  /** DER. */
  readonly raw: Uint8Array;
}

const PEM_CRL = /-----BEGIN X509 CRL-----([\s\S]*?)-----END X509 CRL-----/g;
/** CRL number and authority key id change nothing for us; reason, invalidity date neither. */
const HARMLESS = new Set(["2.5.29.20", "2.5.29.35", "2.5.29.21", "2.5.29.24"]);
/** As `openssl x509 -fingerprint` prints one; serial numbers it prints without colons, or in lower case. */
const SHA1_FINGERPRINT = /^[0-9A-F]{2}(?::[0-9A-F]{2}){19}$/;
/** More than any list that makes sense in memory. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * The lists in a file: PEM blocks with anything around them, or DER, one behind the other.
 *
 * @throws {SecurityError} If there is none, or one can't be read.
 */
export function parseLists(bytes: Uint8Array, label: string): RevocationList[] {
  const lists: RevocationList[] = [];
  try {
    if (bytes[0] === Tag.sequence) {
      const all = new DerReader(bytes);
      while (!all.done) lists.push(parseList(all.next(Tag.sequence).whole));
    } else {
      const text = new TextDecoder().decode(bytes);
      for (const [, base64 = ""] of text.matchAll(PEM_CRL)) {
        lists.push(parseList(Uint8Array.fromBase64(base64)));
      }
      checkWhole(text, lists.length, label);
    }
  } catch (cause) {
    if (cause instanceof SecurityError) throw cause;
    throw new SecurityError(`${label} holds a revocation list that can't be read`, { cause });
  }
  if (lists.length === 0) {
    throw new SecurityError(
      `${label} holds no revocation list: it must be PEM ("-----BEGIN X509 CRL-----") or DER`,
    );
  }
  return lists;
}

function parseList(raw: Uint8Array): RevocationList {
  const list = new DerReader(raw).enter(Tag.sequence).enter(Tag.sequence);
  if (list.peek() === Tag.integer) list.next(); // version
  list.next(Tag.sequence); // signature algorithm
  const issuer = readName(list.enter(Tag.sequence));
  const thisUpdate = readTime(list);
  const next = list.peek();
  const nextUpdate = next === Tag.utcTime || next === Tag.generalizedTime ? readTime(list) : undefined;
  const serials = new Set<string>();
  if (list.peek() === Tag.sequence) {
    const entries = list.enter(Tag.sequence);
    while (!entries.done) {
      const entry = entries.enter(Tag.sequence);
      serials.add(serialText(entry.next(Tag.integer).content));
      entry.next(); // when
      if (!entry.done) refuseUnknown(entry.enter(Tag.sequence));
    }
  }
  if (list.peek() === Tag.context) refuseUnknown(list.enter(Tag.context).enter(Tag.sequence));
  return { issuer, thisUpdate, nextUpdate, serials, raw };
}

/**
 * A critical extension that we don't know may say that the list is about something else: a part, a
 * difference.
 */
function refuseUnknown(extensions: DerReader): void {
  for (const { oid, critical } of extensionList(extensions)) {
    if (critical && !HARMLESS.has(oid)) {
      throw new SyntaxError(`X.509 CRL: critical extension ${oid} is not known`);
    }
  }
}

/**
 * Reads the file of `tlsCrlFile`, or takes it as PEM text if it has a newline.
 *
 * @throws {SecurityError} If it can't be read.
 */
export async function readLists(value: string): Promise<RevocationList[]> {
  if (isText(value)) return parseLists(new TextEncoder().encode(value), '"tlsCrlFile" (PEM text)');
  const label = `"tlsCrlFile" file "${value}"`;
  let bytes: Uint8Array;
  try {
    const { size, isFile, isDirectory } = await Deno.stat(value);
    if (isDirectory) throw new TypeError("it is a directory; name a file in it");
    if (isFile && size > MAX_BYTES) throw new RangeError(`it is larger than ${MAX_BYTES} bytes`);
    bytes = await Deno.readFile(value);
  } catch (cause) {
    throw new SecurityError(`Cannot read ${label}: ${whyUnreadable(cause, value)}`, { cause });
  }
  return parseLists(bytes, label);
}

/**
 * Checks who signed `lists`, and when.
 *
 * @param issuers Certificates that may have signed: the trusted CAs and what stands behind the own
 * certificate.
 * @param isHeld Whether a list is in use already: then it may have expired, which refuses new peers.
 * @throws {SecurityError} If one is not signed by any of them, or is not valid at `now`.
 */
export function checkLists(
  lists: readonly RevocationList[],
  issuers: readonly Certificate[],
  now: Date,
  isHeld: (list: RevocationList) => boolean = () => false,
): void {
  for (const list of lists) {
    const name = `The revocation list of "${nameText(list.issuer)}" in "tlsCrlFile"`;
    const named = issuers.filter((issuer) => nameText(issuer.subject) === nameText(list.issuer));
    if (named.length === 0) {
      throw new SecurityError(
        `${name} is of no CA in "tlsCaFile": take it out, or replace it in the same step as the CA`,
      );
    }
    if (!named.some((issuer) => issuer.extensions.signsCrls && isSignedBy(list.raw, issuer))) {
      throw new SecurityError(
        `${name} has a wrong signature: the CA in "tlsCaFile" did not sign it. It is forged, or of another CA with the same ` +
          "name: after a change of the CA, replace the list, too",
      );
    }
    if (list.thisUpdate > now) {
      throw new SecurityError(
        `${name} begins ${list.thisUpdate.toISOString()}, which is not yet: compare the clocks`,
      );
    }
    if (list.nextUpdate !== undefined && list.nextUpdate < now) {
      const text = `${name} has expired ${list.nextUpdate.toISOString()}: fetch the present one`;
      if (!isHeld(list)) throw new SecurityError(text);
      logger.warning(`${text}; until then nobody new of its CA is let in`);
    }
  }
}

/**
 * Checks `tlsRevoked`.
 *
 * @throws {SecurityError} If an entry is neither a fingerprint nor a serial number.
 */
export function checkRevoked(value: unknown): readonly string[] {
  if (!Array.isArray(value)) {
    throw new SecurityError('Security option "tlsRevoked" must be an array of texts');
  }
  for (const [at, entry] of (value as unknown[]).entries()) {
    if (typeof entry !== "string") {
      throw new SecurityError(
        `"tlsRevoked[${at}]" must be text (in YAML, put it in quotes), not a ${typeof entry}`,
      );
    }
    if (!/^(?:[0-9A-F]{64}|[0-9A-F]{1,40})$/.test(hexOf(entry))) {
      throw new SecurityError(
        `"tlsRevoked[${at}]" is "${entry}": it must be a SHA-256 fingerprint (64 hexadecimal digits), or a serial ` +
          "number in hexadecimal (40 digits at most), as openssl x509 prints them",
      );
    }
    if (SHA1_FINGERPRINT.test(entry)) {
      logger.warning(
        `"tlsRevoked[${at}]" is taken for a serial number; if it is a SHA-1 fingerprint, it revokes nothing: give ` +
          'that of SHA-256 ("openssl x509 -noout -fingerprint -sha256 -in CERT")',
      );
    }
  }
  return [...value as string[]];
}

/** What is revoked, ready to be asked. */
export class Revocation {
  readonly #lists: readonly RevocationList[];
  readonly #fingerprints = new Set<string>();
  readonly #serials = new Set<string>();
  /** Who signed a list, by fingerprint. */
  readonly #signers = new Map<RevocationList, Map<string, boolean>>();

  /** Of lists and entries that were checked. */
  constructor(lists: readonly RevocationList[], revoked: readonly string[]) {
    this.#lists = lists;
    for (const entry of revoked.map(hexOf)) {
      if (entry.length === 64) this.#fingerprints.add(entry);
      else this.#serials.add(entry.replace(/^0+(?=.)/, ""));
    }
  }

  /** The lists. */
  get lists(): readonly RevocationList[] {
    return this.#lists;
  }

  /** Whether a list is one of these, byte for byte. */
  has(list: RevocationList): boolean {
    return this.#lists.some((one) => isSame(one, list));
  }

  /** Whether `tlsRevoked` names a certificate. */
  names({ raw, serial }: Certificate): boolean {
    if (this.#serials.has(serial)) return true;
    return this.#fingerprints.size > 0 && fingerprints(raw).some((one) => this.#fingerprints.has(hexOf(one)));
  }

  /**
   * The first certificate of a path that is revoked, and why, to be put behind "its certificate"; nothing if
   * none is.
   *
   * @param path Each with its issuer behind it.
   */
  refusal(
    path: readonly Certificate[],
  ): { readonly certificate: Certificate; readonly reason: string } | undefined {
    for (const [at, certificate] of path.entries()) {
      const { serial } = certificate;
      if (this.names(certificate)) {
        return { certificate, reason: `is revoked by "tlsRevoked" (serial ${serial})` };
      }
      if (this.#listsOf(path, at).some((list) => list.serials.has(serial))) {
        return { certificate, reason: `is revoked by its CA (serial ${serial})` };
      }
    }
    return undefined;
  }

  /** Why a path lets no new peer in: a list that counts for it is out of date. */
  staleness(path: readonly Certificate[], now: Date): string | undefined {
    for (const [at, { issuer }] of path.entries()) {
      const own = this.#listsOf(path, at);
      const dated = own.flatMap(({ nextUpdate }) => nextUpdate === undefined ? [] : [nextUpdate]);
      if (own.length === 0 || dated.length < own.length || dated.some((until) => until >= now)) continue;
      return `can't be checked: the revocation list of "${
        nameText(issuer)
      }" has expired; fetch the present one`;
    }
    return undefined;
  }

  /** The lists that are about `path[at]`: signed by the key that signed it. Two CAs may have one name. */
  #listsOf(path: readonly Certificate[], at: number): RevocationList[] {
    const [certificate, issuer = certificate] = path.slice(at, at + 2);
    if (certificate === undefined || issuer === undefined) return [];
    const name = nameText(certificate.issuer);
    return this.#lists.filter((list) => nameText(list.issuer) === name && this.#isBy(list, issuer));
  }

  #isBy(list: RevocationList, issuer: Certificate): boolean {
    let known = this.#signers.get(list);
    if (known === undefined) this.#signers.set(list, known = new Map());
    const id = fingerprint256(issuer.raw);
    let isBy = known.get(id);
    if (isBy === undefined) known.set(id, isBy = isSignedBy(list.raw, issuer));
    return isBy;
  }
}
