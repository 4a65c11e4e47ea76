import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { madeBy } from "../../testing/pki/made_certificates.ts";
import { certificatePem, claim, OddCa } from "../../testing/pki/odd_certificates.ts";
import { rawDial, RawServer } from "../../testing/raw_tls/raw_tls.ts";
import { dialAs, TestListener } from "../../testing/tls_pair.ts";
import { openssl } from "../../testing/matrix/openssl.ts";
import { Rules } from "../authorization.ts";
import { TlsRefusedError } from "../verdict.ts";
import { der, derBitString, derOid, Tag } from "./der.ts";
import { isSignedBy } from "./signatures.ts";
import { fingerprints, twins } from "./twins.ts";
import { fingerprint256, parseCertificate } from "./certificate.ts";

const ca = await OddCa.make("our-ca");
const leaked = await ca.issue();
const [twin = new Uint8Array()] = twins(leaked.cert);

const P521 = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-nodes", "-sha512"];

for (
  const [curve, make] of [
    ["P-256", () => Promise.resolve(madeBy("openssl-p256").ca)],
    ["P-384", () => Promise.resolve(madeBy("openssl-p384").ca)],
    ["P-521", () => openssl(...P521, "-subj", "/CN=ca", "-keyout", "/dev/null")],
  ] as const
) {
  Deno.test(`twins finds the other signature of a certificate signed with ${curve}, which is as good`, async () => {
    const signed = parseCertificate(await make());
    const good = twins(signed.raw).filter((one) => isSignedBy(one, signed));
    assertEquals(good.length, 1);
    assertEquals(isSignedBy(signed.raw, signed), true);
  });
}

Deno.test("fingerprints of a certificate and of its twin name both", () => {
  const both = [fingerprint256(leaked.cert), fingerprint256(twin)];
  assertEquals(both.every((one) => fingerprints(leaked.cert).includes(one)), true);
  assertEquals(both.every((one) => fingerprints(twin).includes(one)), true);
});

Deno.test("fingerprints of an RSA or Ed25519 certificate, and of nonsense, are but one", () => {
  for (const id of ["openssl-rsa-2048", "openssl-ed25519"]) {
    assertEquals(fingerprints(parseCertificate(madeBy(id).ca).raw).length, 1);
  }
  assertEquals(fingerprints(Uint8Array.of(1, 2, 3)).length, 1);
});

Deno.test("tlsRevoked by fingerprint holds when the certificate comes back with its other signature", async () => {
  const security = { ...await ca.security(), tlsRevoked: [fingerprint256(leaked.cert)] };
  await using listener = await TestListener.start(security);
  for (const cert of [leaked.cert, twin]) {
    await using server = new RawServer(claim([cert], leaked.keys));
    const error = await assertRejects(() => dialAs(security, server.port), TlsRefusedError);
    assertMatch(error.message, /"CN=scheduler" is revoked by "tlsRevoked"/);
    await rawDial(listener.port, claim([cert], leaked.keys));
    const { reason } = await listener.refusals.next();
    assertMatch(reason.message, /"CN=scheduler" is revoked by "tlsRevoked"/);
  }
  assertEquals(listener.streams.left, []);
});

Deno.test("a rule by fingerprint can't be left behind with the other signature", () => {
  const rules = new Rules({
    rules: [
      { fingerprint: fingerprint256(leaked.cert), role: "client", access: "observe" },
      { cn: "*", role: "client", access: "administer" },
    ],
  });
  for (const cert of [leaked.cert, twin]) {
    assertEquals(rules.grant(parseCertificate(certificatePem(cert)))?.access, "observe");
  }
});

Deno.test("twins of what is no ECDSA certificate, or damaged, are none", () => {
  const signed = (oid: string, ...numbers: readonly Uint8Array[]): Uint8Array =>
    der(
      Tag.sequence,
      der(Tag.sequence),
      der(Tag.sequence, derOid(oid)),
      derBitString(0, der(Tag.sequence, ...numbers)),
    );
  const number = (...bytes: readonly number[]) => der(Tag.integer, Uint8Array.from(bytes));
  const ecdsa = "1.2.840.10045.4.3.2";
  assertEquals(twins(signed(ecdsa, number(5), number(1))).length, 3);
  assertEquals(twins(signed("1.2.840.113549.1.1.11", number(5), number(1))), []);
  assertEquals(twins(signed(ecdsa, number(5))), []);
  // A number that only the largest curve has.
  assertEquals(twins(signed(ecdsa, number(5), number(1, ...new Uint8Array(50)))).length, 1);
  const [small = new Uint8Array()] = twins(signed(ecdsa, number(5), number(1)));
  const order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550";
  assertEquals(small, signed(ecdsa, number(5), number(0, ...Uint8Array.fromHex(order))));
  assertEquals(
    twins(small).map((one) => one.toHex()).includes(signed(ecdsa, number(5), number(1)).toHex()),
    true,
  );
});
