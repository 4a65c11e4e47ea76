import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { cipherAllowed, parseCiphers } from "./ciphers.ts";
import { SecurityError } from "./errors.ts";

Deno.test("parseCiphers reads suites with colons between", () => {
  assertEquals(
    parseCiphers("ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384"),
    new Set(["ECDHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384"]),
  );
});

Deno.test("parseCiphers refuses OpenSSL's expressions by the part that is one", () => {
  for (
    const [text, part] of [["HIGH:!aNULL", "HIGH"], ["ECDHE+AESGCM", "ECDHE+AESGCM"], [
      "DEFAULT:@SECLEVEL=2",
      "DEFAULT",
    ]]
  ) {
    const { message } = assertThrows(() => parseCiphers(text ?? ""), SecurityError);
    assertMatch(message, /expressions of OpenSSL are not supported, list the suites/);
    assertEquals(message.split('"')[3], part);
  }
});

Deno.test("parseCiphers refuses a list without a suite that Deno has", () => {
  const { message } = assertThrows(() => parseCiphers("DHE-RSA-AES256-SHA:AES128-SHA"), SecurityError);
  assertMatch(message, /has no suite that Deno can negotiate/);
  assertThrows(() => parseCiphers(":"), SecurityError);
});

Deno.test("cipherAllowed compares TLS 1.2 suites", () => {
  const allowed = parseCiphers("ECDHE-RSA-AES256-GCM-SHA384");
  assertEquals(cipherAllowed(allowed, "ECDHE-RSA-AES256-GCM-SHA384"), true);
  assertEquals(cipherAllowed(allowed, "ECDHE-ECDSA-AES256-GCM-SHA384"), false);
  assertEquals(cipherAllowed(allowed, ""), false);
  assertEquals(cipherAllowed(undefined, "ECDHE-ECDSA-AES256-GCM-SHA384"), true);
});

Deno.test("cipherAllowed allows every TLS 1.3 suite unless the list names some", () => {
  assertEquals(cipherAllowed(parseCiphers("ECDHE-RSA-AES256-GCM-SHA384"), "TLS_AES_128_GCM_SHA256"), true);
  assertEquals(cipherAllowed(parseCiphers("TLS_AES_256_GCM_SHA384"), "TLS_AES_128_GCM_SHA256"), false);
  assertEquals(cipherAllowed(parseCiphers("TLS_AES_256_GCM_SHA384"), "TLS_AES_256_GCM_SHA384"), true);
});
