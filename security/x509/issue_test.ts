import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { createHash, createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { OddCa, publicKeyOf } from "../../testing/pki/odd_certificates.ts";
import { parseLists } from "../revocation.ts";
import { parseCertificate } from "./certificate.ts";
import { DerReader, Tag } from "./der.ts";
import {
  type CertificateContent,
  derName,
  derTime,
  ecdsaSignature,
  keyIdOf,
  keyPem,
  makeCertificate,
  makeKeys,
  makeRevocationList,
  pem,
} from "./issue.ts";
import { isSignedBy } from "./signatures.ts";

const keys = await makeKeys();
const subject = [["O", "acme"], ["OU", "lab"], ["CN", "x"]] as const;
const content: CertificateContent = {
  subject,
  publicKey: keys.publicKey,
  issuer: { name: subject, keys },
  validFrom: new Date("2020-01-02T03:04:05Z"),
  validTo: new Date("2060-01-02T03:04:05Z"),
};

async function extensionsOf(more: Partial<CertificateContent>) {
  return parseCertificate(await makeCertificate({ ...content, ...more })).extensions;
}

const SERVER = "1.3.6.1.5.5.7.3.1";
const CLIENT = "1.3.6.1.5.5.7.3.2";

Deno.test("makeCertificate writes what was asked for", async () => {
  const certificate = parseCertificate(await makeCertificate(content));
  assertEquals(certificate.subject, subject);
  assertEquals(certificate.issuer, subject);
  assertEquals([certificate.version, certificate.validFrom, certificate.validTo], [
    3,
    content.validFrom,
    content.validTo,
  ]);
  assert(isSignedBy(certificate.raw, certificate));
  assertMatch(certificate.serial, /^[4-7][\dA-F]{31}$/);
  const [a, b] = [await makeCertificate(content), await makeCertificate(content)].map(parseCertificate);
  assert(a?.serial !== b?.serial);
});

Deno.test("makeCertificate gives roles and CAs the extensions that each needs", async () => {
  const role = await extensionsOf({ dnsNames: ["a.example"], uris: ["spiffe://a/b", "spiffe://a/c"] });
  assertEquals(
    [role.isCa, role.signsHandshakes, role.signsCertificates, role.signsCrls, role.usages],
    [false, true, false, false, [SERVER, CLIENT]],
  );
  assertEquals([role.dnsNames, role.uris], [["a.example"], ["spiffe://a/b", "spiffe://a/c"]]);
  const ca = await extensionsOf({ ca: true });
  assertEquals(
    [ca.isCa, ca.signsHandshakes, ca.signsCertificates, ca.signsCrls, ca.usages, ca.names],
    [true, false, true, true, undefined, []],
  );
  assertEquals((await extensionsOf({ usages: ["clientAuth"] })).usages, [CLIENT]);
  assertEquals((await extensionsOf({ uris: ["spiffe://a/b"] })).uris, ["spiffe://a/b"]);
  const old = parseCertificate(await makeCertificate({ ...content, version: 1, dnsNames: ["a"] }));
  assertEquals([old.version, old.extensions.dnsNames, old.extensions.usages], [1, [], undefined]);
});

Deno.test("makeCertificate names keys by their SHA-1, and the issuer's as it is told", async () => {
  const spki = await publicKeyOf(keys);
  const own = createHash("sha1").update(spki).digest();
  assertEquals(await keyIdOf(spki), new Uint8Array(own));
  const text = (pem: string): string => parseCertificate(pem).raw.toHex();
  const keyId = Uint8Array.of(0xde, 0xad, 0xbe, 0xef);
  const ofOwn = text(await makeCertificate(content));
  assertEquals(ofOwn.split(own.toString("hex")).length, 3, "subject's and authority's");
  const told = text(await makeCertificate({ ...content, issuer: { ...content.issuer, keyId } }));
  assert(told.includes("30068004deadbeef"), told);
});

Deno.test("makeCertificate takes the issuer's name as DER, which stays as it is", async () => {
  const ca = await OddCa.make("odd");
  const certificate = parseCertificate(
    await makeCertificate({ ...content, issuer: { name: ca.name, keys: ca.keys } }),
  );
  assertEquals(certificate.issuer, [["CN", "odd"]]);
  assert(isSignedBy(certificate.raw, parseCertificate(ca.cert)));
  assertThrows(() => derName([["X", "y"]]), TypeError, 'name attribute "X"');
});

Deno.test("makeRevocationList writes lists that say who is revoked, and empty ones", async () => {
  const dates = {
    thisUpdate: new Date("2024-01-01T00:00:00Z"),
    nextUpdate: new Date("2055-01-01T00:00:00Z"),
  };
  for (const serials of [["ABC", "80", "1234"], []]) {
    const raw = await makeRevocationList({ issuer: content.issuer, ...dates, serials });
    const [list] = parseLists(raw, "x.crl");
    assertEquals([...list?.serials ?? ["none"]], serials);
    assertEquals([list?.thisUpdate, list?.nextUpdate], [dates.thisUpdate, dates.nextUpdate]);
    assert(isSignedBy(raw, parseCertificate(await makeCertificate({ ...content, ca: true }))));
    const parts = new DerReader(raw).enter(Tag.sequence).enter(Tag.sequence);
    let count = 0;
    for (; !parts.done; count++) parts.next();
    assertEquals(count, serials.length > 0 ? 6 : 5);
  }
});

Deno.test("derTime changes its form in 2050, as RFC 5280 wants it", () => {
  const textOf = (date: string): string => {
    const { tag, content } = new DerReader(derTime(new Date(date))).next();
    return `${tag} ${new TextDecoder().decode(content)}`;
  };
  assertEquals(textOf("2049-12-31T23:59:59Z"), `${Tag.utcTime} 491231235959Z`);
  assertEquals(textOf("2050-01-01T00:00:00Z"), `${Tag.generalizedTime} 20500101000000Z`);
});

Deno.test("ecdsaSignature writes both halves as numbers", () => {
  const raw = Uint8Array.of(0, 5, 0x80, 1);
  assertEquals(ecdsaSignature(raw).toHex(), "3008" + "020105" + "0203008001");
});

Deno.test("pem has lines of 64 characters, and keyPem is read by others", async () => {
  const text = pem("X", new Uint8Array(49));
  assertEquals(text, `-----BEGIN X-----\n${"A".repeat(64)}\nAA==\n-----END X-----\n`);
  assertEquals(pem("X", new Uint8Array()), "-----BEGIN X-----\n\n-----END X-----\n");
  const key = createPrivateKey(await keyPem(keys));
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  assertEquals(new Uint8Array(spki), await publicKeyOf(keys));
  const certificate = new X509Certificate(await makeCertificate(content));
  assert(certificate.checkPrivateKey(key));
});
