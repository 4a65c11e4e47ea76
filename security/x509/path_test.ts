import { assertEquals } from "@std/assert";
import { expired, notYetValid, TestCa } from "../../testing/pki/pki.ts";
import {
  basicConstraints,
  CLIENT_AUTH,
  extendedKeyUsage,
  keyUsage,
  OddCa,
  SERVER_AUTH,
} from "../../testing/pki/odd_certificates.ts";
import { findPath, type PathDemands } from "./path.ts";
import { type Certificate, isSame, parseCertificate } from "./certificate.ts";

const NOW: PathDemands = { now: new Date(), purpose: "server" };
const parse = (pem: string): Certificate => parseCertificate(pem);

const rootCa = await TestCa.make("root");
const root = parse(rootCa.pem);
const middleCa = await rootCa.intermediate("middle");
const middle = parse(middleCa.pem);
const leaf = parse((await middleCa.issue("leaf")).cert);

function saying(certificate: Certificate, extensions: Partial<Certificate["extensions"]>): Certificate {
  return { ...certificate, extensions: { ...certificate.extensions, ...extensions } };
}

Deno.test("findPath goes through CAs only, and ends at one that is trusted", async () => {
  const noCa = await rootCa.intermediate("no-ca", { ca: false });
  const bad = parse((await noCa.issue("bad")).cert);
  assertEquals(findPath([leaf, middle], [root], NOW), [leaf, middle, root]);
  assertEquals(findPath([leaf, root, middle, middle], [root], NOW), [leaf, middle, root]);
  assertEquals(findPath([leaf], [root], NOW), undefined);
  assertEquals(findPath([bad, parse(noCa.pem)], [root], NOW), undefined);
  assertEquals(findPath([leaf, middle], [parse((await TestCa.make("root")).pem)], NOW), undefined);
  assertEquals(findPath([leaf], [middle], NOW), [leaf, middle]);
  assertEquals(findPath([], [root], NOW), undefined);
});

Deno.test("findPath takes a certificate that is in the bundle itself, CA or not", async () => {
  const other = parse((await rootCa.issue("shared")).cert);
  assertEquals(findPath([other], [other], NOW), [other]);
  assertEquals(findPath([root], [root], NOW), [root]);
  assertEquals(findPath([middle], [root], NOW), undefined, "a CA's below it is no role's");
});

Deno.test("findPath holds every certificate of the path to what it says, and to the time", async () => {
  const below = async (options: Parameters<TestCa["issue"]>[1]) =>
    parse((await rootCa.issue("leaf", options)).cert);
  const refused:
    readonly (readonly [what: string, chain: readonly Certificate[], cas: readonly Certificate[]])[] = [
      ["leaf expired", [await below(expired())], [root]],
      ["leaf of tomorrow", [await below(notYetValid())], [root]],
      ["leaf of v1", [await below({ version: 1 })], [root]],
      ["leaf for clients", [await below({ usages: ["clientAuth"] })], [root]],
      ["leaf with an unknown critical extension", [saying(leaf, { unknownCritical: ["1.2.3"] }), middle], [
        root,
      ]],
      ...([
        ["no CA", { isCa: false }],
        ["no right to sign", { signsCertificates: false }],
        ["for clients", { usages: ["1.3.6.1.5.5.7.3.2"] }],
        ["an unknown critical extension", { unknownCritical: ["1.2.3"] }],
      ] as const).flatMap(([what, extensions]) => [
        [`${what} between`, [leaf, saying(middle, extensions)], [root]] as const,
        [`${what} at the top`, [leaf, middle], [saying(root, extensions)]] as const,
      ]),
      ["v1 between", [leaf, { ...middle, version: 1 }], [root]],
      ["a path too long for the top", [leaf, middle], [saying(root, { pathLength: 0 })]],
      ["expired between", [leaf, { ...middle, validTo: new Date(0) }], [root]],
      ["expired at the top", [leaf, middle], [{ ...root, validTo: new Date(0) }]],
      ["of tomorrow at the top", [leaf, middle], [{ ...root, validFrom: new Date(Date.now() + 1e6) }]],
    ];
  for (const [what, chain, cas] of refused) assertEquals(findPath(chain, cas, NOW), undefined, what);
});

Deno.test("findPath demands digitalSignature of a role's key usage, if it has one, also of one in the bundle", async () => {
  const ca = await OddCa.make("odd root");
  const usages = extendedKeyUsage(SERVER_AUTH, CLIENT_AUTH);
  const withUsage = async (bits: number, unused: number) =>
    parseCertificate(
      (await ca.issue({ extensions: [basicConstraints(false), keyUsage(bits, unused), usages] })).cert,
    );
  const roots = [parseCertificate(ca.cert)];
  const refused = {
    nonRepudiation: [0x40, 6],
    keyEncipherment: [0x20, 5],
    keyAgreement: [0x08, 3],
    cRLSign: [0x02, 1],
  };
  for (const purpose of ["client", "server"] as const) {
    const demands = { now: new Date(), purpose };
    for (const [name, [bits = 0, unused = 0]] of Object.entries(refused)) {
      const wrong = await withUsage(bits, unused);
      assertEquals(findPath([wrong], roots, demands), undefined, `${name} as a ${purpose}'s`);
      assertEquals(findPath([wrong], [wrong], demands), undefined, `${name} in the bundle as a ${purpose}'s`);
    }
    for (const [bits, unused] of [[0x80, 7], [0xa0, 5], [0xc0, 6]] as const) {
      assertEquals(findPath([await withUsage(bits, unused)], roots, demands)?.length, 2);
    }
  }
});

Deno.test("findPath counts only CAs between for a path length", async () => {
  const sub = await middleCa.intermediate("sub");
  const [deep, subCert] = [parse((await sub.issue("deep")).cert), parse(sub.pem)];
  const of = (between: number, top: number) =>
    findPath(
      [deep, subCert, saying(middle, { pathLength: between })],
      [saying(root, { pathLength: top })],
      NOW,
    );
  assertEquals(of(1, 2)?.length, 4);
  assertEquals(of(0, 2), undefined);
  assertEquals(of(1, 1), undefined);
});

Deno.test("findPath without demands minds neither time nor use, and a v1 root vouches by being in the bundle", async () => {
  const old = parse((await rootCa.issue("leaf", { ...expired(), usages: ["clientAuth"] })).cert);
  assertEquals(findPath([old], [root])?.length, 2);
  assertEquals(findPath([leaf, middle], [{ ...root, version: 1 }], NOW)?.length, 3);
});

Deno.test("findPath tries every way up, and ends on certificates that sign each other in a circle", async () => {
  const twin = { ...middle, validTo: new Date(0) };
  assertEquals(findPath([leaf, twin, middle], [root], NOW)?.some((one) => isSame(one, middle)), true);
  const [a, b] = [{ ...middle, issuer: middle.subject }, { ...middle, issuer: root.subject }];
  assertEquals(findPath([leaf, a, b, a], [parse((await TestCa.make("elsewhere")).pem)], NOW), undefined);
});
