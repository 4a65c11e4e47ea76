import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { OddCa } from "../../testing/pki/odd_certificates.ts";
import { expired, TestCa, type TestCertificateOptions } from "../../testing/pki/pki.ts";
import { der, derOid, DerReader, oidText, Tag } from "./der.ts";
import {
  certificateName,
  fingerprint256,
  hexOf,
  isSame,
  nameText,
  parseCertificate,
  readName,
  readTime,
  serialText,
} from "./certificate.ts";

const encoder = new TextEncoder();

/** One attribute of a name. */
function attribute(oid: string, value: Uint8Array): Uint8Array {
  return der(Tag.sequence, derOid(oid), value);
}

Deno.test("parseCertificate reads what node:crypto reads", async () => {
  const ca = await TestCa.make("the ca");
  const { cert } = await ca.issue("worker-1", {
    subject: [["O", "acme"], ["OU", "lab"], ["CN", "worker-1"]],
  });
  const theirs = new X509Certificate(cert);
  const ours = parseCertificate(cert);
  assertEquals(ours.version, 3);
  assertEquals(nameText(ours.subject), "CN=worker-1,OU=lab,O=acme");
  assertEquals(theirs.subject, "O=acme\nOU=lab\nCN=worker-1");
  assertEquals(nameText(ours.issuer), "CN=the ca");
  assertEquals(fingerprint256(ours.raw), theirs.fingerprint256);
  assertEquals(ours.validTo, new Date(theirs.validTo));
  assertEquals(ours.validFrom, new Date(theirs.validFrom));
});

Deno.test("parseCertificate reads dates beyond 2050, where their form changes", async () => {
  const ca = await TestCa.make();
  const validTo = new Date("2061-02-03T04:05:06Z");
  const { cert } = await ca.issue("x", { validTo });
  assertEquals(parseCertificate(cert).validTo, validTo);
  assertEquals(new Date(new X509Certificate(cert).validTo), validTo);
});

Deno.test("parseCertificate refuses a time that there is not, and prints it on one line", async () => {
  const ca = await OddCa.make("ca");
  for (
    const text of [
      "200230000000Z",
      "201301000000Z",
      "200101240000Z",
      "200101000060Z",
      "2001010000Z",
      "2\n0101000000Z",
    ]
  ) {
    const time = der(Tag.utcTime, new TextEncoder().encode(text));
    const { cert } = await ca.issue({ validity: der(Tag.sequence, time, time) });
    const error = assertThrows(() => parseCertificate(cert), SyntaxError);
    assertMatch(error.message, /^X\.509: "[\dAZ\\]+" is not a time$/);
  }
});

Deno.test("parseCertificate tells v1 from v3", async () => {
  const ca = await TestCa.make();
  assertEquals(parseCertificate((await ca.issue("x", { version: 1 })).cert).version, 1);
  assertEquals(parseCertificate((await ca.issue("x", expired())).cert).version, 3);
});

Deno.test("parseCertificate refuses what is cut off, at every byte", async () => {
  const { raw } = parseCertificate((await TestCa.make()).pem);
  for (let length = 0; length < raw.length; length++) {
    assertThrows(() => parseCertificate(raw.subarray(0, length)), SyntaxError);
  }
});

Deno.test("nameText escapes what could be read as another attribute or forge a line of a log", () => {
  assertEquals(nameText([["O", "a,CN=b"], ["CN", 'x\nERROR "y"']]), 'CN=x\\0AERROR \\"y\\",O=a\\,CN\\=b');
  assertEquals(nameText([["CN", "\u001b[31m\u202e"]]), "CN=\\1B[31m\\202E");
});

