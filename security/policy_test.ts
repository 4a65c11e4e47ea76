import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { TestCa } from "../testing/pki/pki.ts";
import { TlsRefusedError } from "./verdict.ts";
import { checkPeer, type HandshakeFacts } from "./policy.ts";
import { parseCertificate } from "./x509/certificate.ts";

const ca = await TestCa.make();
const v3 = parseCertificate((await ca.issue("peer")).cert).raw;
const v1 = parseCertificate((await ca.issue("peer", { version: 1 })).cert).raw;
const good: HandshakeFacts = {
  authorized: true,
  certificate: v3,
  protocol: "TLSv1.3",
  cipher: "TLS_AES_256_GCM_SHA384",
};
const context = { ciphers: undefined, minVersion: "1.2", maxVersion: "1.3" } as const;
const peer = { way: "dial", address: "10.0.0.7:8786", own: '"CN=client"' } as const;

Deno.test("checkPeer accepts a verified v3 peer, and tells who it is", () => {
  const info = checkPeer(good, context, peer);
  assertEquals([info.protocol, info.cipher], ["TLSv1.3", "TLS_AES_256_GCM_SHA384"]);
  const { name, subject, issuer } = info.peer;
  assertEquals([name, subject, issuer], ["CN=peer,O=test", "CN=peer,O=test", "CN=test-ca"]);
});

const refusals: readonly (readonly [what: string, facts: Partial<HandshakeFacts>, said: RegExp])[] = [
  ["that TLS did not verify", { authorized: false }, /does not lead to the CA in "tlsCaFile"$/],
  ["without a certificate", { certificate: undefined }, /it showed no certificate$/],
  ["with an empty certificate", { certificate: new Uint8Array(0) }, /it showed no certificate$/],
  [
    "with garbage for a certificate",
    { certificate: Uint8Array.of(1, 2, 3) },
    /its certificate can't be read: DER: expected tag 48 at byte 0, found 1$/,
  ],
  ["with a v1 certificate", { certificate: v1 }, /"CN=peer,O=test" is X\.509 v1/],
  ["of an older TLS version", { protocol: "TLSv1.1" }, /TLSv1\.1 was negotiated, which is not allowed here$/],
  ["of an unknown TLS version", { protocol: null }, /no TLS version was negotiated/],
];

for (const [what, facts, said] of refusals) {
  Deno.test(`checkPeer refuses a peer ${what}, finally`, () => {
    const error = assertThrows(() => checkPeer({ ...good, ...facts }, context, peer), TlsRefusedError);
    assertMatch(error.message, said);
    assertMatch(error.message, /^TLS link with "10\.0\.0\.7:8786" refused: /);
    assertEquals([error.side, error.final], ["here", true]);
  });
}

Deno.test("checkPeer holds the peer to the range of versions", () => {
  const only12 = { ...context, maxVersion: "1.2" } as const;
  const only13 = { ...context, minVersion: "1.3" } as const;
  assertThrows(() => checkPeer(good, only12, peer), TlsRefusedError);
  assertThrows(() => checkPeer({ ...good, protocol: "TLSv1.2" }, only13, peer), TlsRefusedError);
  checkPeer(good, only13, peer);
  checkPeer({ ...good, protocol: "TLSv1.2" }, only12, peer);
});

Deno.test("checkPeer holds the peer to the suites", () => {
  const ciphers = new Set(["TLS_AES_128_GCM_SHA256"]);
  assertThrows(() => checkPeer(good, { ...context, ciphers }, peer), TlsRefusedError, "does not allow");
  checkPeer({ ...good, cipher: "TLS_AES_128_GCM_SHA256" }, { ...context, ciphers }, peer);
});
