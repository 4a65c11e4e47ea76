/**
 * Certificates that are one and the same but for their signature. Of an ECDSA signature (r, s) anybody can
 * make another that is as good, (r, n − s), so that a certificate has two fingerprints. Whoever is revoked by
 * one could come back with the other. No other algorithm that is trusted has that.
 *
 * @module
 */

import { der, derBitString, derInteger, DerReader, oidText, Tag } from "./der.ts";
import { fingerprint256 } from "./certificate.ts";

/** Orders of P-256, P-384 and P-521. Of the three, which signed is not known here. */
const ORDERS = [
  0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
] as const;

/** Beginning of the identifiers of ECDSA signatures. */
const ECDSA = "1.2.840.10045.4.";

/** SHA-256 of a certificate, and of those that have another signature in place of its own. */
export function fingerprints(certificate: Uint8Array): string[] {
  return [certificate, ...twins(certificate)].map(fingerprint256);
}

/** Those others, by whichever curve made the signature: one of them is as good as `certificate`. */
export function twins(certificate: Uint8Array): Uint8Array[] {
  try {
    const outer = new DerReader(certificate).enter(Tag.sequence);
    const body = outer.next(Tag.sequence).whole;
    const algorithm = outer.next(Tag.sequence);
    if (!oidText(new DerReader(algorithm.content).next(Tag.oid).content).startsWith(ECDSA)) return [];
    const numbers = new DerReader(outer.next(Tag.bitString).content.subarray(1)).enter(Tag.sequence);
    const r = numbers.next(Tag.integer).whole;
    const s = BigInt(`0x${numbers.next(Tag.integer).content.toHex()}`);
    return ORDERS.filter((order) => s < order).map((order) => {
      const hex = (order - s).toString(16);
      const other = derInteger(Uint8Array.fromHex(hex.padStart(hex.length + hex.length % 2, "0")));
      return der(Tag.sequence, body, algorithm.whole, derBitString(0, der(Tag.sequence, r, other)));
    });
  } catch (error) {
    // No certificate that would be let in.
    if (error instanceof SyntaxError || error instanceof RangeError) return [];
    throw error;
  }
}
