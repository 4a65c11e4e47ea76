import { assert, assertEquals, assertThrows } from "@std/assert";
import { runToEnd } from "../../testing/processes.ts";
import { expandCipherString } from "./cipher_string.ts";
import { DENO_SUITES } from "./ciphers.ts";

const TLS12 = DENO_SUITES.filter((name) => !name.startsWith("TLS_"));

/** Every kind of word, sign and command, alone and together. What they mean is asked of OpenSSL. */
const STRINGS: readonly string[] = [
  "ALL",
  "DEFAULT",
  "HIGH",
  "HIGH:!aNULL",
  "HIGH:!aNULL:!MD5",
  "HIGH:!aNULL:!eNULL:!CHACHA20",
  "ECDHE+AESGCM",
  "ECDHE+AESGCM:!AES128",
  "ECDHE+AESGCM:ECDHE+CHACHA20",
  "ECDHE+CHACHA20:-aRSA",
  "EECDH+AESGCM:EDH+AESGCM",
  "EECDH:!AESGCM",
  "kECDHE:!aECDSA",
  "kEECDH+aRSA+AES256",
  "ECDH+AES128",
  "ECDH",
  "aRSA",
  "aECDSA",
  "ECDSA:!AES",
  "aRSA+AES:aECDSA+CHACHA20",
  "AES",
  "AES128",
  "AES256",
  "AESGCM",
  "AES128+AESGCM",
  "AES128+AES256:CHACHA20",
  "CHACHA20",
  "CHACHA20:AES256",
  "TLSv1.2",
  "TLSv1.2+aRSA",
  "TLSv1.2:!CHACHA20",
  "FIPS",
  "FIPS+aRSA",
  "HIGH+FIPS:CHACHA20",
  "HIGH:!FIPS",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:AES128-SHA",
  "ECDHE-RSA-AES128-GCM-SHA256+AES:CHACHA20",
  "ECDHE-RSA-AES128-GCM-SHA256+AES256:CHACHA20",
  "ALL:-AES128:AES128+aRSA",
  "ALL:!AES128:AES128",
  "ALL:-AES128:AES128",
  "ALL:!ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
  "ALL:+AES128",
  "ALL:+AESGCM:@STRENGTH",
  "+AESGCM:CHACHA20",
  "!AES128:ALL",
  "-AES128:ALL",
  "@STRENGTH:ECDHE+AESGCM",
  "ALL@STRENGTH",
  "HIGH!AES128",
  "ECDHE+AESGCM-aRSA",
  "ALL:@SECLEVEL=0",
  "ALL:@SECLEVEL=2",
  "ALL:@SECLEVEL=3",
  "ALL:@SECLEVEL=4",
  "ALL:@SECLEVEL=5",
  "ALL:@SECLEVEL=4:@SECLEVEL=1",
  "DEFAULT@SECLEVEL=4",
  "DEFAULT:@SECLEVEL=2",
  "DEFAULT:-AESGCM",
  "DEFAULT:!aRSA:@STRENGTH",
  "DEFAULTAES128",
  "CHACHA20:DEFAULT",
  "CHACHA20:!DEFAULT",
  "SUITEB128",
  "SUITEB128ONLY",
  "SUITEB128C2",
  "SUITEB192",
  "SUITEB192:CHACHA20",
  "CHACHA20:SUITEB128",
  "NO-SUCH-SUITE:CHACHA20",
  "NOSUCHWORD:CHACHA20",
  "NOSUCHWORD+AES:CHACHA20",
  "AES+NOSUCHWORD:CHACHA20",
  "AES+NOSUCHWORD+CHACHA20:aRSA+CHACHA20",
  "high:CHACHA20",
  "ALL:!aRSA+CHACHA20",
  "ALL:!SHA256:!SHA384",
  "ALL:!SHA",
  "ALL:!kRSA:!kDHE:!PSK",
  "kRSA:CHACHA20",
  "ALL:!EDH",
  "RSA:ECDHE+aRSA+AES128",
  "MEDIUM:LOW:CHACHA20",
  "COMPLEMENTOFALL:COMPLEMENTOFDEFAULT:CHACHA20",
  "ALL:!COMPLEMENTOFDEFAULT:!eNULL",
  "AES256 CHACHA20",
  "AES256,CHACHA20;aRSA",
  "::AES256::CHACHA20:",
  "AESGCM+TLSv1.2+ECDHE+aECDSA",
  "TLSv1:CHACHA20",
  "SSLv3:!AES",
  "MD5",
  "!HIGH",
  "NOSUCHWORD",
  "ALL:!HIGH",
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" +
  "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256",
];

/** The suites that `openssl ciphers` makes of a string, or nothing if it refuses it. */
async function byOpenssl(text: string): Promise<ReadonlySet<string> | undefined> {
  const { stdout, stderr } = await runToEnd({ command: ["openssl", "ciphers", "-s", "-tls1_2", "--", text] });
  if (/invalid command/.test(stderr)) return undefined;
  return new Set(stdout.trim().split(":").filter((name) => TLS12.includes(name)));
}

Deno.test("expandCipherString makes of each string what openssl ciphers makes of it, for Deno's suites", async () => {
  assert(STRINGS.length >= 60);
  for (const text of STRINGS) {
    const expected = await byOpenssl(text);
    assert(expected !== undefined, `openssl refuses "${text}"`);
    assertEquals([...expandCipherString(text).tls12].sort(), [...expected].sort(), text);
  }
});

Deno.test("expandCipherString refuses what openssl ciphers refuses", async () => {
  for (
    const text of [
      "HIGH:?",
      "@WEAK",
      "ALL:@SECLEVEL=6",
      "ALL:@SECLEVEL=",
      "ALL:!",
      "AES+",
      "ALL:ÄES",
      "ALL/x",
    ]
  ) {
    assertEquals(await byOpenssl(text), undefined, text);
    assertThrows(() => expandCipherString(text), SyntaxError);
  }
});

// OpenSSL itself does since 3.2.
Deno.test("expandCipherString knows the suites by IANA's names too", () => {
  const of = (text: string): string[] => [...expandCipherString(text).tls12].sort();
  assertEquals(of("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), ["ECDHE-RSA-AES128-GCM-SHA256"]);
  assertEquals(of("aRSA+CHACHA20:TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"), [
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
  ]);
  assertEquals(of("aRSA+AES:!TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"), ["ECDHE-RSA-AES128-GCM-SHA256"]);
});

Deno.test("expandCipherString leaves all suites of TLS 1.3 unless some are named", () => {
  const all = DENO_SUITES.filter((name) => name.startsWith("TLS_")).sort();
  const of = (text: string): string[] => [...expandCipherString(text).tls13].sort();
  assertEquals(of("HIGH:!aNULL"), all);
  assertEquals(of("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), all);
  assertEquals(of("TLS_AES_128_GCM_SHA256:HIGH"), ["TLS_AES_128_GCM_SHA256"]);
  assertEquals(of("TLS_AES_128_CCM_SHA256:HIGH"), []);
  assertEquals(of("HIGH:!TLS_AES_128_GCM_SHA256"), all.filter((name) => name !== "TLS_AES_128_GCM_SHA256"));
  assertEquals(of("HIGH:@SECLEVEL=4"), all.filter((name) => name !== "TLS_AES_128_GCM_SHA256"));
});

Deno.test("expandCipherString tells the words that nobody knows", () => {
  assertEquals(expandCipherString("HGIH:HIGH:!aNULLL:!MD5:kRSA:AES256-SHA").unknown, ["HGIH", "aNULLL"]);
});
