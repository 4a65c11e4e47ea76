import { assertEquals, assertMatch } from "@std/assert";
import { damageTree } from "../../testing/pki/der_tree.ts";
import { madePairs } from "../../testing/pki/made_certificates.ts";
import {
  alternativeNames,
  caExtensions,
  generalName,
  leafExtensions,
  nameConstraints,
  OddCa,
} from "../../testing/pki/odd_certificates.ts";
import { oddLeaves } from "../../testing/pki/odd_leaves.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { Random } from "../../testing/random.ts";
import { mutateBytes } from "../../testing/fuzz/mutate.ts";
import { der, derOid, Tag } from "./der.ts";
import { derExtension, makeKeys } from "./issue.ts";
import { readPems } from "../material/pem.ts";
import { Security } from "../security.ts";
import { derFault } from "./strict_der.ts";
import { webpkiSays } from "./webpki.ts";
import { parseCertificate } from "./certificate.ts";

/** Where webpki says this, Deno's client asks for no proof of the key. */
const UNREADABLE = /BadEncoding|UnsupportedCertVersion/;

const ca = await OddCa.make("our-ca");

Deno.test("derFault says what is wrong with how a certificate is written, and nothing of what is harmless", async () => {
  for (const { what, cert, fault } of await oddLeaves(ca, await makeKeys())) {
    const said = derFault(cert);
    if (fault === undefined) assertEquals(said, undefined, what);
    else assertMatch(said ?? "nothing", fault, what);
  }
});

Deno.test("derFault refuses what is nested too deeply, longer than webpki reads, or tagged in several bytes", () => {
  let nested = new Uint8Array();
  for (let depth = 0; depth < 18; depth++) nested = der(Tag.sequence, nested);
  assertEquals(derFault(nested), "it is nested too deeply");
  const long = new Uint8Array(4 + 0xffff);
  long.set([Tag.sequence, 0x82, 0xff, 0xff]);
  assertEquals(derFault(long), "an element of it has more than 65534 bytes");
  assertEquals(derFault(Uint8Array.of(0x3f, 0)), "a tag of it has more than one byte");
  assertEquals(
    derFault(Uint8Array.of(Tag.sequence, 0x85, 0, 0, 0, 0, 1)),
    "a length in it is not as it should be",
  );
});

/** Certificates as they are met: other makers', ours, of all kinds. */
async function realCertificates(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const texts = new Map(
    madePairs().map((
      { id, ca, pairs },
    ) => [id, [ca, ...Object.values(pairs).map(({ cert }) => cert)].join("")]),
  );
  const temporary = await Security.temporary();
  texts.set("Security.temporary", `${temporary.tlsCaFile}${temporary.tlsSchedulerCert}`);
  const test = await TestCa.make();
  const names = { dnsNames: ["a.example"], uris: ["spiffe://a/b"] };
  texts.set("TestCa", test.pem + (await test.issue("x", names)).cert + (await test.intermediate("y")).pem);
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [id, text] of texts) {
    for (const [at, pem] of (await readPems(id, text)).certificates.entries()) {
      found.set(`${id} ${at}`, parseCertificate(pem).raw);
    }
  }
  return found;
}

Deno.test("derFault finds nothing in certificates of openssl, cfssl, step, cert-manager, SPIRE, Python and ours", async () => {
  const all = await realCertificates();
  assertEquals(all.size > 40, true, `${all.size}`);
  for (const [what, cert] of all) assertEquals(derFault(cert), undefined, what);
});

Deno.test("derFault passes nothing that webpki can't read", async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = new Random(seed);
  const rich = await ca.sign({
    extensions: [
      ...caExtensions(3),
      nameConstraints([generalName(0x82, "a.example")], [generalName(0x87, new Uint8Array(8))]),
      alternativeNames(generalName(0x82, "a.example"), generalName(0x86, "spiffe://a/b")),
      derExtension(
        "2.5.29.31",
        false,
        der(Tag.sequence, der(Tag.sequence, der(Tag.context, der(Tag.context)))),
      ),
      derExtension("1.2.3.4", false, derOid("1.2.3")),
    ],
  }, await makeKeys());
  const seeds = [
    rich,
    await ca.sign({ extensions: leafExtensions() }, ca.keys),
    ...(await realCertificates()).values(),
  ];
  const broken = webpkiSays({ raw: new Uint8Array([...rich, 5, 0]) });
  assertMatch(broken, UNREADABLE, "webpki has other words now, so that nothing would be found");
  let passed = 0;
  for (let i = 0; i < 20_000; i++) {
    const good = random.pick(seeds);
    const cert = random.chance(0.3) ? mutateBytes(good, random) : damageTree(good, random);
    if (derFault(cert) !== undefined) continue;
    passed++;
    const said = webpkiSays({ raw: new Uint8Array(cert) });
    if (UNREADABLE.test(said)) {
      throw new Error(`seed ${seed}, round ${i}: ${said}\n${cert.toHex()}`);
    }
  }
  assertEquals(passed > 2000, true, `seed ${seed}: only ${passed} came through`);
});
