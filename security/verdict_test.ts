import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { TlsRefusedError } from "./verdict.ts";
import { asRefusal, hungUp, type TlsPeer } from "./verdict.ts";

const dialled: TlsPeer = { way: "dial", address: "h:1", own: '"CN=me"' };
const accepted: TlsPeer = { way: "accept", address: "h:1", own: '"CN=me"' };

function error(code: string, message = "words"): Error {
  return Object.assign(new Error(message), { code });
}

/** As Deno 2.9.6 was seen to report them. */
const table:
  readonly (readonly [code: string, message: string, side: "here" | "peer", final: boolean, said: string])[] =
    [
      [
        "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
        "received fatal alert: UnknownCA",
        "peer",
        true,
        "does not trust the issuer",
      ],
      [
        "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "received fatal alert: CertificateRequired",
        "peer",
        true,
        "demands a certificate",
      ],
      [
        "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
        "received fatal alert: CertificateRequired",
        "peer",
        true,
        "demands a certificate",
      ],
      [
        "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "received fatal alert: CertificateExpired",
        "peer",
        true,
        "has expired, by its clock",
      ],
      [
        "ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "received fatal alert: CertificateUnknown",
        "peer",
        true,
        "refused our certificate",
      ],
      [
        "ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "received fatal alert: UnsupportedCertificate",
        "peer",
        true,
        "refused our certificate",
      ],
      [
        "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
        "received fatal alert: ProtocolVersion",
        "peer",
        true,
        "no TLS version suits both",
      ],
      [
        "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR",
        "received fatal alert: InternalError",
        "peer",
        false,
        "ended the handshake",
      ],
      [
        "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE",
        "peer sent no certificates",
        "here",
        true,
        "showed no certificate",
      ],
      [
        "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
        "unable to get local issuer certificate",
        "here",
        true,
        "does not lead to the CA",
      ],
      [
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "unable to verify the first certificate",
        "here",
        true,
        "can't be verified",
      ],
      [
        "SELF_SIGNED_CERT_IN_CHAIN",
        "self-signed certificate in certificate chain",
        "here",
        true,
        "does not lead to the CA",
      ],
      ["ERR_SSL_WRONG_VERSION_NUMBER", "wrong version number", "here", true, "does not speak TLS"],
      [
        "ERR_SSL_UNSUPPORTED_PROTOCOL",
        "unsupported protocol",
        "here",
        true,
        "no TLS version or cipher suite",
      ],
      ["ERR_TLS_HANDSHAKE_TIMEOUT", "TLS handshake timeout", "here", false, "in time"],
      ["ECONNRESET", "socket hang up", "peer", false, "closed the link during the TLS handshake"],
    ];

Deno.test("asRefusal says who refused, whether it is final, and why", () => {
  for (const [code, message, side, final, said] of table) {
    const cause = error(code, message);
    for (const peer of [dialled, accepted]) {
      const refusal = asRefusal(cause, peer, "handshake");
      assert(refusal instanceof TlsRefusedError, code);
      assertEquals([refusal.side, refusal.final, refusal.code], [side, final, "TLS_REFUSED"], code);
      assert(refusal.message.includes(said), refusal.message);
      assertStrictEquals(refusal.cause, cause);
    }
  }
});

Deno.test("asRefusal leaves alone what is no refusal", () => {
  for (const code of ["ECONNREFUSED", "ENOTFOUND", "EMFILE"]) {
    const cause = error(code);
    assertStrictEquals(asRefusal(cause, dialled, "handshake"), cause);
  }
  const reset = error("ECONNRESET", "read ECONNRESET");
  assertStrictEquals(asRefusal(reset, dialled, "link"), reset);
  const made = hungUp(dialled);
  assertStrictEquals(asRefusal(made, dialled, "handshake"), made);
});

Deno.test("asRefusal knows a late alert on a link that is up", () => {
  const late = asRefusal(
    error("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "received fatal alert: UnknownCA"),
    dialled,
    "link",
  );
  assertEquals(
    late.message,
    'TLS link was refused by "h:1": it does not trust the issuer of our certificate "CN=me"',
  );
});
