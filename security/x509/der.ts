/**
 * The little of DER (X.690) that certificates need.
 *
 * @module
 */

/** Tags that occur in certificates. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
  /** `[n]` constructed; `[0]` is this. */
  context: 0xa0,
} as const;

/** One element: its tag, its content, and all of it. */
export interface Element {
  /** First byte. */
  readonly tag: number;
  /** What is inside. */
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
}

/** Reads elements one after the other. Every length is checked against what is there. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  /** Over all of `bytes`. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Tag of the next element; `undefined` at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at];
  }

  /**
   * Next element.
   *
   * @param tag What it must be.
   * @throws {SyntaxError} If it is something else, or cut off.
   */
  next(tag?: number): Element {
    const start = this.#at;
    const actual = this.#byte();
    if (tag !== undefined && actual !== tag) {
      throw new SyntaxError(`DER: expected tag ${tag} at byte ${start}, found ${actual}`);
    }
    const length = this.#length();
    const from = this.#at;
    const to = from + length;
    if (to > this.#bytes.length) throw new SyntaxError(`DER: element at byte ${start} is cut off`);
    this.#at = to;
    return { tag: actual, content: this.#bytes.subarray(from, to), whole: this.#bytes.subarray(start, to) };
  }

  /** A reader of the content of the next element. */
  enter(tag: number): DerReader {
    return new DerReader(this.next(tag).content);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new SyntaxError("DER: unexpected end");
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new SyntaxError(`DER: length of ${count} bytes is not supported`);
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte();
    return length;
  }
}

/** An element of `tag` around the concatenated `parts`. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 0xff];
  if (length > 0xffff) {
    throw new RangeError(`DER: ${length} bytes are more than an element of a certificate has`);
  }
  const element = new Uint8Array(head.length + length);
  element.set(head);
  let at = head.length;
  for (const part of parts) {
    element.set(part, at);
    at += part.length;
  }
  return element;
}

/** An object identifier from its dotted form. */
export function derOid(dotted: string): Uint8Array<ArrayBuffer> {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(Tag.oid, Uint8Array.from(bytes));
}

/**
 * A positive integer from its big-endian bytes: no needless zeros in front, one where the first bit is set.
 */
export function derInteger(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const trimmed = bytes.subarray(from);
  return (trimmed[0] ?? 0) >= 0x80 ? der(Tag.integer, Uint8Array.of(0), trimmed) : der(Tag.integer, trimmed);
}

/** A bit string. */
export function derBitString(unusedBits: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return der(Tag.bitString, Uint8Array.of(unusedBits), bytes);
}

/** The dotted form of an object identifier's content. */
export function oidText(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      if (arcs.length === 0) {
        arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)));
      } else arcs.push(arc);
      arc = 0;
    }
  }
  return arcs.join(".");
}
