import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { OddCa } from "../../testing/pki/odd_certificates.ts";
import { expired, TestCa, type TestCertificateOptions } from "../../testing/pki/pki.ts";
import { der, derOid, DerReader, oidText, Tag } from "./der.ts";
import { certificateName, fingerprint256, nameText, parseCertificate } from "./certificate.ts";

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
