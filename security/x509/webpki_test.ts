import { assertEquals } from "@std/assert";
import { madePairs } from "../../testing/pki/made_certificates.ts";
import { NULL, OddCa } from "../../testing/pki/odd_certificates.ts";
import { concat } from "../../testing/raw_tls/raw_tls.ts";
import { readPems } from "../material/pem.ts";
import { canAsk, isReadable } from "./webpki.ts";
import { parseCertificate } from "./certificate.ts";

const good = await OddCa.make("our-ca");

Deno.test("isReadable takes real certificates with keys of all kinds, whatever kind ours is", async () => {
  for (const { id, ca, pairs } of madePairs()) {
    const texts = [ca, ...Object.values(pairs).map(({ cert }) => cert)].join("");
    for (const pem of (await readPems(id, texts)).certificates) {
      assertEquals(isReadable(parseCertificate(pem), { raw: good.cert }), true, id);
    }
  }
});

Deno.test("isReadable refuses two bytes behind a certificate, X.509 v1 and nonsense, for ever and ever", async () => {
  const v1 = await good.sign({ version: null, extensions: null }, good.keys);
  for (const raw of [concat(good.cert, NULL), v1, Uint8Array.of(1, 2, 3), new Uint8Array()]) {
    for (let i = 0; i < 2; i++) assertEquals(isReadable({ raw }, { raw: good.cert }), false);
  }
  assertEquals(isReadable({ raw: good.cert }, { raw: good.cert }), true);
});

Deno.test("canAsk tells whether an answer means anything", () => {
  assertEquals(canAsk({ raw: good.cert }), true);
  assertEquals(canAsk({ raw: Uint8Array.of(1, 2, 3) }), false); // the same is said of everything
});
