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

Deno.test("derFault is exact about what an extension of X.509 may hold", async () => {
  const keys = await makeKeys();
  const faultOf = async (oid: string, value: Uint8Array): Promise<string | undefined> =>
    derFault(await ca.sign({ extensions: [derExtension(oid, false, value)] }, keys));
  const bits = (...content: readonly number[]) => der(Tag.bitString, Uint8Array.from(content));
  const sequence = (...parts: readonly Uint8Array[]) => der(Tag.sequence, ...parts);
  const boolean = (...content: readonly number[]) => der(Tag.boolean, Uint8Array.from(content));
  const integer = (...content: readonly number[]) => der(Tag.integer, Uint8Array.from(content));
  const name = (tag: number) => sequence(der(tag));
  const good: readonly (readonly [oid: string, value: Uint8Array])[] = [
    ["2.5.29.15", bits(0, 0x80)],
    ["2.5.29.15", bits(7, 0x80)],
    ["2.5.29.15", bits(7, 0x80, 0x80)],
    ["2.5.29.19", sequence()],
    ["2.5.29.19", sequence(boolean(0))],
    ["2.5.29.19", sequence(boolean(0xff), integer(0x7f))],
    ["2.5.29.19", sequence(integer(0))],
    ["2.5.29.37", sequence(derOid("1.2.3"), derOid("1.2.4"))],
    ...[0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x86, 0x87, 0x88].map((tag) => ["2.5.29.17", name(tag)] as const),
    ["2.5.29.30", sequence()],
    ["2.5.29.31", sequence()],
    ["2.5.29.14", Uint8Array.of(5, 0)],
    ["1.2.3", Uint8Array.of(0xff)],
  ];
  for (const [oid, value] of good) {
    assertEquals(await faultOf(oid, value), undefined, `${oid} ${value.toHex()}`);
  }
  const wrong: readonly (readonly [oid: string, value: Uint8Array])[] = [
    ["2.5.29.15", bits(0)],
    ["2.5.29.15", bits()],
    ["2.5.29.15", bits(8, 0x80)],
    ["2.5.29.19", sequence(boolean(1))],
    ["2.5.29.19", sequence(boolean())],
    ["2.5.29.19", sequence(boolean(0xff, 0xff))],
    ["2.5.29.19", sequence(integer(0x80))],
    ["2.5.29.19", sequence(integer())],
    ["2.5.29.19", sequence(integer(0, 5))],
    ["2.5.29.19", sequence(integer(1), integer(1))],
    ["2.5.29.37", sequence()],
    ["2.5.29.37", sequence(derOid("1.2.3"), boolean(0))],
    ["2.5.29.17", sequence()],
    ["2.5.29.17", name(0x89)],
    ["2.5.29.17", sequence(der(0x82), der(0x80))],
  ];
  for (const [oid, value] of wrong) {
    assertEquals(await faultOf(oid, value), `extension ${oid} is not as it should be`, value.toHex());
  }
  for (const oid of ["2.5.29.30", "2.5.29.31"]) {
    assertMatch(await faultOf(oid, boolean(0)) ?? "", /expected tag 48/);
    assertEquals(await faultOf(oid, new Uint8Array([...sequence(), 5, 0])), "something stands behind it");
  }
});

Deno.test("derFault is exact about lengths and depths", () => {
  const nested = (depth: number): Uint8Array => {
    let element = der(Tag.sequence);
    for (let i = 0; i < depth; i++) element = der(Tag.sequence, element);
    return element;
  };
  assertEquals(derFault(nested(17)), "it is nested too deeply");
  assertEquals(derFault(nested(16)), "unexpected end");
  const said = (hex: string): string => derFault(Uint8Array.fromHex(hex)) ?? "nothing";
  assertEquals(said("3080"), "a length in it is not as it should be");
  assertEquals(said("30"), "an element of it is cut off");
  assertEquals(said(""), "an element of it is cut off");
  assertEquals(said("300204"), "an element of it is cut off");
  assertEquals(said("30020401"), "an element of it is cut off");
  assertEquals(said("3001040100"), "an element of it is cut off");
  assertEquals(said("30020400" + "00"), "something stands behind it");
  assertEquals(said("3081"), "a length in it is not as it should be");
  assertEquals(said("308102" + "0400"), "a length in it is longer than it need be");
  assertEquals(said("30820080" + "00".repeat(0x80)), "a length in it is longer than it need be");
  assertEquals(said("3084000000800400"), "a length in it is longer than it need be");
  const longest = new Uint8Array(4 + 0xfffe);
  longest.set([Tag.octetString, 0x82, 0xff, 0xfe]);
  assertMatch(derFault(longest) ?? "", /expected tag 48/);
});