Deno.test("certificateName is the subject, and what else tells certificates without a common name apart", async () => {
  const ca = await TestCa.make();
  const nameOf = async (options: TestCertificateOptions) =>
    certificateName(parseCertificate((await ca.issue("x", options)).cert));
  const names = { uris: ["spiffe://acme/w", "spiffe://acme/v"], dnsNames: ["w.acme", "v.acme"] };
  assertEquals(await nameOf({ subject: [["O", "acme"], ["CN", "w"]], ...names }), "CN=w,O=acme");
  assertEquals(await nameOf({ subject: [["O", "acme"]] }), "O=acme");
  assertEquals(await nameOf({ subject: [["O", "acme"]], ...names }), "O=acme (URI:spiffe://acme/w)");
  assertEquals(await nameOf({ subject: [], ...names }), "URI:spiffe://acme/w");
  assertEquals(await nameOf({ subject: [], dnsNames: names.dnsNames }), "DNS:w.acme");
  assertEquals(
    await nameOf({ subject: [], uris: ['spiffe://a/\n"ERROR\u202e?b=c;d'] }),
    'URI:spiffe://a/\\0A\\"ERROR\\202E?b=c;d',
  );
  const nameless = parseCertificate((await ca.issue("x", { subject: [] })).cert);
  assertEquals(certificateName(nameless), `SHA-256 ${fingerprint256(nameless.raw)}`);
});

Deno.test("makeCertificate's signatures verify, and its extensions are read by node:crypto", async () => {
  const ca = await TestCa.make();
  // r and s have a leading zero now and then: enough rounds to see both forms.
  for (let round = 0; round < 20; round++) {
    const { cert } = await ca.issue("x", { dnsNames: ["localhost"] });
    const leaf = new X509Certificate(cert);
    const root = new X509Certificate(ca.pem);
    assertEquals(leaf.verify(root.publicKey), true);
    assertEquals([leaf.ca, root.ca], [false, true]);
    assertEquals(leaf.subjectAltName, "DNS:localhost");
  }
});

Deno.test("derOid and oidText are each other's inverse", () => {
  for (const oid of ["2.5.4.3", "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.1", "1.3.6.1.5.5.7.3.1"]) {
    assertEquals(oidText(new DerReader(derOid(oid)).next().content), oid);
  }
});

Deno.test("readName names attributes as RFC 4514 does, and others by their numbers", () => {
  const types: readonly (readonly [oid: string, type: string])[] = [
    ["2.5.4.3", "CN"],
    ["2.5.4.5", "SERIALNUMBER"],
    ["2.5.4.6", "C"],
    ["2.5.4.7", "L"],
    ["2.5.4.8", "ST"],
    ["2.5.4.10", "O"],
    ["2.5.4.11", "OU"],
    ["0.9.2342.19200300.100.1.1", "UID"],
    ["0.9.2342.19200300.100.1.25", "DC"],
    ["1.2.840.113549.1.9.1", "E"],
    ["2.5.4.12", "2.5.4.12"],
  ];
  const attributes = types.map(([oid], i) => attribute(oid, der(Tag.utf8String, encoder.encode(`v${i}`))));
  const name = der(Tag.sequence, ...attributes.map((one) => der(Tag.set, one)));
  assertEquals(
    readName(new DerReader(name).enter(Tag.sequence)),
    types.map(([, type], i) => [type, `v${i}`]),
  );
  const two = der(Tag.sequence, der(Tag.set, ...attributes.slice(0, 2)));
  assertEquals(readName(new DerReader(two).enter(Tag.sequence)), [["CN", "v0"], ["SERIALNUMBER", "v1"]]);
});

Deno.test("readName reads texts of one and two bytes a character, byte order marks as they are", () => {
  const textOf = (value: Uint8Array): string | undefined => {
    const name = der(Tag.sequence, der(Tag.set, attribute("2.5.4.3", value)));
    return readName(new DerReader(name).enter(Tag.sequence))[0]?.[1];
  };
  assertEquals(textOf(der(0x1e, Uint8Array.of(0, 0x61, 0x20, 0xac))), "a\u20ac");
  assertEquals(textOf(der(0x1e, Uint8Array.of(0xfe, 0xff, 0, 0x61))), "\ufeffa");
  assertEquals(textOf(der(Tag.utf8String, encoder.encode("\ufeff\u20ac"))), "\ufeff\u20ac");
  assertEquals(textOf(der(0x13, encoder.encode("printable"))), "printable");
});

