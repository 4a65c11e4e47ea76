import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  checkListenerCiphers,
  cipherAllowed,
  DENO_SUITES,
  forbiddenPreference,
  parseCiphers,
  unknownCipherWords,
} from "./ciphers.ts";
import { SecurityError } from "../material/errors.ts";

const TLS13 = DENO_SUITES.slice(0, 3);

Deno.test("parseCiphers takes what OpenSSL makes of a string for TLS 1.2, and all of TLS 1.3", () => {
  assertEquals(
    parseCiphers("ECDHE+AESGCM:!AES128"),
    new Set([...TLS13, "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"]),
  );
  assertEquals(parseCiphers("HIGH:!aNULL"), new Set(DENO_SUITES));
});

Deno.test("parseCiphers takes the suites of TLS 1.3 that are named, and no others", () => {
  assertEquals(parseCiphers("TLS_AES_256_GCM_SHA384"), new Set(["TLS_AES_256_GCM_SHA384"]));
  assertEquals(
    parseCiphers("ECDHE-RSA-AES256-GCM-SHA384:TLS_AES_128_GCM_SHA256"),
    new Set(["TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]),
  );
});

Deno.test("parseCiphers refuses a string that fits no suite that Deno has", () => {
  for (
    const text of ["DHE-RSA-AES256-SHA:AES128-SHA", ":", "HIGH:!HIGH", "TLS_AES_128_CCM_SHA256", "SHA384"]
  ) {
    const { message } = assertThrows(() => parseCiphers(text), SecurityError);
    assertMatch(
      message,
      /^"tlsCiphers" ".*" has no suite that Deno can negotiate: it has TLS_AES_256_GCM_SHA384, /,
    );
  }
});

Deno.test("parseCiphers refuses a string that fits none of the versions", () => {
  const only13 = "TLS_AES_256_GCM_SHA384";
  assertThrows(() => parseCiphers(only13, "1.2", "1.2"), SecurityError, "with TLS 1.2 alone");
  assertThrows(() => parseCiphers("CHACHA20:TLS_AES_128_CCM_SHA256", "1.3", "1.3"), SecurityError);
  parseCiphers("CHACHA20", "1.3", "1.3");
  parseCiphers("CHACHA20", "1.2", "1.2");
});

Deno.test("parseCiphers tells the word that it does not know, if nothing is left without it", () => {
  const { message } = assertThrows(() => parseCiphers("HGIH:!aNULL"), SecurityError);
  assertMatch(message, /can negotiate \("HGIH": unknown\): it has /);
  assertEquals(unknownCipherWords("HIGH:!aNULLL"), ["aNULLL"]);
});

Deno.test("parseCiphers refuses what OpenSSL can't read, from where it can't", () => {
  const { message } = assertThrows(() => parseCiphers("HIGH:@WEAK:!aNULL"), SecurityError);
  assertMatch(
    message,
    /^"tlsCiphers" "HIGH:@WEAK:!aNULL" can't be read from "@WEAK" on: it must be a cipher string/,
  );
});

Deno.test("cipherAllowed compares the negotiated suite", () => {
  const allowed = parseCiphers("ECDHE-RSA-AES256-GCM-SHA384");
  assertEquals(cipherAllowed(allowed, "ECDHE-RSA-AES256-GCM-SHA384"), true);
  assertEquals(cipherAllowed(allowed, "ECDHE-ECDSA-AES256-GCM-SHA384"), false);
  assertEquals(cipherAllowed(allowed, "TLS_AES_128_GCM_SHA256"), true);
  assertEquals(cipherAllowed(allowed, ""), false);
  assertEquals(cipherAllowed(undefined, "ECDHE-ECDSA-AES256-GCM-SHA384"), true);
});

Deno.test("checkListenerCiphers refuses what is never met, and tells what is negotiated", () => {
  const both = { minVersion: "1.2", maxVersion: "1.3", rsa: false } as const;
  const check = (text: string, range: Partial<Parameters<typeof checkListenerCiphers>[0]>): void =>
    checkListenerCiphers({ ciphers: parseCiphers(text), ...both, ...range });
  const refused = (...args: Parameters<typeof check>): string =>
    assertThrows(() => check(...args), SecurityError).message;

  assertMatch(
    refused("TLS_AES_128_GCM_SHA256", { minVersion: "1.3" }),
    /allows none of the suites that peers of this listener negotiate \(TLS_AES_256_GCM_SHA384\): Deno can't be told/,
  );
  assertMatch(
    refused("TLS_AES_128_GCM_SHA256:AES128", {}),
    /negotiate \(TLS_AES_256_GCM_SHA384, ECDHE-ECDSA-AES256-GCM-SHA384\)/,
  );
  assertMatch(refused("CHACHA20", { maxVersion: "1.2" }), /negotiate \(ECDHE-ECDSA-AES256-GCM-SHA384\)/);
  assertMatch(refused("aRSA", { maxVersion: "1.2" }), /ECDHE-ECDSA/);
  assertMatch(refused("aECDSA", { maxVersion: "1.2", rsa: true }), /ECDHE-RSA/);
  check("aRSA", { maxVersion: "1.2", rsa: true });
  check("aECDSA", { maxVersion: "1.2" });
  check("CHACHA20", {});
  check("TLS_AES_128_GCM_SHA256:AES256", {});
  checkListenerCiphers({ ciphers: undefined, ...both });
});

Deno.test("forbiddenPreference names the suite that two roles with the same options would negotiate", () => {
  const of = (text: string): string | undefined =>
    forbiddenPreference({ ciphers: parseCiphers(text), minVersion: "1.2", maxVersion: "1.3", rsa: true });
  assertEquals(of("TLS_AES_128_GCM_SHA256:AES256"), "TLS_AES_256_GCM_SHA384");
  assertEquals(of("CHACHA20"), undefined);
});
