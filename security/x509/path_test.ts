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
import { boundsFault, findPath, issuerFault, leafFault, type PathDemands, rootFault } from "./path.ts";
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

Deno.test("findPath follows at most ten CAs, the trusted one among them", async () => {
  let ca = rootCa;
  const between: Certificate[] = [];
  for (let i = 1; i <= 11; i++) {
    ca = await ca.intermediate(`level ${i}`);
    between.unshift(parse(ca.pem));
  }
  const deep = parse((await ca.issue("deep")).cert);
  assertEquals(findPath([deep, ...between], [root]), undefined);
  assertEquals(findPath([deep, ...between], between.slice(-2, -1))?.length, 11);
  assertEquals(findPath([deep, ...between], between.slice(-1)), undefined);
});

Deno.test("leafFault, issuerFault and rootFault say what is wrong, so that somebody can act on it", () => {
  const now = new Date("2030-01-01T00:00:00Z");
  const year = (y: number) => new Date(`${y}-01-01T00:00:00Z`);
  const inForce = { validFrom: year(2029), validTo: year(2031) };
  const role: Certificate = { ...leaf, ...inForce };
  const ca: Certificate = { ...middle, ...inForce };
  const demands: PathDemands = { now, purpose: "client" };
  const leafFaults:
    readonly (readonly [certificate: Certificate, isTrusted: boolean, words: string | undefined])[] = [
      [role, false, undefined],
      [role, true, undefined],
      [{ ...role, validFrom: now, validTo: now }, false, undefined],
      [
        { ...role, version: 1 },
        true,
        "is X.509 v1, which is refused: make a v3 one (openssl x509 -req … -extfile …)",
      ],
      [ca, false, "is a CA's (CA:TRUE): a role needs one that a CA signed for it (CA:FALSE)"],
      [ca, true, undefined],
      [
        saying(role, { unknownCritical: ["1.2.3", "1.2.4"] }),
        false,
        "has a critical extension that is not understood (1.2.3, 1.2.4)",
      ],
      [
        { ...role, validTo: year(2029) },
        false,
        "has expired on 2029-01-01T00:00:00.000Z, and now is 2030-01-01T00:00:00.000Z",
      ],
      [
        { ...role, validFrom: year(2031) },
        false,
        "is not valid before 2031-01-01T00:00:00.000Z, and now is 2030-01-01T00:00:00.000Z: compare the clocks",
      ],
      [
        saying(role, { signsHandshakes: false }),
        true,
        "may not sign handshakes: its key usage lacks digitalSignature, which a role's certificate needs",
      ],
      [saying(ca, { signsHandshakes: false }), true, undefined],
      [
        saying(role, { usages: [SERVER_AUTH] }),
        false,
        "may not be used as a client's: its extended key usage is a server's only, and roles need serverAuth and clientAuth",
      ],
      [
        saying(role, { usages: [] }),
        false,
        "may not be used as a client's: its extended key usage is something else, and roles need serverAuth and clientAuth",
      ],
      [saying(role, { usages: [CLIENT_AUTH] }), false, undefined],
    ];
  for (const [certificate, isTrusted, words] of leafFaults) {
    assertEquals(leafFault(certificate, isTrusted, demands), words);
  }
  assertEquals(leafFault(saying(role, { usages: [], signsHandshakes: false }), false, { now }), undefined);
  const caFaults:
    readonly (readonly [extensions: Partial<Certificate["extensions"]>, words: string | undefined])[] = [
      [{}, undefined],
      [{ isCa: false }, "is no CA (CA:FALSE), so that it may not sign for others"],
      [{ signsCertificates: false }, "may not sign certificates by its key usage"],
      [{ pathLength: 2 }, undefined],
      [{ pathLength: 1 }, "may have at most 1 CAs below it (path length)"],
      [{ pathLength: 0 }, "may have no CA below it (path length)"],
      [{ unknownCritical: ["1.2.3"] }, "has a critical extension that is not understood (1.2.3)"],
      [{ usages: [SERVER_AUTH] }, "may not sign for clients by its extended key usage"],
      [{ usages: [CLIENT_AUTH] }, undefined],
    ];
  for (const [extensions, words] of caFaults) {
    assertEquals(issuerFault(saying(ca, extensions), 2, demands), words);
    assertEquals(rootFault(saying(ca, extensions), 2, demands), words);
  }
  assertEquals(issuerFault(saying(ca, { usages: [] }), 0, { now }), undefined);
  const v1 = saying({ ...ca, version: 1 }, { isCa: false });
  assertEquals(issuerFault(v1, 0, demands), "is X.509 v1, which does not say that it may sign for others");
  assertEquals(rootFault(v1, 0, demands), undefined);
  for (const fault of [issuerFault, rootFault]) {
    assertEquals(
      fault({ ...ca, validTo: year(2029) }, 0, demands),
      "has expired on 2029-01-01T00:00:00.000Z, and now is 2030-01-01T00:00:00.000Z",
    );
  }
});

Deno.test("boundsFault names who is out of bounds, and whose bounds they are", () => {
  const name = (text: string) => ({ tag: 0x82, content: new TextEncoder().encode(text) });
  const bounds = { nameConstraints: { permitted: [name("a.example")], excluded: [] } };
  const inside = saying(leaf, { names: [name("x.a.example")] });
  const outside = saying(leaf, { names: [name("x.b.example")] });
  const bound = saying(middle, bounds);
  assertEquals(boundsFault([inside, bound, root]), undefined);
  assertEquals(boundsFault([outside, middle, root]), undefined);
  assertEquals(boundsFault([saying(outside, bounds)]), undefined, "bounds are for those below");
  assertEquals(
    boundsFault([outside, bound, root]),
    'has a name that "CN=middle" above it may not sign for (name constraints)',
  );
  assertEquals(
    boundsFault([inside, saying(middle, { names: [name("b.example")] }), saying(root, bounds)]),
    'has "CN=middle" above it, with a name that "CN=root" above it may not sign for (name constraints)',
  );
});
