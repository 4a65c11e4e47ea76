import { assertEquals, assertThrows } from "@std/assert";
import { der, derBitString, derInteger, derOid, DerReader, oidText, Tag } from "./der.ts";

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

Deno.test("DerReader reads lengths of one to five bytes", () => {
  const lengths: readonly (readonly [hex: string, length: number])[] = [
    ["00", 0],
    ["7f", 127],
    ["8105", 5],
    ["8180", 128],
    ["820100", 256],
    ["83000102", 258],
    ["8400000203", 515],
  ];
  for (const [hex, length] of lengths) {
    const content = new Uint8Array(length).fill(7);
    const element = bytes(Tag.octetString, ...Uint8Array.fromHex(hex), ...content);
    const reader = new DerReader(bytes(...element, Tag.boolean, 0));
    assertEquals(reader.next(), { tag: Tag.octetString, content, whole: element }, hex);
    assertEquals([reader.peek(), reader.done], [Tag.boolean, false]);
    assertEquals(reader.next(Tag.boolean).content, bytes());
    assertEquals([reader.peek(), reader.done], [undefined, true]);
  }
});

Deno.test("DerReader says what is wrong, and where", () => {
  const wrong: readonly (readonly [hex: string, words: string])[] = [
    ["", "DER: unexpected end"],
    ["04", "DER: unexpected end"],
    ["0481", "DER: unexpected end"],
    ["0402ff", "DER: element at byte 0 is cut off"],
    ["0480", "DER: length of 0 bytes is not supported"],
    ["04850000000000", "DER: length of 5 bytes is not supported"],
    ["0500", "DER: expected tag 4 at byte 0, found 5"],
  ];
  for (const [hex, words] of wrong) {
    assertThrows(() => new DerReader(Uint8Array.fromHex(hex)).next(Tag.octetString), SyntaxError, words);
  }
  const second = new DerReader(Uint8Array.fromHex("0500" + "0401"));
  second.next();
  assertThrows(() => second.next(), SyntaxError, "element at byte 2 is cut off");
});

Deno.test("der writes lengths as short as they can be, and none above 65535", () => {
  const heads: readonly (readonly [length: number, hex: string])[] = [
    [0, "0400"],
    [0x7f, "047f"],
    [0x80, "048180"],
    [0xff, "0481ff"],
    [0x100, "04820100"],
    [0xffff, "0482ffff"],
  ];
  for (const [length, hex] of heads) {
    const element = der(Tag.octetString, new Uint8Array(length).fill(7));
    assertEquals(element.subarray(0, hex.length / 2).toHex(), hex);
    assertEquals(new DerReader(element).next().content, new Uint8Array(length).fill(7));
  }
  assertThrows(() => der(Tag.octetString, new Uint8Array(0x10000)), RangeError, "65536 bytes");
  assertEquals(der(Tag.sequence, bytes(1, 2), bytes(), bytes(3)), bytes(Tag.sequence, 3, 1, 2, 3));
});

Deno.test("derInteger writes a positive number without needless zeros", () => {
  const numbers: readonly (readonly [bytes: readonly number[], content: readonly number[]])[] = [
    [[0], [0]],
    [[0, 0], [0]],
    [[1], [1]],
    [[0, 0, 5], [5]],
    [[0x7f], [0x7f]],
    [[0x80], [0, 0x80]],
    [[0, 0x80], [0, 0x80]],
    [[1, 0], [1, 0]],
  ];
  for (const [given, content] of numbers) {
    assertEquals(derInteger(bytes(...given)), bytes(Tag.integer, content.length, ...content), given.join());
  }
});

Deno.test("derBitString says how many bits are unused", () => {
  assertEquals(derBitString(7, bytes(0x80)), bytes(Tag.bitString, 2, 7, 0x80));
});

Deno.test("derOid and oidText agree on object identifiers of every shape", () => {
  const oids: readonly (readonly [dotted: string, hex: string])[] = [
    ["0.0", "00"],
    ["0.39", "27"],
    ["1.0", "28"],
    ["1.2.840.10045.4.3.2", "2a8648ce3d040302"],
    ["2.5.29.17", "551d11"],
    ["2.16.840.1.101.3.4.2.1", "608648016503040201"],
    ["1.2.127.128.16383.16384", "2a7f8100ff7f818000"],
  ];
  for (const [dotted, hex] of oids) {
    assertEquals(derOid(dotted).subarray(2).toHex(), hex);
    assertEquals(oidText(Uint8Array.fromHex(hex)), dotted);
  }
  assertEquals(oidText(Uint8Array.fromHex("8837")), "2.999"); // the first two arcs share more than a byte
});