Deno.test("readTime takes two-digit years for those from 1950 to 2049, and no other form", () => {
  const timeOf = (tag: number, text: string): Date => readTime(new DerReader(der(tag, encoder.encode(text))));
  assertEquals(timeOf(Tag.utcTime, "500101000000Z"), new Date("1950-01-01T00:00:00Z"));
  assertEquals(timeOf(Tag.utcTime, "491231235959Z"), new Date("2049-12-31T23:59:59Z"));
  assertEquals(timeOf(Tag.generalizedTime, "19491231235959Z"), new Date("1949-12-31T23:59:59Z"));
  for (
    const [tag, text] of [
      [Tag.utcTime, "20491231235959Z"],
      [Tag.generalizedTime, "491231235959Z"],
      [Tag.utf8String, "20491231235959Z"],
      [Tag.generalizedTime, "20491231235959"],
      [Tag.generalizedTime, "20491231235959Z0"],
      [Tag.generalizedTime, "020491231235959Z"],
      [Tag.generalizedTime, "20491231235959.5Z"],
      [Tag.generalizedTime, "20491231235959+0100"],
    ] as const
  ) assertThrows(() => timeOf(tag, text), SyntaxError, `"${text}" is not a time`);
});

Deno.test("parseCertificate reads PEM and DER alike, refuses what is no base64, and keeps a copy", async () => {
  const { pem } = await TestCa.make();
  const certificate = parseCertificate(pem);
  const der = Uint8Array.from(certificate.raw);
  const copy = parseCertificate(der);
  assertEquals(copy, certificate);
  der.fill(0);
  assertEquals(copy.raw, certificate.raw);
  assertEquals(parseCertificate(pem.replaceAll("\n", "\r\n  ")), certificate);
  const error = assertThrows(
    () => parseCertificate(pem.replace("MII", "M*I")),
    SyntaxError,
    "PEM: not base64",
  );
  assert(error.cause instanceof SyntaxError);
});

Deno.test("serialText and hexOf write hexadecimal digits one way", () => {
  assertEquals(serialText(Uint8Array.of(0, 0x0a, 0xb0, 0)), "AB000");
  assertEquals(serialText(Uint8Array.of(0, 0)), "0");
  assertEquals(hexOf("0xaB:cd"), "ABCD");
  assertEquals(hexOf("0XAB"), "AB");
  assertEquals(hexOf("a0xb"), "A0XB");
});

Deno.test("fingerprint256 and isSame go by every byte", () => {
  const [one, other] = [Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 4)];
  assertEquals(
    fingerprint256(one),
    "03:90:58:C6:F2:C0:CB:49:2C:53:3B:0A:4D:14:EF:77:CC:0F:78:AB:CC:CE:D5:28:7D:84:A1:A2:01:1C:FB:81",
  );
  assertEquals(isSame({ raw: one }, { raw: Uint8Array.from(one) }), true);
  assertEquals(isSame({ raw: one }, { raw: other }), false);
  assertEquals(isSame({ raw: one }, { raw: one.subarray(0, 2) }), false);
  assertEquals(isSame({ raw: one.subarray(0, 2) }, { raw: one }), false);
});

Deno.test("nameText escapes every character that RFC 4514 gives a meaning", () => {
  assertEquals(nameText([["CN", ',+"\\<>;=']]), 'CN=\\,\\+\\"\\\\\\<\\>\\;\\=');
  assertEquals(nameText([["CN", "\u2028\u2029\u0001"]]), "CN=\\2028\\2029\\01");
  assertEquals(nameText([]), "");
});
